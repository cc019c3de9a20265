import numpy as np
import pytest

from assets.image_scores.preview import SIDE, Shown, score_sheet
from assets.pictures import GREEN, WHITE
from assets.radiographs.geometry import fit_canvas


def shown(boxes: bool, detections: bool) -> Shown:
    lungs = np.zeros((64, 64), np.float32)
    lungs[16:48, 8:56] = 1
    box = {"x": 20.0, "y": 30.0, "width": 30.0, "height": 20.0}
    found = [{**box, "x": 70.0, "score": 2.0}, {"x": 0.0, "y": 0.0, "width": 2.0, "height": 2.0, "score": 1.0}]
    known = [{**box, "kind": "tb"}] if boxes else None
    image = np.full((64, 64), 0.5, np.float32)
    return Shown(image, 0.1 * lungs, lungs, fit_canvas(128, 128, 64), known, found if detections else None, "0.1")


def colored(page: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], color: tuple[int, int, int]) -> int:
    return int((page == color).all(axis=2).sum())


def test_what_is_drawn_stands_on_both_tiles_and_the_surest_detection_on_the_map() -> None:
    page = score_sheet([shown(boxes=True, detections=True)])
    green, white = colored(page, GREEN), colored(page, WHITE)
    # Half as large on the canvas, and the tile is larger than that again.
    around = 2 * (30 + 20) / 2 * SIDE / 64
    assert green == pytest.approx(2 * around, rel=0.15)
    assert white == pytest.approx(around, rel=0.15)
    # The lungs' outline is smoothed at its edges.
    assert (page[..., 2].astype(int) > page[..., 0].astype(int) + 60).sum() > 100


def test_nothing_is_drawn_where_nothing_is_known() -> None:
    page = score_sheet([shown(boxes=False, detections=False)])
    assert colored(page, GREEN) == colored(page, WHITE) == 0


@pytest.mark.parametrize(("count", "across", "down"), [(1, 1, 1), (4, 4, 1), (24, 4, 6)])
def test_four_images_stand_in_a_row(count: int, across: int, down: int) -> None:
    page = score_sheet([shown(boxes=False, detections=False)] * count)
    assert abs(page.shape[1] - 2 * across * SIDE) < 60
    assert down * SIDE < page.shape[0] < down * (SIDE + 30)
