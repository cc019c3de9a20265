import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.pairing.chosen_frames import join_chosen, rows_of
from assets.pairing.frames import join
from assets.registration_report import asked_ids
from assets.registration_report.mean_images import stored_normals
from assets.registration_report.registrations import asked

IDS = tuple("abcdefgh")
STAGE = st.lists(st.sampled_from(IDS), unique=True, min_size=4)
SCHEMA = pa.schema([(name, pa.string()) for name in ("radiograph_id", "patient", "domain", "split")])


@st.composite
def stages(draw: st.DrawFn) -> list[pa.Table]:
    """Radiographs of few patients, and three stages that some of them went through."""
    rows = [
        {
            "radiograph_id": name,
            "patient": draw(st.sampled_from("pqrs")),
            "domain": draw(st.sampled_from(["normal", "normal", "abnormal"])),
            "split": draw(st.sampled_from(["train", "validation", "test"])),
        }
        for name in draw(st.permutations(IDS))
    ]
    later = [pa.table({"radiograph_id": pa.array(draw(STAGE), pa.string())}) for _ in range(3)]
    return [pa.Table.from_pylist(rows, schema=SCHEMA), *later]


@given(tables=stages(), at_most=st.integers(1, 5))
@settings(max_examples=100, deadline=None)
def test_the_chosen_radiographs_are_those_that_all_rows_would_give(tables: list[pa.Table], at_most: int) -> None:
    everything = join(*(table.to_pylist() for table in tables))
    few = join_chosen(tables, asked_ids.normal_ids(tables, at_most))
    assert stored_normals(few, at_most) == stored_normals(everything, at_most)
    assert len(few) <= 2 * at_most
    rows = [table.to_pylist() for table in tables[:3]]
    ids = asked_ids.tested_ids(tables[:3], at_most)
    chosen = [rows_of(table, ids) for table in tables[:3]]
    assert asked(chosen[0], chosen[1], chosen[2], "test", at_most) == asked(rows[0], rows[1], rows[2], "test", at_most)
    assert len(ids) <= at_most
