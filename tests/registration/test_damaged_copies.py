import numpy as np
import numpy.typing as npt
import pytest
import torch

from assets.prealignment.lung_coordinates import prealign
from assets.prealignment.reference_frame import ReferenceFrame, reference_frame
from assets.prealignment.settings import PrealignmentSettings
from assets.registration.damaged_copies import damaged_displacements
from assets.registration.fields import resize_displacement
from assets.segmenter.damage import bite

Lungs = npt.NDArray[np.uint8]
F32 = npt.NDArray[np.float32]

SETTINGS = PrealignmentSettings()


def ellipses(size: int, across: float, down: float) -> Lungs:
    """Two lungs (size, size), half axes in units of the side."""
    y, x = np.mgrid[:size, :size] / (size - 1)
    lungs = np.zeros((size, size), np.uint8)
    for label, center in ((1, 0.3), (2, 0.7)):
        lungs[((x - center) / across) ** 2 + ((y - 0.5) / down) ** 2 < 1] = label
    return lungs


@pytest.fixture(scope="module")
def frame() -> ReferenceFrame:
    return reference_frame(ellipses(64, 0.15, 0.3), SETTINGS)


LUNGS = ellipses(64, 0.17, 0.33)


def copies(frame: ReferenceFrame, lungs: Lungs, count: int, seed: int = 0) -> npt.NDArray[np.float16]:
    return damaged_displacements(frame, lungs, count, SETTINGS, np.random.default_rng(seed))


def whole(frame: ReferenceFrame, lungs: Lungs) -> F32:
    """The whole mask's own field, (2, 32, 32)."""
    field = resize_displacement(torch.from_numpy(prealign(frame, lungs, SETTINGS))[None], (32, 32))
    return np.asarray(field[0].numpy(), dtype=np.float32)


def test_fields_lie_on_the_half_grid(frame: ReferenceFrame) -> None:
    fields = copies(frame, LUNGS, 5)
    assert fields.shape == (5, 2, 32, 32)
    assert fields.dtype == np.float16
    assert np.isfinite(fields).all()


def test_seed_decides(frame: ReferenceFrame) -> None:
    assert np.array_equal(copies(frame, LUNGS, 3, 1), copies(frame, LUNGS, 3, 1))
    assert not np.array_equal(copies(frame, LUNGS, 3, 1), copies(frame, LUNGS, 3, 2))


def test_copies_differ_from_the_whole_mask_and_from_each_other(frame: ReferenceFrame) -> None:
    fields = copies(frame, LUNGS, 24).astype(np.float32)
    inside = frame.lungs[::2, ::2] > 0
    errors = np.linalg.norm(fields - whole(frame, LUNGS), axis=1)[:, inside]
    # a bite of a few pixels moves a few rows, a third of a base all of them
    assert errors.mean() > 0.2
    assert errors.mean(1).max() > 1
    assert (errors.max(1) > 0.25).mean() > 0.8
    assert len(np.unique(fields.reshape(24, -1), axis=0)) > 20


def test_damage_is_not_a_bias_to_one_side(frame: ReferenceFrame) -> None:
    # either lung, and base as well as apex: errors of both signs down the image
    fields = copies(frame, LUNGS, 24).astype(np.float32) - whole(frame, LUNGS)
    for label in (1, 2):
        down = fields[:, 1][:, frame.lungs[::2, ::2] == label].mean(1)
        assert down.min() < -0.2
        assert down.max() > 0.2


def test_a_lung_cut_to_nothing_falls_back_to_the_whole_mask(frame: ReferenceFrame) -> None:
    # a lung of nine pixels, within reach of any large bite; pre-alignment without it would be refused
    lungs = np.where(LUNGS == 1, 1, 0).astype(np.uint8)
    lungs[31:34, 44:47] = 2
    assert not (bite(lungs, 2, 0.08, np.random.default_rng(0)) == 2).any()
    with pytest.raises(ValueError, match="lung"):
        prealign(frame, np.where(lungs == 2, 0, lungs).astype(np.uint8), SETTINGS)
    fields = copies(frame, lungs, 40)
    assert np.isfinite(fields).all()
    unchanged = (fields == whole(frame, lungs).astype(np.float16)).all((1, 2, 3))
    assert unchanged.any()
    assert not unchanged.all()
