"""The phantoms' lesions, localised by a whole run."""

from assets.localisation_summary.settings import SummarySettings
from assets.localisation_summary.summary import summary_rows
from resources.manifests import read_manifest
from tests.pipelines.installation import Installation


def test_every_arm_is_measured_on_the_phantoms_lesions_beside_guesses(reference: Installation) -> None:
    rows = reference.rows("localisation")
    assert {row["status"] for row in rows} == {"ok"}
    arms = {row["arm"] for row in reference.rows("translator")}
    assert arms < {row["arm"] for row in rows}
    assert "chance/centre" in {row["arm"] for row in rows}
    drawn = {
        row["radiograph_id"] for row in reference.rows("radiographs") if row["has_lesion"] and row["split"] != "train"
    }
    assert {row["radiograph_id"] for row in rows if row["truth"] == "lesion"} == drawn
    for row in rows:
        for box in [*row["boxes"], *row["detections"]]:
            assert 0 <= box["x"] < box["x"] + box["width"] <= row["width"]
            assert 0 <= box["y"] < box["y"] + box["height"] <= row["height"]


def test_the_summary_is_of_the_rows_that_lie_there(reference: Installation) -> None:
    table = read_manifest(reference.store, reference.place("localisation"))
    assert table is not None
    summary = reference.rows("localisation_summary")
    expected = summary_rows(table, SummarySettings())
    assert [(row["arm"], row["measure"], row["value"]) for row in summary] == [
        (row["arm"], row["measure"], row["value"]) for row in expected
    ]
    tested = {row["radiograph_id"] for row in table.to_pylist() if row["truth"] != "normal" and row["split"] == "test"}
    assert {row["images"] for row in summary} == {len(tested)}
    assert {"localisation", "froc"} <= set(reference.pointer("localisation_summary")["pictures"])
