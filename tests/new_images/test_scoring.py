from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from assets.radiographs.phantom.cohort import phantom_subject
from assets.radiographs.phantom.settings import PhantomSettings
from pipelines.borrowing.lender import BorrowingError
from pipelines.new_images.bench import COHORT, Bench
from pipelines.new_images.lent import Lent, Row
from pipelines.new_images.scoring import SEEN, WITHDRAWN, Barred, _decoded, _status
from resources.arrays import CorruptArtifact
from resources.catalogue import NAME
from resources.generation import Generation
from resources.manifests import digest_of
from resources.object_store import ObjectStore
from resources.tombstones import Withdrawn

KEY = b"a key for the tests only"
NOBODY = Barred(Withdrawn(frozenset(), frozenset(), frozenset()))


def lent(rows: dict[str, list[Row]] | None = None, **radiographs: object) -> Lent:
    settings = {"radiographs": {"size": 64, "undo_squash": True, "test_share": 0.2, **radiographs}}
    generation = Generation(made_at="", digests={}, settings=settings, versions={})
    return Lent("shenzhen", generation, rows or {}, "none/pca", 0, "score_mean", 0.5)


@pytest.fixture
def names(tmp_path: Path) -> list[str]:
    phantoms = PhantomSettings(size=64, subjects=3, seed=5)
    for index in range(3):
        pixels = np.rint(phantom_subject(index, phantoms.seed, phantoms).image * 255).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{index}.png")
    (tmp_path / "letter.txt").write_text("dear all")
    return [str(tmp_path / name) for name in ("0.png", "1.png", "2.png", "letter.txt", "absent.png")]


@pytest.fixture
def bench(local_store: ObjectStore) -> Bench:
    return Bench(lent(), local_store)


def test_files_become_test_radiographs_on_the_lenders_canvas(bench: Bench, names: list[str]) -> None:
    rows = _decoded(bench, names, NOBODY, KEY)
    assert [row["status"] for row in rows] == ["ok", "ok", "ok", "rejected", "rejected"]
    assert [_status(row, row) for row in rows] == ["ok", "ok", "ok", "failed", "failed"]
    # Nobody has squashed them, though the lender's were stretched back.
    assert {(row["split"], row["domain"], row["width"]) for row in rows[:3]} == {("test", "other", 64)}
    assert not any(Path(name).stem in (row["reason"] or "") for name, row in zip(names[3:], rows[3:], strict=True))


def test_nothing_of_a_patient_who_withdrew_goes_on(bench: Bench, names: list[str]) -> None:
    first, second, third = _decoded(bench, names[:3], NOBODY, KEY)
    gone = Withdrawn(
        frozenset({first["patient"]}),
        frozenset({second["radiograph_id"]}),
        frozenset({digest_of(Path(names[2]).read_bytes())}),
    )
    bench.batch = 1
    rows = _decoded(bench, names[:3], Barred(gone), KEY)
    assert [(row["status"], row["reason"], row["artifact"]) for row in rows] == [("rejected", WITHDRAWN, "")] * 3
    assert [_status(row, row) for row in rows] == ["rejected"] * 3
    assert third["status"] == "ok"


def test_what_the_models_were_fitted_to_is_not_scored(bench: Bench, names: list[str]) -> None:
    first, second = _decoded(bench, names[:2], NOBODY, KEY)
    bench.batch = 1
    rows = _decoded(bench, names[:2], Barred(NOBODY.gone, frozenset({first["radiograph_id"]})), KEY)
    assert [(row["status"], row["reason"]) for row in rows] == [("rejected", SEEN), ("ok", second["reason"])]
    assert _status(rows[0], rows[0]) == "rejected"


def test_a_set_aside_radiograph_keeps_its_status(bench: Bench, names: list[str]) -> None:
    row = _decoded(bench, names[:1], NOBODY, KEY)[0]
    assert _status(row, {"status": "needs_review"}) == "needs_review"


def test_settings_that_this_version_does_not_know_are_told(local_store: ObjectStore, names: list[str]) -> None:
    with pytest.raises(BorrowingError, match="radiographs of shenzhen was run with settings of another version"):
        _decoded(Bench(lent(unheard_of=1), local_store), names, NOBODY, KEY)


def test_a_model_that_is_missing_is_told_before_anything_is_scored(local_store: ObjectStore, tmp_path: Path) -> None:
    rows: dict[str, list[Row]] = {
        "translator": [{"artifact": "stages/translator/shenzhen/artifacts/0a/0a.safetensors"}]
    }
    with pytest.raises(CorruptArtifact, match=r"0a\.safetensors is missing; run `pseudopair run shenzhen`"):
        Bench(lent(rows), ObjectStore(str(tmp_path / "scratch"))).lay_out(local_store)


def test_no_cohort_can_have_the_benchs_name() -> None:
    assert not NAME.fullmatch(COHORT)
