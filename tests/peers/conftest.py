import numpy as np
import numpy.typing as npt
import pytest
import torch

from assets.peers.case import Case
from assets.peers.settings import PeerSettings

SIZE = 32


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def chest(scale: float, shift_x: float, shift_y: float, inner: float, size: int = SIZE) -> Case:
    """Two elliptic lungs with a bright bar in each, `inner` pixels below the middle of the box."""
    y, x = np.mgrid[:size, :size].astype(np.float32)
    x, y = ((x - shift_x) / scale) / (size - 1), ((y - shift_y) / scale) / (size - 1)
    lungs = np.zeros(x.shape, np.uint8)
    for label, center in ((1, 0.3), (2, 0.7)):
        lungs[((x - center) / 0.17) ** 2 + ((y - 0.5) / 0.36) ** 2 < 1] = label
    bar = np.exp(-(((y - 0.5) * (size - 1) - inner) ** 2) / 8)
    image = np.where(lungs > 0, 0.15 + 0.6 * bar, 0.85)
    return Case(image.astype(np.float32), lungs)


@pytest.fixture
def reference() -> Case:
    return chest(1.0, 0.0, 0.0, 0.0)


@pytest.fixture
def cases() -> list[Case]:
    """Twelve chests whose inner bar the lungs' box leaves up to 3 px from the reference's."""
    rng = np.random.default_rng(0)
    return [
        chest(rng.uniform(0.9, 1.05), rng.uniform(-1, 2), rng.uniform(-1, 2), inner)
        for inner in rng.permutation(np.linspace(-3, 3, 12))
    ]


@pytest.fixture
def images(cases: list[Case]) -> npt.NDArray[np.float32]:
    return np.stack([case.image for case in cases])


@pytest.fixture
def lungs(cases: list[Case]) -> npt.NDArray[np.uint8]:
    return np.stack([case.lungs for case in cases])


@pytest.fixture
def tiny() -> PeerSettings:
    return PeerSettings(
        encoder_features=[8, 16],
        decoder_features=[16, 8],
        final_features=[8],
        steps=4,
        batch_size=4,
        learning_rate=3e-3,
        voxelmorph_smoothness=0.02,
        shape_labels=6,
    )
