"""Every kind of reference, mode of IT-PR and reading of IT-DPR through the stages that depend on it."""

from typing import Any

import pytest

from tests.pipelines.installation import Installation

pytestmark = pytest.mark.timeout(600)


@pytest.mark.parametrize(
    ("kind", "mode", "reading"),
    [("mean", "box", "R1"), ("symmetric", "harmonic", "R3"), ("medoid", "rows", "R2")],
)
def test_each_way_reaches_registered_radiographs(
    finished: Installation, tiny: dict[str, Any], kind: str, mode: str, reading: str
) -> None:
    settings = tiny["settings"]
    settings["reference_lung"] = {"kind": kind}
    settings["prealigned_radiographs"] = {"mode": mode}
    settings["registration_model"]["reading"] = reading
    finished.declare(tiny)
    finished.run("tiny", "--until", "registered_radiographs")
    reference = finished.rows("reference_lung")[0]
    assert (reference["kind"], reference["radiograph_id"] is None) == (kind, kind != "medoid")
    rows = finished.rows("registered_radiographs")
    assert len(rows) == tiny["phantom"]["subjects"]
    assert {row["status"] for row in rows} == {"ok"}


def test_r2_without_a_reference_radiograph_is_refused_before_it_trains(
    finished: Installation, tiny: dict[str, Any]
) -> None:
    tiny["settings"]["reference_lung"] = {"kind": "mean"}
    tiny["settings"]["registration_model"]["reading"] = "R2"
    finished.declare(tiny)
    status, printed = finished.call("run", "tiny", "--until", "registered_radiographs")
    assert status != 0
    assert "set reference_lung.kind to medoid" in " ".join(printed.split())
