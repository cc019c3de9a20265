"""Work in threads: in order, in the caller's thread where it is alone, and no longer wanted once the caller ends."""

from collections.abc import Iterator
from threading import Barrier, Event, get_ident

import pytest

from resources.side_by_side import NoLongerWanted, SideBySide

WAIT = 30.0


def test_results_are_in_the_items_order_and_worked_on_together() -> None:
    both = Barrier(2)

    def work(item: int) -> tuple[int, int]:
        both.wait(WAIT)
        return item, get_ident()

    with SideBySide().mapped(work, [1, 2], 2) as found:
        results = list(found)
    assert [item for item, _ in results] == [1, 2]
    assert len({thread for _, thread in results} - {get_ident()}) == 2


def test_one_at_once_is_worked_on_where_it_is_asked_for() -> None:
    with SideBySide().mapped(lambda _: get_ident(), range(3), 1) as found:
        assert list(found) == [get_ident()] * 3


def test_what_goes_on_ends_with_the_caller_and_nothing_else_is_begun() -> None:
    beside, begun, ended = SideBySide(), Event(), Event()
    worked: list[int] = []

    def work(item: int) -> None:
        worked.append(item)
        begun.set()
        try:
            while not ended.wait(0.001):
                beside.require_wanted()
        except NoLongerWanted:
            ended.set()
            raise

    def interrupted() -> None:
        with beside.mapped(work, range(50), 2):
            assert begun.wait(WAIT)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert ended.is_set()
    assert len(worked) <= 2


def test_an_items_error_ends_the_others() -> None:
    beside, seen, both = SideBySide(), Event(), Barrier(2)

    def work(item: int) -> None:
        both.wait(WAIT)
        if item == 0:
            raise OSError("no space left")
        try:
            while True:
                beside.require_wanted()
        except NoLongerWanted:
            seen.set()
            raise

    with pytest.raises(OSError, match="no space left"), beside.mapped(work, range(2), 2) as found:
        list(found)
    assert seen.is_set()


def test_work_is_wanted_where_nothing_ended() -> None:
    def counted(beside: SideBySide) -> Iterator[int]:
        for item in range(3):
            beside.require_wanted()
            yield item

    beside = SideBySide()
    with beside.mapped(str, counted(beside), 2) as found:
        assert list(found) == ["0", "1", "2"]
    beside.require_wanted()
