"""A patient of a finished installation is removed through the console, and the cohort run again."""

from collections import Counter

import pytest

from pipelines.forget.layout import layout
from pipelines.forget.removal import find_theirs
from resources.manifests import read_pointer
from tests.lineage.scan import pixels_of, traces
from tests.pipelines.installation import Installation

pytestmark = pytest.mark.timeout(600)
UNTOUCHED = (
    *("radiographs", "lung_segmenter", "lung_masks", "reference_lung", "prealigned_radiographs"),
    *("registration_model", "registered_radiographs", "translator", "anomaly_maps"),
)


def test_a_removed_patient_is_kept_out_and_nobody_else_is_computed_again(finished: Installation) -> None:
    before = {row["radiograph_id"]: row for row in finished.rows("radiographs")}
    patient = next(row["patient"] for row in before.values() if row["split"] == "test")
    found = find_theirs(finished.store, [patient])
    pixels = pixels_of(
        finished.store,
        found,
        [place for place in layout(finished.store).objects if read_pointer(finished.store, place)],
    )
    assert traces(finished.store, found, pixels)
    status, printed = finished.call("forget", patient, "--yes")
    assert status == 0, printed
    assert traces(finished.store, found, pixels) == []
    home = b"".join(path.read_bytes() for path in (finished.home / "dagster").rglob("*") if path.is_file())
    assert not [name for name in (patient, *found.radiographs, *found.keys) if name.encode() in home]
    assert b"data:image/png;base64" not in home
    status, printed = finished.call("status", "tiny")
    assert "a patient withdrew" in printed
    finished.run("tiny", "--until", "evaluation")
    assert traces(finished.store, found, pixels) == []
    assert {row["radiograph_id"] for row in finished.rows("radiographs")} == before.keys() - found.radiographs
    computed = finished.computed("evaluation")
    assert {name: computed[name] for name in UNTOUCHED} == dict.fromkeys(UNTOUCHED, 0)
    assert all(not finished.pointer(name).get("must_retrain") for name in computed)


def test_models_that_saw_a_removed_patient_are_fitted_anew(finished: Installation) -> None:
    reference = finished.rows("reference_lung")[0]["radiograph_id"]
    rows = finished.rows("radiographs")
    patient = next(row["patient"] for row in rows if row["split"] == "train" and row["radiograph_id"] != reference)
    assert finished.call("forget", patient, "--yes")[0] == 0
    finished.run("tiny", "--until", "reference_lung")
    assert finished.computed("reference_lung") == {
        **{"radiographs": 0, "lung_segmenter": 1, "lung_masks": len(rows) - 1, "reference_lung": 1}
    }


REBUILD = """
import dagster as dg
from pipelines.commands.common import prepare
from pipelines.launches import Launcher, stages_until
from pipelines.rebuild import rebuild
prepare()
with dg.DagsterInstance.get() as instance:
    rebuild("tiny", stages_until("pseudo_pairs"), Launcher(instance, "rebuilt"), print)
"""


def rebuilt(installation: Installation) -> None:
    """What a job of the UI or the weekly schedule does, up to the pairs."""
    status, printed = installation.python("-c", REBUILD).end()
    assert status == 0, printed[-4000:]


def pairs_of(installation: Installation) -> set[str]:
    return {row["pair_id"] for row in installation.rows("pseudo_pairs")}


@pytest.mark.slow
def test_a_rebuild_after_a_removal_gives_the_pairs_that_are_made_from_scratch(finished: Installation) -> None:
    partners = Counter(row["normal_patient"] for row in finished.rows("pseudo_pairs") if row["split"] == "test")
    digest = finished.pointer("prealigned_radiographs")["digest"]
    assert finished.call("forget", partners.most_common(1)[0][0], "--yes")[0] == 0
    cut = pairs_of(finished)
    assert finished.pointer("prealigned_radiographs")["digest"] != digest
    kept = finished.digests("registered_radiographs")
    rebuilt(finished)
    again = pairs_of(finished)
    assert len(again) > len(cut), "whoever lost a partner has another"
    assert "must_retrain" not in finished.pointer("pseudo_pairs")
    finished.store.delete("stages/pseudo_pairs/tiny/CURRENT.json")
    finished.run("tiny", "--until", "pseudo_pairs")
    assert pairs_of(finished) == again
    # The removal wrote what the stages write: nothing on the way to the pairs has another digest.
    assert finished.digests("registered_radiographs") == kept
