from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
import torch

from assets.registration.batches import Cohort
from assets.registration.fields import resize_displacement
from assets.registration.settings import Reading, RegistrationSettings

SIZE = 32


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def drawn(x: npt.NDArray[np.float32], y: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Two elliptic lungs at coordinates in units of the image side."""
    lungs = np.zeros(x.shape, np.uint8)
    for label, center in ((1, 0.3), (2, 0.7)):
        lungs[((x - center) / 0.15) ** 2 + ((y - 0.5) / 0.3) ** 2 < 1] = label
    return lungs


def reference_of(size: int) -> npt.NDArray[np.uint8]:
    y, x = np.mgrid[:size, :size].astype(np.float32) / (size - 1)
    return drawn(x, y)


@pytest.fixture
def reference() -> npt.NDArray[np.uint8]:
    return reference_of(SIZE)


@pytest.fixture
def large_reference() -> npt.NDArray[np.uint8]:
    """The same lungs on 128 x 128 pixels."""
    return reference_of(128)


@pytest.fixture
def toy() -> Cohort:
    """Twelve scaled and shifted copies of one body; the pre-alignment is that affine map, q = c + s (p - c) + t."""
    rng = np.random.default_rng(0)
    grid = np.mgrid[:SIZE, :SIZE][::-1].astype(np.float32)
    center = (SIZE - 1) / 2
    images, lungs, displacements = [], [], []
    for _ in range(12):
        shift, scale = rng.uniform(-3, 3, (2, 1, 1)), rng.uniform(0.9, 1.1)
        displacements.append((scale - 1) * (grid - center) + shift)
        x, y = ((grid - center - shift) / scale + center) / (SIZE - 1)
        lungs.append(drawn(x, y))
        texture = 0.1 * np.sin(20 * x + rng.uniform(0, 6)) * np.cos(15 * y)
        images.append(np.where(lungs[-1] > 0, 0.3, 0.7) + texture)
    return Cohort(np.stack(images).astype(np.float32), np.stack(lungs), np.stack(displacements).astype(np.float32))


@pytest.fixture
def spoilt(toy: Cohort) -> Cohort:
    """The same with two damaged pre-alignments each: wrong by one pixel of the half grid across, and by two down."""
    half = resize_displacement(torch.from_numpy(toy.displacements), (SIZE // 2, SIZE // 2)).numpy()
    errors = np.array([[1, 0], [0, 2]], np.float32)[None, :, :, None, None]
    return replace(toy, damaged=(half[:, None] + errors).astype(np.float16))


@pytest.fixture
def tiny() -> RegistrationSettings:
    """Small and quick, reading R3; two levels need sides that are multiples of 16."""
    return RegistrationSettings(
        reading="R3",
        encoder_features=[8, 16],
        decoder_features=[16, 8],
        final_features=[8],
        steps=6,
        rounds=2,
        batch_size=4,
        learning_rate=2e-3,
        # displacements of 2 px, not of 14: weights of that scale
        field_weight=0.1,
        similarity_weight=10,
        smoothness_weight=0.02,
        dice_weight=0,
        checkpoint_every=2,
    )


@pytest.fixture
def imitating(tiny: RegistrationSettings) -> RegistrationSettings:
    """The same, reading R1."""
    return tiny.model_copy(update={"reading": "R1"})


@pytest.fixture(params=["R1", "R2", "R3"])
def each(request: pytest.FixtureRequest, tiny: RegistrationSettings) -> RegistrationSettings:
    """The same, for every reading."""
    reading: Reading = request.param
    return tiny.model_copy(update={"reading": reading})


@pytest.fixture(params=["R2", "R3"])
def composed(request: pytest.FixtureRequest, tiny: RegistrationSettings) -> RegistrationSettings:
    """The same, for the readings whose map is composed with the pre-alignment."""
    reading: Reading = request.param
    return tiny.model_copy(update={"reading": reading})
