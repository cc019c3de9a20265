import cv2
import numpy as np
import numpy.typing as npt
import pytest

from assets.radiographs.phantom.drawing import Canvas, smooth_noise, smoothstep, soften
from assets.radiographs.phantom.lesions import LESION_KINDS, LesionKind
from assets.radiographs.phantom.render import Phantom, render
from assets.radiographs.phantom.subject import Subject, draw_subject

SUBJECT = draw_subject(np.random.default_rng(11))


def _rendered(
    seed: int = 0, lesion: LesionKind | None = None, strength: float = 1.0, size: int = 128, effects: bool = True
) -> Phantom:
    return render(SUBJECT, np.random.default_rng(seed), size, lesion, strength, effects)


def test_a_phantom_keeps_its_contract() -> None:
    phantom = _rendered()
    assert phantom.image.shape == phantom.lungs.shape == phantom.lesion.shape == (128, 128)
    assert phantom.image.dtype == np.float32
    assert phantom.lungs.dtype == phantom.lesion.dtype == np.uint8
    assert 0 <= phantom.image.min() < 0.2
    assert 0.7 < phantom.image.max() <= 1
    assert phantom.landmarks.shape == (40, 2)
    assert not phantom.lesion.any()


def test_equal_seeds_agree_and_different_seeds_differ() -> None:
    assert np.array_equal(_rendered(1).image, _rendered(1).image)
    assert not np.array_equal(_rendered(1).image, _rendered(2).image)
    # The seed changes what the map leaves open, never the map.
    assert np.array_equal(_rendered(1).lungs, _rendered(2).lungs)


def test_convention_label_one_is_the_image_left() -> None:
    lungs = _rendered().lungs
    assert set(np.unique(lungs)) == {0, 1, 2}
    assert np.argwhere(lungs == 1)[:, 1].mean() < np.argwhere(lungs == 2)[:, 1].mean()


@pytest.mark.parametrize("seed", range(5))
def test_landmarks_lie_in_or_at_the_lungs(seed: int) -> None:
    phantom = render(draw_subject(np.random.default_rng(seed)), np.random.default_rng(seed))
    away = cv2.distanceTransform((phantom.lungs == 0).astype(np.uint8), cv2.DIST_L2, 5)
    columns, rows = np.round(phantom.landmarks).astype(int).T
    assert float(np.asarray(away)[rows, columns].max()) <= 3


def test_lungs_are_darker_than_what_surrounds_them() -> None:
    phantom = _rendered(effects=False)
    around = cv2.dilate((phantom.lungs > 0).astype(np.uint8), np.ones((9, 9), np.uint8)) - (phantom.lungs > 0)
    assert phantom.image[phantom.lungs > 0].mean() < phantom.image[around > 0].mean() - 0.15


@pytest.mark.parametrize("kind", LESION_KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_lesions_brighten_inside_the_lungs_and_nothing_elsewhere(kind: LesionKind, seed: int) -> None:
    healthy, ill = _rendered(seed), _rendered(seed, kind, strength=0.5)
    assert ill.lesion.any()
    assert not ill.lesion[ill.lungs == 0].any()
    change = ill.image - healthy.image
    assert change[ill.lesion > 0].mean() > 0.01
    assert change.min() >= 0
    # The soft edge of a lesion and the detector blur reach a quarter of the image; the rest is bit-identical.
    reach = cv2.dilate(ill.lesion, np.ones((65, 65), np.uint8))
    assert not change[reach == 0].any()


def test_both_clean_and_noisy_exposures_have_exact_twins() -> None:
    for effects in (True, False):
        healthy, ill = (_rendered(4, kind, effects=effects) for kind in (None, "nodules"))
        unchanged = healthy.image == ill.image
        assert 0.8 < unchanged.mean() < 1


def test_strength_scales_the_lesion_and_zero_gives_the_twin() -> None:
    healthy = _rendered(3).image
    assert np.array_equal(_rendered(3, "consolidation", strength=0).image, healthy)
    weak, strong = (_rendered(3, "consolidation", strength=s) for s in (0.3, 0.7))
    assert np.array_equal(weak.lesion, strong.lesion)
    assert (strong.image - healthy).sum() > 1.5 * (weak.image - healthy).sum() > 0


def test_effects_add_noise() -> None:
    def roughness(image: npt.NDArray[np.float32]) -> float:
        return float(np.abs(cv2.Laplacian(image, cv2.CV_32F))[40:90, 40:90].mean())

    rough, clean = (np.mean([roughness(_rendered(s, effects=e).image) for s in range(3)]) for e in (True, False))
    assert rough > clean


def test_render_names_what_is_wrong() -> None:
    with pytest.raises(ValueError, match="size: expected at least 32"):
        _rendered(size=16)
    with pytest.raises(ValueError, match="strength: expected 0 or more"):
        _rendered(lesion="cavity", strength=-1)


def test_convention_regions_are_drawn_at_pixel_centers() -> None:
    # With scale 1 this square spans edge coordinates 2 to 6 of 8, that is exactly pixels 2 to 5.
    canvas = Canvas(Subject(scale=1, shift_y=0), 8)
    square = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
    expected = np.zeros((8, 8), bool)
    expected[2:6, 2:6] = True
    assert np.array_equal(canvas.region(square), expected)


def test_a_line_thinner_than_a_pixel_is_fainter() -> None:
    canvas = Canvas(Subject(), 64)
    line = np.array([[-0.5, 0.0], [0.5, 0.0]])
    thin, thick = canvas.stroke([line], 0.005), canvas.stroke([line], 0.03)
    assert 0 < thin.max() < 0.5 * thick.max()


def test_wide_blurs_on_a_reduced_copy_agree_with_the_direct_one() -> None:
    image = smooth_noise(np.random.default_rng(0), 128, 24)
    direct = cv2.GaussianBlur(image, (0, 0), 7.0, borderType=cv2.BORDER_REPLICATE)
    assert np.abs(soften(image, 7.0) - direct).max() < 0.05 * float(np.ptp(direct))


def test_noise_has_unit_scale_and_smoothstep_ends() -> None:
    noise = np.stack([smooth_noise(np.random.default_rng(s), 64, 8) for s in range(8)])
    assert 0.6 < noise.std() < 1.2
    steps = smoothstep(np.array([-1, 0, 0.5, 1, 2], np.float32))
    assert np.array_equal(steps, np.array([0, 0, 0.5, 1, 1], np.float32))
