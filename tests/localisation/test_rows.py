from typing import Any

import numpy as np
import pytest

from assets.localisation.rows import in_source_pixels, measured_rows
from assets.pairing.frames import FrameRows
from assets.radiographs.geometry import fit_canvas, place_boxes

BOX = {"x": 1.0, "y": 1.0, "width": 2.0, "height": 2.0, "kind": ""}


def row(name: str, domain: str, split: str = "test", *, boxes: Any = (), lesion: bool = False) -> FrameRows:  # noqa: ANN401
    radiograph = {"radiograph_id": name, "domain": domain, "split": split, "boxes": list(boxes), "has_lesion": lesion}
    return FrameRows(radiograph, {}, {}, {})


def names(rows: list[FrameRows]) -> list[str]:
    return [each.radiograph["radiograph_id"] for each in rows]


def test_what_is_drawn_is_measured_with_some_normals_of_each_split() -> None:
    rows = [
        row("d", "abnormal", boxes=[BOX]),
        row("c", "normal"),
        row("b", "normal"),
        row("a", "normal", "validation"),
        row("e", "abnormal", lesion=True),
        row("f", "other", boxes=[BOX]),
        row("g", "normal", "train"),
        row("h", "abnormal", "train", boxes=[BOX]),
    ]
    assert names(measured_rows(rows, 1)) == ["a", "b", "d", "e", "f"]
    assert names(measured_rows(rows, 5)) == ["a", "b", "c", "d", "e", "f"]
    assert names(measured_rows(rows, 0)) == ["d", "e", "f"]


def test_an_abnormal_radiograph_without_boxes_is_left_out() -> None:
    assert names(measured_rows([row("a", "abnormal"), row("b", "other"), row("c", "abnormal", lesion=True)], 9)) == [
        "c"
    ]


@pytest.mark.parametrize("boxes", [None, []])
def test_a_shard_without_anything_drawn_is_not_measured(boxes: Any) -> None:  # noqa: ANN401
    rows = [row("a", "normal"), row("b", "abnormal")]
    rows[1].radiograph["boxes"] = boxes
    assert measured_rows(rows, 9) == []


def placed(width: int, height: int, boxes: list[dict[str, Any]]) -> dict[str, Any]:
    canvas = fit_canvas(width, height, 256)
    scales = {name: getattr(canvas, name) for name in ("scale_x", "scale_y", "offset_x", "offset_y")}
    return {"width": width, "height": height, **scales, "boxes": boxes}


def test_boxes_come_back_in_the_pixels_of_the_file() -> None:
    radiograph = placed(900, 600, [{**BOX, "kind": "nodule"}, {**BOX, "kind": "mass"}])
    canvas = fit_canvas(900, 600, 256)
    drawn = np.array([[30.0, 40, 100, 50], [0, 0, 900, 600]])
    detections = np.column_stack([place_boxes(np.array([[300.0, 200, 60, 90]]), canvas), [7.5]])
    columns = {"truth": "boxes", "surest": detections, "detections": detections, "pointing": 1.0}
    found = in_source_pixels(columns, place_boxes(drawn, canvas), radiograph)
    for box, expected, kind in zip(found["boxes"], drawn.tolist(), ("nodule", "mass"), strict=True):
        assert [box[name] for name in ("x", "y", "width", "height")] == pytest.approx(expected)
        assert box["kind"] == kind
    (detection,) = found["detections"]
    assert found["surest"] == detection
    assert detection == pytest.approx({"x": 300, "y": 200, "width": 60, "height": 90, "score": 7.5})
    assert (found["width"], found["height"], found["pointing"]) == (900, 600, 1.0)


def test_detections_are_cut_at_the_border_of_the_file() -> None:
    radiograph = placed(512, 256, [])
    found = in_source_pixels(
        {"truth": "lesion", "surest": np.zeros((0, 5)), "detections": np.array([[0.0, 60, 300, 20, 1]])},
        np.zeros((0, 4)),
        radiograph,
    )
    (detection,) = found["detections"]
    assert (detection["x"], detection["width"]) == (0, 512)
    assert detection["y"] == 0
    assert found["boxes"] == []


def test_kinds_are_told_only_where_every_box_was_kept() -> None:
    radiograph = placed(256, 256, [{**BOX, "kind": "a"}, {**BOX, "kind": "b"}])
    nothing = np.zeros((0, 5))
    one, two = np.array([[1.0, 1, 2, 2]]), np.array([[1.0, 1, 2, 2], [5, 5, 2, 2]])

    def kinds(source: str, boxes: np.ndarray) -> list[str]:
        found = in_source_pixels({"truth": source, "surest": nothing, "detections": nothing}, boxes, radiograph)
        return [box["kind"] for box in found["boxes"]]

    assert kinds("boxes", two) == ["a", "b"]
    assert kinds("boxes", one) == [""]
    assert kinds("lesion", two) == ["", ""]
