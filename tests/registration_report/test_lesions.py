import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.radiographs.phantom.cohort import phantom_subject
from assets.radiographs.phantom.settings import PhantomSettings
from assets.radiographs.phantom.subject import true_displacement
from assets.registration_report.lesions import LesionRatios, lesion_preservation, lesion_ring

F32 = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

SIZE = 128
CENTER = 64.0
Y, X = np.mgrid[:SIZE, :SIZE].astype(np.float32)
AWAY = np.hypot(X - CENTER, Y - CENTER)
LUNGS = np.where(np.hypot(X - CENTER, Y - CENTER) < 45, 1, 0).astype(np.uint8)
LESION: Mask = AWAY <= 16
STILL = np.zeros((2, SIZE, SIZE), np.float32)


def radiograph() -> F32:
    """A bright lesion with a brighter core in a dark lung whose grays rise to the right."""
    lung = 0.2 + 0.001 * X
    return np.asarray(np.where(AWAY <= 6, 0.9, np.where(LESION, 0.6, lung)), dtype=np.float32)


def measured(displacement: F32, true: F32 = STILL, image: F32 | None = None) -> LesionRatios:
    return lesion_preservation(radiograph() if image is None else image, LESION, displacement, true, lungs=LUNGS)


def scaling(factor: float) -> F32:
    """Backward map that reads `factor` times as far from the center: what it shows is that much smaller."""
    return np.float32(factor - 1) * np.stack([X - np.float32(CENTER), Y - np.float32(CENTER)])


def squeezed_core() -> F32:
    """A radial map: what lies 8 px from the center is shown at 4, what lies 16 px away and beyond stays."""
    read = np.interp(AWAY, [0, 4, 16, 200], [0, 8, 16, 200])
    stretch = np.divide(read, AWAY, out=np.ones_like(read), where=AWAY > 0)
    return np.stack([(stretch - 1) * (X - CENTER), (stretch - 1) * (Y - CENTER)]).astype(np.float32)


def test_no_displacement_changes_nothing() -> None:
    found = measured(STILL)
    assert found.area == 1
    assert found.contrast == pytest.approx(1, abs=1e-6)


@settings(deadline=None, max_examples=20)
@given(x=st.floats(-30, 30), y=st.floats(-30, 30))
def test_a_translation_keeps_area_and_contrast(x: float, y: float) -> None:
    shift = STILL + np.array([x, y], np.float32)[:, None, None]
    found = measured(shift)
    assert found.area == pytest.approx(1, abs=1e-4)
    assert found.contrast == pytest.approx(1, abs=1e-4)
    assert measured(shift, shift).area == 1


@pytest.mark.parametrize("factor", [0.8, 1.5, 2.0])
def test_area_goes_with_the_square_of_the_scale_and_contrast_stays(factor: float) -> None:
    found = measured(scaling(factor))
    assert found.area == pytest.approx(1 / factor**2, rel=0.02)
    assert found.contrast == pytest.approx(1, abs=0.02)


def test_convention_the_true_map_sets_the_expected_area() -> None:
    # half the size where it should have been half the size
    assert measured(scaling(2), scaling(2)).area == 1
    assert measured(STILL, scaling(2)).area == pytest.approx(4, rel=0.02)


def test_a_squeezed_core_washes_the_lesion_out() -> None:
    found = measured(squeezed_core())
    # mean before: (36 * 0.9 + (256 - 36) * 0.6) / 256 = 0.642 over 0.264; after, the core's radius 6 is shown as 3:
    # (9 * 0.9 + (256 - 9) * 0.6) / 256 = 0.611
    assert found.area == pytest.approx(1, abs=0.03)
    assert found.contrast == pytest.approx((0.611 - 0.264) / (0.642 - 0.264), abs=0.02)


@settings(deadline=None, max_examples=20)
@given(gain=st.floats(0.5, 2), offset=st.floats(-0.3, 0.3))
def test_contrast_does_not_depend_on_the_gray_scale(gain: float, offset: float) -> None:
    changed = (gain * radiograph() + offset).astype(np.float32)
    found, expected = measured(squeezed_core(), image=changed), measured(squeezed_core())
    assert found.contrast is not None
    assert found.contrast == pytest.approx(expected.contrast, abs=1e-4)


def test_a_lesion_carried_out_of_the_image_is_gone() -> None:
    assert measured(STILL + np.float32(3 * SIZE)) == LesionRatios(0, None)


def test_faint_lesions_and_lesions_without_ring_have_no_contrast() -> None:
    faint = np.where(LESION, 0.22, 0.2).astype(np.float32)
    assert measured(STILL, image=faint).contrast is None
    whole = lesion_preservation(radiograph(), LUNGS > 0, STILL, STILL, lungs=LUNGS)
    assert whole == LesionRatios(1, None)


def test_the_ring_keeps_its_distance_and_to_the_lungs() -> None:
    # 3 and 9 px at a height of 256 are 1.5 and 4.5 px at 128; the disk of radius 16 ends between 16 and 17
    distances = AWAY[lesion_ring(LESION, LUNGS)]
    assert 17 < distances.min() < 18.5
    assert 20 < distances.max() < 21.5
    assert not lesion_ring(LESION, np.where(X < CENTER, LUNGS, 0).astype(np.uint8))[:, int(CENTER) :].any()


# seven kinds of lesion in turn at odd indices
@pytest.mark.parametrize(("subjects", "size"), [(28, 128), pytest.param(60, 256, marks=pytest.mark.slow)])
def test_under_the_true_map_phantoms_keep_their_lesions(subjects: int, size: int) -> None:
    chosen = PhantomSettings(subjects=subjects, size=size)
    reference = phantom_subject(0, 0, chosen).subject
    found = []
    for index in range(1, subjects, 2):
        phantom = phantom_subject(index, 0, chosen)
        true = true_displacement(reference, phantom.subject, chosen.size)
        found.append(lesion_preservation(phantom.image, phantom.lesion > 0, true, true, lungs=phantom.lungs))
    contrasts = [ratios.contrast for ratios in found if ratios.contrast is not None]
    assert len(contrasts) >= 2 / 3 * len(found)
    assert {ratios.area for ratios in found} == {1.0}
    assert np.median(contrasts) == pytest.approx(1, abs=0.01)
    np.testing.assert_allclose(np.percentile(contrasts, [25, 75]), 1, atol=0.02)


def test_errors_name_what_is_wrong() -> None:
    with pytest.raises(ValueError, match="must have the shape"):
        lesion_preservation(radiograph(), LESION[1:], STILL, STILL, lungs=LUNGS)
    with pytest.raises(ValueError, match="lesion: expected a pixel or more under the true map"):
        measured(STILL, STILL + np.float32(3 * SIZE))
    with pytest.raises(ValueError, match="lesion: expected a pixel or more"):
        lesion_preservation(radiograph(), LESION & False, STILL, STILL, lungs=LUNGS)
