import numpy as np
import numpy.typing as npt
import pytest
import torch

from assets.registration.settings import RegistrationSettings
from assets.registration.training import Cohort

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


@pytest.fixture
def reference() -> npt.NDArray[np.uint8]:
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32) / (SIZE - 1)
    return drawn(x, y)


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
def tiny() -> RegistrationSettings:
    return RegistrationSettings(
        encoder_features=[8, 16],
        decoder_features=[16, 8],
        final_features=[8],
        steps=6,
        batch_size=4,
        # displacements of 2 px, not of 14: weights of that scale
        similarity_weight=10,
        smoothness_weight=0.02,
        dice_weight=0,
        checkpoint_every=2,
    )
