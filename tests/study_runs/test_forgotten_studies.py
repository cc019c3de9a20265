import pyarrow as pa
import pytest

from pipelines.forget.layout import layout
from pipelines.forget.purge import purge
from pipelines.forget.rewriting import Rewriting
from pipelines.forget.studies import mark_tables, tables_of
from resources.layout import known
from resources.manifests import Place, publish, read_pointer
from resources.object_store import ObjectStore

PLACE = Place("study_table", "tried")
SHOWING = ("report.html", "table.md", "pictures/roc.png", f"manifests/{'0' * 64}.parquet")


def lay_out(store: ObjectStore, parents: dict[str, str]) -> None:
    table = pa.table({"key": ["a"], "status": ["ok"], "artifact": [""]})
    publish(store, PLACE, table, {"parents": parents, "settings": {}, "version": "1"})
    for name in SHOWING:
        store.write(f"{PLACE.folder}/{name}", b"shows a patient")


@pytest.mark.parametrize("parent", ["evaluation@tried-2-0", "anomaly_maps@tried-2-0/03", "translator@tried-2-0"])
def test_a_table_that_shows_a_cohort_goes_with_its_patient(store: ObjectStore, parent: str) -> None:
    lay_out(store, {parent: "1", "evaluation@tried-2-1": "2"})
    found = tables_of(store, layout(store), {"tried-2-0"})
    assert found == [PLACE]
    assert mark_tables(Rewriting(store), found) == ["study_table@tried"]
    assert purge(store, layout(store), ("tried",)) == len(SHOWING)
    assert all(store.read_or_none(f"{PLACE.folder}/{name}") is None for name in SHOWING)
    pointer = read_pointer(store, PLACE)
    assert pointer is not None
    assert pointer["must_retrain"] == "a patient withdrew who was in its cohorts; run the study again"
    assert purge(store, layout(store), ("tried",)) == 0, "the table itself names nobody"


def test_a_table_of_other_cohorts_stays(local_store: ObjectStore) -> None:
    lay_out(local_store, {"evaluation@tried-2-10": "1"})
    assert tables_of(local_store, layout(local_store), {"tried-2-1", "tried"}) == []


def test_a_table_that_was_cut_off_before_its_pointer_is_not_trusted(local_store: ObjectStore) -> None:
    local_store.write(f"{PLACE.folder}/report.html", b"shows a patient")
    assert tables_of(local_store, layout(local_store), {"tried-2-0"}) == [PLACE]


def test_what_a_table_leaves_is_known_to_the_audits() -> None:
    kinds = {name: known(f"{PLACE.folder}/{name}").kind for name in ("report.html", "table.md", "CURRENT.json")}
    assert kinds == {"report.html": "record", "table.md": "record", "CURRENT.json": "pointer"}
    assert known(f"{PLACE.folder}/FAILED.json").place == PLACE
