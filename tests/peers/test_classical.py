from collections.abc import Callable
from functools import partial

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.peers import classical
from assets.peers.classical import affine, affine_bspline, demons
from assets.prealignment.warp import sample, warp_image
from assets.radiographs.phantom.cohort import phantom_subject
from assets.radiographs.phantom.render import Phantom
from assets.radiographs.phantom.settings import PhantomSettings
from assets.registration.folds import folded_share

F32 = npt.NDArray[np.float32]
SIDE = 128
# of an image's side
SHARES = st.floats(-0.047, 0.047)
METHODS: dict[str, Callable[[F32, F32], F32]] = {
    "affine": affine,
    "affine_bspline": partial(affine_bspline, mesh=3),
    "demons": demons,
}
method = pytest.mark.parametrize("align", METHODS.values(), ids=METHODS.keys())


@pytest.fixture(scope="module")
def pair() -> tuple[Phantom, Phantom]:
    chosen = PhantomSettings(subjects=8, seed=3, size=SIDE)
    fixed, moving = (phantom_subject(index, 3, chosen) for index in (2, 4))
    return fixed, moving


def smooth_noise(seed: int, side: int = 96) -> F32:
    noise = np.random.default_rng(seed).random((side, side), np.float32)
    return np.asarray(cv2.GaussianBlur(noise, (0, 0), 5), np.float32)


def affine_displacement(matrix: npt.NDArray[np.float64], shift: npt.NDArray[np.float64], side: int = SIDE) -> F32:
    # p -> M (p - c) + c + shift, c the center of the image
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    places = np.stack([x, y])
    moved = np.einsum("ij,jhw->ihw", matrix, places) + shift[:, None, None]
    return np.asarray(moved - places, np.float32)


def landmark_error(fixed: Phantom, moving: Phantom, displacement: F32) -> float:
    mapped = fixed.landmarks + sample(displacement, fixed.landmarks)
    return float(np.hypot(*(mapped - moving.landmarks).T).mean())


@method
def test_convention_a_known_shift_is_found_as_a_backward_field(align: Callable[[F32, F32], F32]) -> None:
    moving = smooth_noise(0)
    # fixed(p) = moving(p + (3, -2)), so the backward field is (3, -2) everywhere.
    shift = np.array([[1, 0, 3], [0, 1, -2]], np.float32)
    inverse_map = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    fixed = cv2.warpAffine(moving, shift, (96, 96), flags=inverse_map, borderMode=cv2.BORDER_REPLICATE)
    field = align(np.asarray(fixed, np.float32), moving)
    assert field.shape == (2, 96, 96)
    assert field.dtype == np.float32
    center = field[:, 24:72, 24:72].mean(axis=(1, 2))
    assert center == pytest.approx([3, -2], abs=0.3)


def test_a_known_affine_map_of_a_radiograph_is_recovered(pair: tuple[Phantom, Phantom]) -> None:
    # unequal in x and y and not symmetric: a transposed or inverted map would differ by several pixels
    known = affine_displacement(np.array([[1.08, 0.06], [-0.03, 0.95]]), np.array([4.0, -3.0]))
    moving = pair[0].image
    found = affine(warp_image(moving, known), moving)
    inside = pair[0].lungs > 0
    assert np.hypot(*known)[inside].mean() > 4
    assert np.hypot(*(found - known))[inside].mean() < 0.5
    assert np.hypot(*(found + known))[inside].mean() > 4


def test_demons_and_free_form_bring_landmarks_nearer_than_the_affine_map(pair: tuple[Phantom, Phantom]) -> None:
    fixed, moving = pair
    none = landmark_error(fixed, moving, np.zeros((2, SIDE, SIDE), np.float32))
    fields = {name: align(fixed.image, moving.image) for name, align in METHODS.items()}
    errors = {name: landmark_error(fixed, moving, field) for name, field in fields.items()}
    assert errors["affine"] < 0.6 * none
    assert errors["demons"] < 0.95 * errors["affine"]
    assert errors["affine_bspline"] < 0.5 * errors["affine"]
    assert folded_share(fields["demons"], fixed.lungs > 0) == 0


@pytest.mark.parametrize("side", [64, 256])
@settings(max_examples=8, deadline=None)
@given(turn=st.floats(-0.08, 0.08), scale=st.floats(0.94, 1.06), along=st.tuples(SHARES, SHARES))
def test_copies_of_any_size_are_found_again(side: int, turn: float, scale: float, along: tuple[float, float]) -> None:
    phantom = phantom_subject(2, 2, PhantomSettings(subjects=8, seed=2, size=side))
    cos, sin = scale * np.cos(turn), scale * np.sin(turn)
    known = affine_displacement(np.array([[cos, -sin], [sin, cos]]), side * np.array(along), side)
    found = affine(warp_image(phantom.image, known), phantom.image)
    assert np.hypot(*(found - known))[phantom.lungs > 0].mean() < 0.2


def test_a_map_that_leaves_no_overlap_costs_most() -> None:
    image = classical.sitk.GetImageFromArray(smooth_noise(2))
    near, far = (classical.sitk.TranslationTransform(2, (shift, 0.0)) for shift in (1.0, 1000.0))
    assert classical._cost(image, image, near) < 0
    assert classical._cost(image, image, far) == np.inf


@method
def test_a_second_run_gives_the_same_field(align: Callable[[F32, F32], F32], pair: tuple[Phantom, Phantom]) -> None:
    first, second = (align(pair[0].image, pair[1].image) for _ in range(2))
    # The last digits of its sums depend on where in memory their terms lie, and the optimizer's steps enlarge that.
    assert np.abs(second - first).mean() < 0.05


@method
def test_an_image_without_contrast_is_refused_by_name(align: Callable[[F32, F32], F32]) -> None:
    image, flat = smooth_noise(1), np.full((96, 96), 0.5, np.float32)
    with pytest.raises(ValueError, match=r"fixed: expected a finite image with contrast, .* 0\.5 to 0\.5"):
        align(flat, image)
    with pytest.raises(ValueError, match=r"moving: expected a finite image with contrast"):
        align(image, flat)


@method
def test_a_value_that_is_no_number_is_refused(align: Callable[[F32, F32], F32]) -> None:
    image, broken = smooth_noise(1), smooth_noise(1)
    broken[3, 4] = np.nan
    with pytest.raises(ValueError, match="moving: expected a finite image"):
        align(image, broken)


@method
def test_images_of_two_sizes_are_refused(align: Callable[[F32, F32], F32]) -> None:
    with pytest.raises(ValueError, match=r"\(96, 96\), moving \(64, 64\); expected two \(H, W\) images of one size"):
        align(smooth_noise(1), smooth_noise(1, 64))
