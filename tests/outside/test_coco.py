import json
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.tables.common import BOX
from pipelines.outside.coco import annotations, clip

COLUMNS = pa.schema(
    [
        *((name, pa.string()) for name in ("image", "radiograph_id", "split", "domain", "label")),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("boxes", pa.list_(BOX)),
    ]
)
number = st.floats(-300, 300)
length = st.floats(1e-3, 300)


def box(x: float, y: float, width: float, height: float, kind: str = "opacity") -> dict[str, Any]:
    return {"x": x, "y": y, "width": width, "height": height, "kind": kind}


def radiographs(*boxes: list[dict[str, Any]] | None, width: int = 100, height: int = 80) -> pa.Table:
    rows = [
        {
            "image": f"images/train/abnormal/{name}.png",
            "radiograph_id": str(name),
            "split": "train",
            "domain": "abnormal",
            "label": "opacity",
            "width": width,
            "height": height,
            "boxes": mine,
        }
        for name, mine in enumerate(boxes)
    ]
    return pa.Table.from_pylist(rows, schema=COLUMNS)


def test_the_mapping_is_that_of_the_format_description() -> None:
    table = radiographs([box(10, 20, 5, 4), box(1, 2, 3, 4, "nodule")], [], [box(90, 70, 20, 20)])
    content, lost = annotations(table, {"description": "made up"})
    assert lost == 0
    assert set(content) == {"info", "licenses", "images", "annotations", "categories"}
    assert content["info"]["description"] == "made up"
    assert [image["id"] for image in content["images"]] == [1, 2, 3]
    assert content["images"][0]["file_name"] == "images/train/abnormal/0.png"
    assert {(image["width"], image["height"]) for image in content["images"]} == {(100, 80)}
    kinds = {category["id"]: category["name"] for category in content["categories"]}
    assert kinds == {1: "nodule", 2: "opacity"}
    told = [
        (one["id"], one["image_id"], kinds[one["category_id"]], one["bbox"], one["area"], one["iscrowd"])
        for one in content["annotations"]
    ]
    assert told == [
        (1, 1, "opacity", [10, 20, 5, 4], 20, 0),
        (2, 1, "nodule", [1, 2, 3, 4], 12, 0),
        (3, 3, "opacity", [90, 70, 10, 10], 100, 0),
    ]
    assert json.loads(json.dumps(content)) == content


def test_boxes_outside_their_image_are_left_out_and_counted() -> None:
    table = radiographs([box(100, 0, 5, 5), box(-6, 0, 5, 5), box(0, 80, 5, 5), box(0, -5, 5, 5), box(0, 0, 1, 1)])
    content, lost = annotations(table, {})
    assert lost == content["info"]["boxes_outside_their_image"] == 4
    assert [one["bbox"] for one in content["annotations"]] == [[0, 0, 1, 1]]
    assert content["annotations"][0]["id"] == 1


def test_a_radiograph_whose_boxes_nobody_knows_is_no_image_without_a_box() -> None:
    content, _ = annotations(radiographs(None, [], None), {})
    assert [image["radiograph_id"] for image in content["images"]] == ["1"]
    assert content["categories"] == []


@settings(deadline=None)
@given(number, number, length, length, st.integers(1, 200), st.integers(1, 200))
def test_a_clipped_box_is_the_part_inside(x: float, y: float, w: float, h: float, width: int, height: int) -> None:
    clipped = clip(box(x, y, w, h), width, height)
    across = min(x + w, width) - max(x, 0)
    down = min(y + h, height) - max(y, 0)
    if clipped is None:
        assert min(across, down) <= 0
        return
    left, top, wide, high = clipped
    assert wide > 0
    assert high > 0
    assert left >= 0
    assert top >= 0
    assert left + wide <= width * (1 + 1e-12)
    assert top + high <= height * (1 + 1e-12)
    assert wide * high == pytest.approx(across * down, rel=1e-6)
    assert clip(dict(zip(("x", "y", "width", "height"), clipped, strict=True)), width, height) == pytest.approx(clipped)
