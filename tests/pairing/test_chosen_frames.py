import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.pairing.chosen_frames import common_ids, join_chosen, rows_of
from assets.pairing.frames import join

IDS = st.lists(st.sampled_from("abcdef"), unique=True)


def table(ids: list[str], stage: str = "") -> pa.Table:
    return pa.table({"radiograph_id": pa.array(ids, pa.string()), "key": [stage + name for name in ids]})


@given(stages=st.tuples(IDS, IDS, IDS, IDS), wanted=IDS)
@settings(max_examples=60, deadline=None)
def test_chosen_radiographs_have_the_rows_that_a_join_of_all_gives_them(
    stages: tuple[list[str], ...], wanted: list[str]
) -> None:
    tables = [table(ids, str(number)) for number, ids in enumerate(stages)]
    everything = join(*(each.to_pylist() for each in tables))
    assert join_chosen(tables, wanted) == {name: row for name, row in everything.items() if name in wanted}
    assert common_ids(tables) == list(everything)


def test_rows_keep_the_tables_order() -> None:
    assert [row["radiograph_id"] for row in rows_of(table(["c", "a", "b"]), ["a", "c", "x"])] == ["c", "a"]
    assert rows_of(table(["a"]), []) == []
