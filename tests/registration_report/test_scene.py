from typing import Any

import numpy as np

from assets.peers.case import Case
from assets.registration.settings import RefinementSettings
from assets.registration_report.registrations import Asked
from assets.registration_report.scene import Scene, inputs_of, settings_of

ROWS = Asked({"key": "radiograph"}, {"key": "lungs"}, {"key": "prealigned"})
COMMON = ["radiograph", "lungs", "reference"]


def scene(**refinement: Any) -> Scene:  # noqa: ANN401
    nothing = Case(np.zeros((4, 4), np.float32), np.zeros((4, 4), np.uint8))
    peers = {"key": "peers", "artifact_digest": "their weights", "steps": 100}
    model = {"key": "model", "artifact_digest": "weights", "steps": 900}
    models: dict[Any, Any] = {"voxelmorph": peers, "synthmorph": peers, "it_dpr": model}
    return Scene(nothing, {"key": "reference"}, None, None, {}, {}, models, RefinementSettings(**refinement))


def test_a_row_is_made_from_its_inputs_and_from_no_stored_registration() -> None:
    assert inputs_of(scene(), ROWS, "affine") == COMMON
    assert inputs_of(scene(), ROWS, "it_pr") == [*COMMON, "prealigned"]
    assert inputs_of(scene(), ROWS, "it_dpr") == [*COMMON, "prealigned", "model", "weights"]
    assert inputs_of(scene(), ROWS, "synthmorph") == [*COMMON, "peers", "their weights"]


def test_how_the_network_is_used_changes_it_dpr_alone() -> None:
    one, other = scene(), scene(anchor_pairs=3)
    assert settings_of(one, "it_dpr") != settings_of(other, "it_dpr")
    assert settings_of(one, "it_pr") == settings_of(other, "it_pr") == {"arm": "it_pr"}


def test_steps_are_those_of_each_arms_training() -> None:
    assert scene().steps == {"voxelmorph": 100, "synthmorph": 100, "it_dpr": 900}
