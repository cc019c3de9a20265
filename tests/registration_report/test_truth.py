import numpy as np
import pytest

from assets.prealignment.warp import sample
from assets.radiographs.phantom.cohort import phantom_subject
from assets.radiographs.phantom.settings import PhantomSettings
from assets.registration_report.truth import Drawn, phantom_displacement

SETTINGS = PhantomSettings(size=64, subjects=6, seed=9)


def drawn(index: int) -> Drawn:
    return Drawn(index, phantom_subject(index, SETTINGS.seed, SETTINGS).landmarks)


def test_the_true_map_carries_the_references_landmarks_onto_the_phantoms() -> None:
    reference, moving = drawn(0), drawn(3)
    field = phantom_displacement(reference, moving, SETTINGS)
    inside = (reference.landmarks > 1).all(1) & (reference.landmarks < 62).all(1)
    mapped = reference.landmarks + sample(field, reference.landmarks)
    assert inside.sum() > 30
    # bilinear reading of a smooth field
    assert np.abs(mapped - moving.landmarks)[inside].max() < 0.1


def test_a_phantom_is_where_it_is() -> None:
    np.testing.assert_allclose(phantom_displacement(drawn(2), drawn(2), SETTINGS), 0, atol=1e-3)


def test_phantoms_rendered_by_other_settings_are_noticed() -> None:
    other = SETTINGS.model_copy(update={"seed": 8})
    with pytest.raises(ValueError, match=r"phantom 0 has other landmarks .* materialise radiographs first"):
        phantom_displacement(drawn(0), drawn(3), other)
