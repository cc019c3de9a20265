"""Every scored image of a finished run, with its overlay, and without it once its patient has withdrawn."""

from collections import Counter

import pytest

from tests.pipelines.installation import Installation

pytestmark = pytest.mark.timeout(600)
STAGE = "image_scores"


def test_every_scored_image_is_told_by_every_arm(reference: Installation) -> None:
    rows = reference.rows(STAGE)
    scored = {(row["radiograph_id"], row["arm"]): row for row in reference.rows("anomaly_maps")}
    assert {(row["radiograph_id"], row["arm"]) for row in rows} == scored.keys()
    evaluated = {(row["arm"], row["score"]): row for row in reference.rows("evaluation")}
    for row in rows:
        assert row["score"] == scored[row["radiograph_id"], row["arm"]][row["score_name"]]
        decision = evaluated[row["arm"], row["score_name"]]
        assert (decision["chosen"], decision["threshold"]) == (True, row["threshold"])
    found = {(row["radiograph_id"], row["arm"]): row["detections"] for row in reference.rows("localisation")}
    assert all(row["detections"] == found[row["radiograph_id"], row["arm"]] for row in rows)
    (best,) = {(row["arm"], row["seed"]) for row in rows if row["best"]}
    assert reference.pointer(STAGE)["pictures"] == [f"highest {best[0]} seed {best[1]}"]
    assert not reference.store.find(f"{reference.place(STAGE).folder}/overlays")


def test_overlays_are_kept_where_wanted_and_go_with_their_patient(finished: Installation) -> None:
    folder = f"{finished.place(STAGE).folder}/overlays"
    finished.run("tiny", "--set", f"{STAGE}.overlays=true", "--until", STAGE)
    rows = [row for row in finished.rows(STAGE) if row["best"]]
    assert finished.store.find(folder) == {
        f"{folder}/made.json",
        *(f"{folder}/{row['radiograph_id']}.png" for row in rows),
    }
    counted = Counter(row["patient"] for row in rows if row["split"] == "test")
    patient = counted.most_common(1)[0][0]
    assert finished.call("forget", patient, "--yes")[0] == 0
    assert finished.store.find(folder) == set()
    assert patient not in {row["patient"] for row in finished.rows(STAGE)}
