import time
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.prealignment.lung_coordinates import prealign, prealign_points, reference_frame
from assets.prealignment.settings import PrealignmentSettings, ReferenceSettings
from assets.prealignment.warp import sample, warp_lungs
from assets.radiographs.phantom.cohort import phantom_subject
from assets.radiographs.phantom.settings import PhantomSettings
from assets.registration.folds import folded, folded_share
from assets.segmentation.quality import dice
from assets.segmenter.damage import bite, cut_base, jag

U8 = npt.NDArray[np.uint8]
Mode = Literal["rows_tilt", "rows", "box", "harmonic"]
CLOSED: list[Mode] = ["rows_tilt", "rows", "box"]
MODES: list[Mode] = [*CLOSED, "harmonic"]
SIDE = 256


def phantoms(count: int) -> list[U8]:
    return [phantom_subject(index, 3, PhantomSettings()).lungs for index in range(count)]


LUNGS = phantoms(8)
FRAMES = {mode: reference_frame(LUNGS[0], PrealignmentSettings(mode=mode)) for mode in MODES}


def affine_copy(lungs: U8, matrix: npt.NDArray[np.float64]) -> U8:
    """Mask at which the forward map q = A p + t (2, 3) puts the lungs."""
    copy = np.zeros_like(lungs)
    for label in (1, 2):
        # 4x supersampling keeps the copy's outline within 1/8 px of the exact one
        fine = cv2.resize((lungs == label).astype(np.float32), None, fx=4, fy=4, interpolation=cv2.INTER_LINEAR)
        to_fine = np.array([[4, 0, 1.5], [0, 4, 1.5], [0, 0, 1.0]])
        full = to_fine @ np.vstack([matrix, [0, 0, 1]]) @ np.linalg.inv(to_fine)
        moved = cv2.warpAffine(np.asarray(fine), full[:2], (4 * SIDE, 4 * SIDE))
        copy[cv2.resize(np.asarray(moved), (SIDE, SIDE), interpolation=cv2.INTER_AREA) >= 0.5] = label
    return copy


def interior(lungs: U8, margin: int = 9) -> npt.NDArray[np.bool_]:
    eroded = [cv2.erode((lungs == label).astype(np.uint8), np.ones((margin, margin), np.uint8)) for label in (1, 2)]
    return (np.asarray(eroded[0]) + np.asarray(eroded[1])) > 0


@pytest.mark.parametrize("mode", MODES)
def test_reference_onto_itself_is_the_identity(mode: Mode) -> None:
    chosen = PrealignmentSettings(mode=mode)
    field = prealign(reference_frame(LUNGS[0], chosen), LUNGS[0], chosen)
    assert np.abs(field[:, LUNGS[0] > 0]).max() < 1e-4


@pytest.mark.parametrize(("mode", "across", "down"), [(mode, 2, 2) for mode in MODES] + [("rows", 2, 1), ("box", 1, 2)])
def test_magnified_copy_is_recovered(mode: Mode, across: int, down: int) -> None:
    # every pixel becomes a block, so the copy is exact: q = f p + (f - 1) / 2 in pixel centers, then shifted by (5, 3)
    small = np.zeros((SIDE, SIDE), np.uint8)
    small[:120, :120] = LUNGS[0][8:248:2, 8:248:2]
    copy = np.zeros((SIDE, SIDE), np.uint8)
    block = np.kron(small[:120, :120], np.ones((down, across), np.uint8))
    copy[3 : 3 + block.shape[0], 5 : 5 + block.shape[1]] = block
    matrix = np.array([[across, 0, (across - 1) / 2 + 5], [0, down, (down - 1) / 2 + 3]])
    error = recovery_error(mode, matrix, small, copy)
    # in pixels of the reference: those of the copy are that much finer
    assert np.percentile(error, 99) / max(across, down) < {"box": 1e-3, "harmonic": 0.75}.get(mode, 0.5)


@pytest.mark.parametrize("mode", ["rows", "rows_tilt", "harmonic"])
def test_shrunk_and_shifted_copy_is_recovered(mode: Mode) -> None:
    matrix = np.array([[0.9, 0, 17.0], [0, 0.9, 6.0]])
    error = recovery_error(mode, matrix, LUNGS[0], affine_copy(LUNGS[0], matrix))
    assert np.mean(error) < 0.25
    assert np.percentile(error, 99) < 0.5


def test_tilted_copy_is_recovered_by_rows_tilt_only() -> None:
    angle = np.deg2rad(6)
    cosine, sine = 0.92 * np.cos(angle), 0.92 * np.sin(angle)
    matrix = np.array([[cosine, -sine, 24.0], [sine, cosine, -4.0]])
    copy = affine_copy(LUNGS[0], matrix)
    tilted, plain = (recovery_error(mode, matrix, LUNGS[0], copy) for mode in MODES[:2])
    assert np.percentile(tilted, 95) < 0.7
    assert np.mean(plain) > 3 * np.mean(tilted)


def recovery_error(mode: Mode, matrix: npt.NDArray[np.float64], lungs: U8, copy: U8) -> npt.NDArray[np.float64]:
    chosen = PrealignmentSettings(mode=mode)
    field = prealign(reference_frame(lungs, chosen), copy, chosen)
    y, x = np.nonzero(interior(lungs))
    expected = np.stack([x, y], axis=1) @ matrix[:, :2].T + matrix[:, 2]
    found = np.stack([x, y], axis=1) + field[:, y, x].T
    return np.asarray(np.hypot(*(found - expected).T))


@pytest.mark.parametrize("mode", CLOSED)
def test_points_go_there_and_back(mode: Mode) -> None:
    chosen = PrealignmentSettings(mode=mode)
    frame = reference_frame(LUNGS[0], chosen)
    for moving in LUNGS[1:4]:
        y, x = np.nonzero(interior(moving))
        points = np.stack([x, y], axis=1)[::37].astype(np.float64)
        mapped = prealign_points(frame, moving, points, chosen)
        back = mapped + sample(prealign(frame, moving, chosen), mapped)
        error = np.hypot(*(back - points).T)
        assert np.median(error) < 0.02
        assert np.mean(error) < 0.1


def test_points_outside_the_lungs_follow_the_extended_field() -> None:
    chosen = PrealignmentSettings()
    frame = reference_frame(LUNGS[0], chosen)
    points = np.array([[128.0, 128.0], [20.0, 120.0], [128.0, 230.0], [236.0, 100.0]])
    mapped = prealign_points(frame, LUNGS[1], points, chosen)
    back = mapped + sample(prealign(frame, LUNGS[1], chosen), mapped)
    assert np.hypot(*(back - points).T).max() < 0.1


def test_convention_points_travel_by_the_inverse_of_the_image_warp() -> None:
    chosen = PrealignmentSettings()
    moved = np.roll(LUNGS[0], 7, axis=1)
    frame = reference_frame(LUNGS[0], chosen)
    y, x = np.argwhere(interior(LUNGS[0]))[100]
    assert prealign(frame, moved, chosen)[0, y, x] == pytest.approx(7, abs=1e-3)
    mapped = prealign_points(frame, moved, np.array([[x + 7.0, float(y)]]), chosen)
    np.testing.assert_allclose(mapped, [[x, y]], atol=1e-3)


@pytest.mark.parametrize("mode", CLOSED)
def test_no_fold_inside_the_reference_lungs(mode: Mode) -> None:
    chosen = PrealignmentSettings(mode=mode)
    for reference in LUNGS[:2]:
        frame = reference_frame(reference, chosen)
        for moving in LUNGS:
            assert not folded(prealign(frame, moving, chosen))[reference > 0].any()


def test_the_harmonic_map_does_not_fold_well_inside_the_lungs() -> None:
    chosen = PrealignmentSettings(mode="harmonic")
    frame = reference_frame(LUNGS[0], chosen)
    folds = [folded(prealign(frame, moving, chosen)) for moving in LUNGS]
    assert not np.any(folds, axis=0)[interior(LUNGS[0])].any()
    assert np.mean(folds, axis=0)[LUNGS[0] > 0].mean() < 1e-3


@pytest.mark.parametrize("mode", MODES)
@settings(max_examples=4, deadline=None)
@given(st.integers(-12, 12), st.integers(-12, 12))
def test_translating_the_radiograph_adds_the_translation(mode: Mode, dx: int, dy: int) -> None:
    chosen = PrealignmentSettings(mode=mode)
    moving = np.zeros_like(LUNGS[1])
    inside = np.argwhere(LUNGS[1] > 0)
    low, high = inside.min(axis=0), inside.max(axis=0)
    dy, dx = (int(np.clip(d, -low[i], SIDE - 1 - high[i])) for i, d in enumerate((dy, dx)))
    moving[inside[:, 0] + dy, inside[:, 1] + dx] = LUNGS[1][LUNGS[1] > 0]
    frame = FRAMES[mode]
    difference = prealign(frame, moving, chosen) - prealign(frame, LUNGS[1], chosen)
    np.testing.assert_allclose(difference[0], dx, atol=2e-3)
    np.testing.assert_allclose(difference[1], dy, atol=2e-3)


@pytest.mark.parametrize("mode", CLOSED)
def test_field_is_continuous_across_the_lung_border(mode: Mode) -> None:
    chosen = PrealignmentSettings(mode=mode)
    frame = reference_frame(LUNGS[0], chosen)
    grown = np.asarray(cv2.dilate((LUNGS[0] > 0).astype(np.uint8), np.ones((3, 3), np.uint8))) > 0
    ring = grown & (LUNGS[0] == 0)
    inner = np.asarray(cv2.erode((LUNGS[0] > 0).astype(np.uint8), np.ones((3, 3), np.uint8))) > 0
    for moving in LUNGS[1:4]:
        field = prealign(frame, moving, chosen)
        second = np.abs(np.diff(field, n=2, axis=2, prepend=0, append=0))
        # a jump at the border would show as a second difference there that the lung's inside doesn't have
        assert np.percentile(second[:, ring], 90) < np.percentile(second[:, inner], 99) + 0.1


@pytest.mark.parametrize(("mode", "least"), [("rows_tilt", 0.9), ("harmonic", 0.99)])
def test_lungs_land_on_the_reference(mode: Mode, least: float) -> None:
    chosen = PrealignmentSettings(mode=mode)
    for moving in LUNGS[1:]:
        warped = warp_lungs(moving, prealign(FRAMES[mode], moving, chosen))
        assert dice(warped, LUNGS[0]) > max(least, dice(moving, LUNGS[0]))


def test_smoothing_of_the_rows_calms_a_jagged_outline() -> None:
    rng = np.random.default_rng(0)
    jagged = LUNGS[1].copy()
    for row in range(SIDE):
        jagged[row] = np.roll(jagged[row], rng.integers(-2, 3))
    shears = []
    for smoothing in (0.0, 1 / 128):
        chosen = PrealignmentSettings(row_smoothing=smoothing)
        field = prealign(reference_frame(LUNGS[0], chosen), jagged, chosen)
        shears.append(float(np.abs(np.diff(field[0], axis=0))[LUNGS[0][1:] > 0].mean()))
    assert shears[1] < 0.5 * shears[0]


def test_a_bite_between_the_corners_of_the_base_does_not_tear_the_field() -> None:
    lungs = np.zeros((SIDE, SIDE), np.uint8)
    lungs[60:180, 30:110], lungs[60:180, 146:226] = 1, 2
    pronged = lungs.copy()
    pronged[160:200, 30:45] = 1
    pronged[160:180, 50:95] = 0
    chosen = PrealignmentSettings(mode="rows")
    loose = chosen.model_copy(update={"retreat_limit": 1e6})
    shears = []
    for one in (chosen, loose):
        field = prealign(reference_frame(lungs, one), pronged, one)
        shears.append(float(np.abs(np.diff(field[0], axis=0))[150:178, 35:105].max()))
    assert shears[0] < 0.6 * shears[1]


def test_base_level_1_takes_the_lowest_pixel() -> None:
    lungs = np.zeros((SIDE, SIDE), np.uint8)
    lungs[60:180, 30:110], lungs[60:180, 146:226] = 1, 2
    deep = lungs.copy()
    deep[180:200, 30:40] = 1
    for level, expected in ((1.0, 20 / 120), (0.65, 0.0)):
        chosen = PrealignmentSettings(mode="rows", base_level=level)
        field = prealign(reference_frame(lungs, chosen), deep, chosen)
        assert field[1, 119, 70] == pytest.approx(expected * 59.5, abs=0.3)


def test_tilt_limit_cuts_the_correction() -> None:
    free, cut, rows = (
        PrealignmentSettings(tilt_limit_degrees=15),
        PrealignmentSettings(tilt_limit_degrees=0),
        PrealignmentSettings(mode="rows"),
    )
    fields = [prealign(reference_frame(LUNGS[0], one), LUNGS[1], one) for one in (free, cut, rows)]
    np.testing.assert_allclose(fields[1], fields[2], atol=1e-4)
    assert np.abs(fields[0] - fields[1]).max() > 0.1


def test_minimum_row_width_widens_a_pointed_tip() -> None:
    wedge = np.zeros((SIDE, SIDE), np.uint8)
    for row in range(60, 180):
        half = (180 - row) // 4
        wedge[row, 70 - half : 71 + half] = 1
        wedge[row, 186 - half : 187 + half] = 2
    fields = []
    for width in (1.0, 30.0):
        chosen = PrealignmentSettings(mode="rows", minimum_row_width=width, retreat_limit=1e6)
        fields.append(prealign(reference_frame(LUNGS[0], chosen), wedge, chosen))
    assert np.abs(fields[0] - fields[1])[:, LUNGS[0] > 0].max() > 1
    assert not folded(fields[1])[LUNGS[0] > 0].any()


@pytest.mark.parametrize("name", ["exact_margin", "feather_margin"])
def test_margins_change_the_surroundings_only(name: str) -> None:
    fields = []
    for value in (0.02, 0.06):
        chosen = PrealignmentSettings.model_validate({name: value})
        fields.append(prealign(reference_frame(LUNGS[0], chosen), LUNGS[1], chosen))
    difference = np.abs(fields[0] - fields[1])
    assert difference[:, LUNGS[0] > 0].max() < 1e-4
    assert difference.max() > 0.1


def damaged(kind: str, label: int) -> U8:
    rng = np.random.default_rng(0)
    if kind == "bite":
        return bite(LUNGS[1], label, 16 / SIDE, rng)
    return jag(LUNGS[1], 1.8 / SIDE, rng) if kind == "jag" else cut_base(LUNGS[1], label, 0.22)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", ["bite", "jag", "cut_base"])
def test_damaged_masks_end_in_finite_fields(mode: Mode, kind: str) -> None:
    for label in (1, 2):
        moving = damaged(kind, label)
        assert (moving != LUNGS[1]).any()
        field = prealign(FRAMES[mode], moving, PrealignmentSettings(mode=mode))
        assert np.isfinite(field).all()
        assert np.abs(field).max() < SIDE
        assert folded_share(field, interior(LUNGS[0])) < 0.01


@pytest.mark.parametrize("mode", MODES)
def test_a_lung_of_a_few_pixels_ends_in_a_finite_field(mode: Mode) -> None:
    speck = np.where(LUNGS[1] == 2, 2, 0).astype(np.uint8)
    speck[128:131, 60:63] = 1
    assert np.isfinite(prealign(FRAMES[mode], speck, PrealignmentSettings(mode=mode))).all()


@pytest.mark.parametrize(("label", "name"), [(1, "patient-right"), (2, "patient-left")])
def test_a_missing_lung_is_named(label: int, name: str) -> None:
    chosen = PrealignmentSettings()
    one = np.where(LUNGS[0] == label, 0, LUNGS[0]).astype(np.uint8)
    with pytest.raises(ValueError, match=name):
        reference_frame(one, chosen)
    with pytest.raises(ValueError, match=name):
        prealign(reference_frame(LUNGS[0], chosen), one, chosen)


def test_frame_and_settings_must_agree() -> None:
    frame = reference_frame(LUNGS[0], PrealignmentSettings())
    with pytest.raises(ValueError, match="rebuild the frame"):
        prealign(frame, LUNGS[1], PrealignmentSettings(mode="box"))
    with pytest.raises(ValueError, match="points"):
        prealign_points(frame, LUNGS[1], np.zeros(2), PrealignmentSettings())


def test_settings_of_the_reference_have_bounds() -> None:
    assert ReferenceSettings().refit is False
    with pytest.raises(ValueError, match="candidates"):
        ReferenceSettings(candidates=0)


def test_prealign_is_fast() -> None:
    chosen = PrealignmentSettings()
    frame = reference_frame(LUNGS[0], chosen)
    spent = []
    for _ in range(15):
        start = time.thread_time()
        prealign(frame, LUNGS[1], chosen)
        spent.append(time.thread_time() - start)
    # a quiet core needs a third of this
    assert min(spent) < 0.004
