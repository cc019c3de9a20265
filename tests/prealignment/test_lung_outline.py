import cv2
import numpy as np
import numpy.typing as npt
import pytest

from assets.prealignment.arc_outline import ArcOutline, arc_outline
from assets.prealignment.lung_outline import LungOutline, box_outline, row_outline
from assets.prealignment.lung_tilt import Patch, Upright, lung_patch
from assets.prealignment.row_map import transfer
from assets.prealignment.settings import PrealignmentSettings

U8 = npt.NDArray[np.uint8]
LEVEL = Upright(np.zeros(2), 0.0)


def rectangle(left: int = 20, right: int = 60, top: int = 10, bottom: int = 90) -> U8:
    lungs = np.zeros((128, 128), np.uint8)
    lungs[top:bottom, left:right] = 1
    return lungs


def by_rows(lungs: U8, smoothing: float = 0.0, **changes: float) -> LungOutline:
    settings = PrealignmentSettings.model_validate({"mode": "rows", **changes})
    return row_outline(*lung_patch(lungs, 1), smoothing, settings)


def by_arcs(patch: Patch, label: int = 1, smoothing: float = 0.0) -> ArcOutline:
    return arc_outline(patch, label, LEVEL, smoothing)


@pytest.mark.parametrize("smoothing", [0.0, 2.0])
def test_convention_borders_lie_on_the_edges_of_pixels(smoothing: float) -> None:
    rows, box = by_rows(rectangle(), smoothing), box_outline(*lung_patch(rectangle(), 1))
    assert (rows.top, rows.bottom) == (box.top, box.bottom) == (9.5, 89.5)
    for outline in (rows, box):
        np.testing.assert_allclose(outline.left, 19.5)
        np.testing.assert_allclose(outline.right, 59.5)


@pytest.mark.parametrize("level", [0.3, 0.65, 1.0])
def test_the_base_is_the_quantile_of_the_lower_border(level: float) -> None:
    lungs = np.zeros((128, 128), np.uint8)
    for column in range(20, 60):
        lungs[10 : 70 + column // 2, column] = 1
    lower = [70 + column // 2 - 0.5 for column in range(20, 60)]
    assert by_rows(lungs, base_level=level).bottom == pytest.approx(np.quantile(lower, level))


def test_transfer_and_the_transfer_with_lungs_exchanged_are_inverse() -> None:
    source, target = by_rows(rectangle()), by_rows(rectangle(30, 90, 5, 60))
    points = np.random.default_rng(0).uniform(0, 128, (200, 2))
    np.testing.assert_allclose(transfer(target, source, transfer(source, target, points)), points, atol=1e-9)


@pytest.mark.parametrize(
    ("label", "lateral", "medial"), [(1, (19.5, 89.5), (59.5, 89.5)), (2, (59.5, 89.5), (19.5, 89.5))]
)
def test_corners_of_the_base_are_lateral_and_medial(
    label: int, lateral: tuple[float, float], medial: tuple[float, float]
) -> None:
    lungs = rectangle() * label
    lungs[:10, 38:42] = label
    outline = by_arcs(lung_patch(lungs.astype(np.uint8), label), label)
    apex, *corners, end = outline.at(np.arange(4.0))
    assert apex[1] == pytest.approx(-0.5)
    np.testing.assert_array_equal(apex, end)
    np.testing.assert_allclose(corners, [lateral, medial], atol=1.0)


def test_between_corners_the_coordinate_grows_with_arc_length() -> None:
    outline = by_arcs(lung_patch(rectangle(), 1))
    # from corner to corner the base is straight, so half way along it is its middle
    np.testing.assert_allclose(outline.at(np.array([1.5])), [[39.5, 89.5]], atol=0.5)
    assert (np.diff(outline.along) > 0).all()
    assert (outline.along[0], outline.along[-1]) == (0, 3)


def test_holes_and_specks_do_not_count() -> None:
    plain, spoiled = rectangle(), rectangle()
    spoiled[40:50, 35:45] = 0
    spoiled[100:104, 100:104] = 1
    there = by_arcs(lung_patch(spoiled, 1)).at(np.linspace(0, 3, 50))
    np.testing.assert_allclose(there, by_arcs(lung_patch(plain, 1)).at(np.linspace(0, 3, 50)), atol=1.5)


def test_a_turned_lung_keeps_its_corners() -> None:
    angle = np.deg2rad(8)
    matrix = cv2.getRotationMatrix2D((64, 64), -8, 1.0)
    turned = np.asarray(cv2.warpAffine(rectangle(), matrix, (128, 128), flags=cv2.INTER_NEAREST), dtype=np.uint8)
    upright = Upright(np.array([64.0, 64.0]), -angle)
    corners = arc_outline(lung_patch(turned, 1), 1, upright, 0.0).at(np.array([1.0, 2.0]))
    np.testing.assert_allclose(upright.apply(corners), [(19.5, 89.5), (59.5, 89.5)], atol=1.5)


def test_teeth_do_not_push_what_comes_after_them_along() -> None:
    toothed = rectangle()
    toothed[20:85:4, 19:23] = 0
    toothed[21:85:4, 19:23] = 0
    plain, rough = (by_arcs(lung_patch(lungs, 1), smoothing=1.0) for lungs in (rectangle(), toothed))
    upper = np.linspace(0.6, 0.9, 7)
    assert np.abs(plain.at(upper) - rough.at(upper)).max() < 5
