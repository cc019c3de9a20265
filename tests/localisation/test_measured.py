from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from assets.localisation.boxes import box_rows, boxes_mask
from assets.localisation.measured import SHARES, measure
from assets.localisation.settings import LocalisationSettings
from assets.localisation.truth import Truth, normal_truth, truth_of
from assets.tables.localisation import LOCALISATION, LOCALISED

F32 = npt.NDArray[np.float32]
SIDE = 64
SHAPE, WHOLE = (SIDE, SIDE), (0.0, 0.0, float(SIDE), float(SIDE))
LUNGS = np.zeros(SHAPE, np.bool_)
LUNGS[4:60, 4:60] = True
PLAIN = LocalisationSettings(detection_sigma=0, pointing_sigma=0)
BOXES: list[list[float]] = [[10, 10, 10, 8], [40, 40, 6, 6]]


def drawn(boxes: list[list[float]], level: float = 1.0) -> F32:
    return np.where(boxes_mask(box_rows(boxes), SHAPE), np.float32(level), np.float32(0)).astype(np.float32)


def truth(lesion: npt.NDArray[np.bool_] | None = None) -> Truth:
    return truth_of(BOXES, lesion, WHOLE, SHAPE, 0.0)


def test_a_map_of_the_boxes_finds_them_all() -> None:
    found = measure(drawn(BOXES), truth(), LUNGS, None, PLAIN)
    assert found["detections"][:, :4].tolist() == BOXES
    # The surest region is one box, so it overlaps the other one not at all.
    np.testing.assert_array_equal(found["surest"], found["detections"][:1])
    assert (found["iou"], found["iou_any"], found["iobb"]) == ([1.0, 0.0], [1.0, 1.0], [1.0, 0.0])
    assert (found["pointing"], found["energy"], found["box_pixel_auc"]) == (1.0, 1.0, 1.0)
    assert found["iou_by_share"] == [[1.0] * len(SHARES), [0.0] * len(SHARES)]
    assert found["contrast"] > 100
    assert "dice" not in found
    assert "pixel_auc" not in found


def test_a_map_that_is_low_around_its_box_finds_it_only_where_it_is_cut_high() -> None:
    halo = np.where(LUNGS, np.float32(0.45), np.float32(0)).astype(np.float32)
    found = measure(np.maximum(halo, drawn(BOXES[:1])), truth(), LUNGS, None, PLAIN)
    overlaps = np.array(found["iou_by_share"])
    assert (overlaps[0, :4] < 0.1).all()
    assert (overlaps[0, 4:] == 1).all()
    assert found["iou"][0] == overlaps[0, SHARES.index(PLAIN.relative_threshold)]


def test_a_map_beside_the_boxes_finds_none() -> None:
    found = measure(drawn([[30, 10, 8, 8]]), truth(), LUNGS, None, PLAIN)
    assert (found["iou"], found["iou_any"], found["pointing"], found["energy"]) == ([0, 0], [0, 0], 0.0, 0.0)


def test_a_map_that_is_zero_is_at_chance_and_detects_nothing() -> None:
    found = measure(np.zeros(SHAPE, np.float32), truth(), LUNGS, 0.1, PLAIN)
    assert len(found["detections"]) == len(found["surest"]) == 0
    assert (found["iou"], found["iou_any"], found["iobb"]) == ([0, 0], [0, 0], [0, 0])
    assert found["iou_by_share"] == [[0.0] * len(SHARES)] * 2
    assert found["pointing"] == found["energy"] == found["area_share"]
    assert (found["box_pixel_auc"], found["smoothness"]) == (0.5, None)


def test_lesion_masks_are_measured_by_pixels_and_by_the_boxes_around_their_parts() -> None:
    lesion = boxes_mask(box_rows(BOXES), SHAPE)
    known = truth_of([], lesion, WHOLE, SHAPE, 0.0)
    found = measure(drawn(BOXES), known, LUNGS, 0.5, PLAIN)
    assert found["truth"] == "lesion"
    assert found["iou_any"] == [1.0, 1.0]
    names = ("pixel_auc", "pixel_ap", "aupro", "dice", "dice_oracle")
    assert [found[name] for name in names] == pytest.approx([1.0] * 5)
    assert "box_pixel_auc" not in found
    # At a threshold that nothing reaches, nothing is found.
    assert measure(drawn(BOXES), known, LUNGS, 1.5, PLAIN)["dice"] == 0.0
    assert "dice" not in measure(drawn(BOXES), known, LUNGS, None, PLAIN)


def test_boxes_with_a_mask_are_localised_by_boxes_and_measured_by_pixels_of_the_mask() -> None:
    lesion = boxes_mask(box_rows([BOXES[0]]), SHAPE)
    found = measure(drawn([BOXES[0]]), truth(lesion), LUNGS, 0.5, PLAIN)
    assert (found["truth"], found["iou_any"]) == ("boxes", [1.0, 0.0])
    assert (found["pixel_auc"], found["dice"]) == (1.0, 1.0)


@pytest.mark.parametrize(("threshold", "dice"), [(0.5, 0.0), (1.5, 1.0), (None, None)])
def test_on_a_normal_radiograph_only_detections_and_silence_are_measured(
    threshold: float | None, dice: float | None
) -> None:
    found = measure(drawn(BOXES), normal_truth(SHAPE), LUNGS, threshold, PLAIN)
    assert found["truth"] == "normal"
    assert found.get("dice") == dice
    assert len(found["detections"]) == (0 if threshold == 1.5 else 2)
    assert not {"iou", "pointing", "energy", "box_pixel_auc"} & found.keys()


def test_below_the_threshold_it_is_told_where_but_nothing_is_detected() -> None:
    found = measure(drawn(BOXES), truth(), LUNGS, 1.5, PLAIN)
    assert found["detections"].shape == (0, 5)
    assert found["surest"][:, :4].tolist() == BOXES[:1]
    assert (found["iou"], found["iobb"], found["iou_any"]) == ([1.0, 0.0], [1.0, 0.0], [0.0, 0.0])


def test_the_threshold_is_of_the_smoothed_map() -> None:
    chosen = PLAIN.model_copy(update={"detection_sigma": 8.0})
    lonely = drawn([[30, 30, 1, 1]])
    assert len(measure(lonely, truth(), LUNGS, 0.5, chosen)["detections"]) == 0
    assert measure(lonely, normal_truth(SHAPE), LUNGS, 0.5, chosen)["dice"] == 1.0


def test_every_column_is_one_of_the_table() -> None:
    lesion = boxes_mask(box_rows(BOXES), SHAPE)
    found: dict[str, Any] = {}
    for known in (truth(), truth_of([], lesion, WHOLE, SHAPE, 0.0)):
        found |= measure(drawn(BOXES), known, LUNGS, 0.5, PLAIN)
    assert found.keys() <= set(LOCALISATION.names)
    assert set(LOCALISED) <= found.keys()


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_a_map_that_is_not_finite_is_refused(wrong: float) -> None:
    values = drawn(BOXES)
    values[20, 20] = wrong
    with pytest.raises(ValueError, match="not finite"):
        measure(values, truth(), LUNGS, None, PLAIN)


def test_a_radiograph_without_lungs_is_refused() -> None:
    with pytest.raises(ValueError, match="lungs must have a pixel"):
        measure(drawn(BOXES), truth(), np.zeros(SHAPE, np.bool_), None, PLAIN)


@pytest.mark.parametrize("widths", [[], [0.0], [-1.0], [3.0, 3.0], [100.0]])
def test_widths_of_random_maps_are_checked(widths: list[float]) -> None:
    with pytest.raises(ValueError, match="random_sigmas"):
        LocalisationSettings(random_sigmas=widths)
