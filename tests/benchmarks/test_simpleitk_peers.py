import importlib.util
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest


@pytest.fixture
def peers() -> ModuleType:
    # The test folders are no packages, so a sibling module is loaded by its path.
    spec = importlib.util.spec_from_file_location("simpleitk_peers", Path(__file__).parent / "simpleitk_peers.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_convention_a_known_shift_is_found_as_a_backward_field(peers: ModuleType) -> None:
    noise = np.random.default_rng(0).random((96, 96), np.float32)
    moving = cv2.GaussianBlur(noise, (0, 0), 5)
    # fixed(p) = moving(p + (3, -2)), so the backward field is (3, -2) everywhere.
    shift = np.array([[1, 0, 3], [0, 1, -2]], np.float32)
    inverse_map = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    fixed = cv2.warpAffine(moving, shift, (96, 96), flags=inverse_map, borderMode=cv2.BORDER_REPLICATE)
    field = peers.affine_bspline(np.asarray(fixed, np.float32), np.asarray(moving, np.float32), mesh=3)
    assert field.shape == (2, 96, 96)
    assert field.dtype == np.float32
    center = field[:, 24:72, 24:72].mean(axis=(1, 2))
    assert center == pytest.approx([3, -2], abs=0.3)


def test_a_second_run_gives_the_same_field(peers: ModuleType) -> None:
    noise = np.random.default_rng(1).random((2, 64, 64), np.float32)
    fixed, moving = (np.asarray(cv2.GaussianBlur(image, (0, 0), 4), np.float32) for image in noise)
    first, second = (peers.affine_bspline(fixed, moving, mesh=3) for _ in range(2))
    # The last digits of its sums depend on where in memory their terms lie.
    np.testing.assert_allclose(second, first, atol=0.01)
