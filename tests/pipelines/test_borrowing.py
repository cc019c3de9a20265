import copy
from typing import Any

import pytest

from tests.pipelines.installation import Installation

pytestmark = pytest.mark.timeout(600)


def test_a_borrowers_run_trains_the_lender_first_and_its_status_follows_the_lender(
    empty: Installation, tiny: dict[str, Any]
) -> None:
    borrower = copy.deepcopy(tiny)
    borrower |= {"name": "borrower", "phantom": {"subjects": 4, "seed": 11}}
    borrower["settings"]["lung_segmenter"] = {"borrow_from": "tiny"}
    empty.declare(borrower)

    printed = empty.run("borrower", "--until", "lung_masks")
    said = printed.index("borrower borrows the lung segmenter of tiny, which has none of version 1 yet: tiny is run")
    assert said < printed.index("radiographs@tiny/0: ") < printed.index("lung_segmenter@tiny: ")
    assert printed.index("lung_segmenter@tiny: ") < printed.index("radiographs@borrower/0: ")
    assert "lung_masks@tiny/0" not in printed
    lender, own = empty.rows("lung_segmenter")[0], empty.rows("lung_segmenter", "borrower")[0]
    assert own == {**lender, "borrowed_from": "tiny"}

    # What the lender was set to for one run is not asked of the borrower's.
    assert "tiny is run" not in empty.run("tiny", "--until", "lung_segmenter", "--set", "lung_segmenter.steps=3")
    _, shown = empty.call("status", "borrower")
    line = next(line for line in shown.splitlines() if "lung_segmenter" in line)
    assert "stale" in line
    assert "lung_segmenter@tiny changed" in line


def test_a_lender_that_cannot_be_run_is_no_dead_end(empty: Installation, tiny: dict[str, Any]) -> None:
    lender = {"name": "absent", "root": str(empty.folder / "nowhere"), "table": "table.csv", "normal_labels": ["well"]}
    tiny["settings"]["lung_segmenter"] = {"borrow_from": "absent"}
    empty.declare(lender)
    empty.declare(tiny)
    status, printed = empty.call("run", "tiny", "--until", "lung_segmenter")
    assert status == 1
    assert "radiographs [absent/0] failed: cohort absent: " in printed
    assert "; --set lung_segmenter.borrow_from= runs tiny without it" in printed
