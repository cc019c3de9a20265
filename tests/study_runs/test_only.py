"""`translator.only`: one launch after the other, each for some trainings, comes to what one launch for all comes to."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from assets.translation.settings import TranslationSettings
from resources.manifests import Place, read_pointer
from resources.object_store import ObjectStore
from tests.pipelines.translator_bench import COHORT, lay_out, rows_of, table_of, train

ARMS = ["none/pca", "none/cut", "none/cyclegan"]
SEEDS = [0, 1]
SHORT: dict[str, Any] = {"arms": ARMS, "seeds": SEEDS, "steps": 3}


def names(store: ObjectStore) -> list[str]:
    return [f"{row['arm']}/{row['seed']}" for row in rows_of(store)]


def computed(store: ObjectStore) -> int:
    pointer = read_pointer(store, Place("translator", COHORT))
    assert pointer is not None
    return int(pointer["computed"])


def stamps(store: ObjectStore) -> dict[str, tuple[int, float]]:
    found = store.stamps("stages/translator")
    return {path: stamp for path, stamp in found.items() if "/artifacts/" in path}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> ObjectStore:
    store = ObjectStore(str(tmp_path_factory.mktemp("whole")))
    lay_out(store)
    train(store.root, **SHORT)
    return store


def test_launches_for_some_add_up_to_one_for_all(tmp_path: Path, whole: ObjectStore) -> None:
    store = ObjectStore(str(tmp_path))
    lay_out(store)
    train(store.root, **SHORT, only=["none/pca/0"])
    assert names(store) == ["none/pca/0"]
    train(store.root, **SHORT, only=["none/cyclegan/0"])
    assert names(store) == ["none/pca/0", "none/cyclegan/0"], "what another launch trained is kept"
    seconds = [row["seconds"] for row in rows_of(store)]
    train(store.root, **SHORT, only=["none/cut/1", "none/cut/0"])
    assert names(store) == ["none/pca/0", "none/cut/0", "none/cut/1", "none/cyclegan/0"]
    kept = {f"{row['arm']}/{row['seed']}": row["seconds"] for row in rows_of(store)}
    assert [kept["none/pca/0"], kept["none/cyclegan/0"]] == seconds, "and what it took"
    before = stamps(store)
    train(store.root, **SHORT)
    assert {path: stamp for path, stamp in stamps(store).items() if path in before} == before
    assert names(store) == names(whole)
    for row, expected in zip(rows_of(store), rows_of(whole), strict=True):
        assert (row["key"], row["artifact_digest"]) == (expected["key"], expected["artifact_digest"])


def test_rows_that_no_longer_stand_on_the_same_are_left_out_until_their_turn(tmp_path: Path) -> None:
    store = ObjectStore(str(tmp_path))
    lay_out(store)
    train(store.root, **SHORT, only=["none/cut/0", "none/pca/0"])
    longer = {**SHORT, "steps": 4}
    train(store.root, **longer, only=["none/cyclegan/0"])
    assert names(store) == ["none/pca/0", "none/cyclegan/0"], "CUT was trained with fewer steps"
    train(store.root, **SHORT, only=["none/pca/0"])
    assert names(store) == ["none/pca/0", "none/cut/0"], "its artefact lies there still"


def test_a_training_that_failed_holds_up_no_launch_for_another_and_stays_known(tmp_path: Path) -> None:
    store = ObjectStore(str(tmp_path))
    lay_out(store)
    wild: dict[str, Any] = {**SHORT, "learning_rate": 1e30}
    train(store.root, **wild, only=["none/cut/0"])
    (failed,) = rows_of(store)
    assert (failed["status"], failed["artifact"]) == ("failed", "")
    train(store.root, **wild, only=["none/pca/0"])
    assert {row["arm"]: row["status"] for row in rows_of(store)} == {"none/pca": "ok", "none/cut": "failed"}
    train(store.root, **wild, only=["none/cut/0"])
    assert computed(store) == 0, "the same settings and images fail again"
    # With others it is another training.
    train(store.root, **SHORT, only=["none/pca/0"])
    assert names(store) == ["none/pca/0"]
    with pytest.raises(Exception, match="4 of 5 arms failed"):
        train(store.root, **wild)


def test_the_manifest_does_not_tell_which_launch_trained_a_row(tmp_path: Path, whole: ObjectStore) -> None:
    store = ObjectStore(str(tmp_path))
    lay_out(store)
    train(store.root, **SHORT, only=["none/pca/0"])
    (row,) = rows_of(store)
    assert "only" not in row["settings"]
    same = table_of(whole, "translator").to_pylist()[0]
    assert {key: row[key] for key in ("settings", "artifact_digest")} == {
        key: same[key] for key in ("settings", "artifact_digest")
    }


def test_only_names_what_arms_and_seeds_ask_for() -> None:
    with pytest.raises(ValidationError, match=r"only names none/cut/7, which arms and seeds do not ask for"):
        TranslationSettings(arms=ARMS, seeds=SEEDS, only=["none/pca/0", "none/cut/7"])
    assert TranslationSettings(arms=ARMS, seeds=SEEDS, only=["none/cut/1"]).only == ["none/cut/1"]
