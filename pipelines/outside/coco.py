"""Boxes of exported radiographs in COCO's format for object detection."""

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

Json = dict[str, Any]


def annotations(radiographs: pa.Table, info: Json) -> tuple[Json, int]:
    """COCO's mapping of the radiographs whose boxes are known, and how many boxes lie outside their image.

    Numbers begin at 1 (evaluations take the annotation 0 for none). A box is [x, y, width, height] from the image's
    upper left corner, clipped to the image; one that then has no area is left out. There are no outlines, so
    `segmentation` is empty.

    Args:
        radiographs: columns image, width, height, boxes (null: not known), radiograph_id, split, domain, label.
        info: what COCO's `info` says.
    """
    images: list[Json] = []
    boxes: list[Json] = []
    kinds = {kind: number for number, kind in enumerate(_kinds(radiographs["boxes"]), start=1)}
    lost = 0
    for number, row in enumerate(_rows(radiographs), start=1):
        images.append(_image(number, row))
        for box in row["boxes"]:
            clipped = clip(box, row["width"], row["height"])
            if clipped is None:
                lost += 1
            else:
                boxes.append(_annotation(len(boxes) + 1, number, kinds[box["kind"]], clipped))
    categories = [{"id": number, "name": kind, "supercategory": "finding"} for kind, number in kinds.items()]
    info = {**info, "boxes_outside_their_image": lost}
    return {"info": info, "licenses": [], "images": images, "annotations": boxes, "categories": categories}, lost


def clip(box: Json, width: int, height: int) -> Sequence[float] | None:
    """The part of a box inside an image: x, y, width, height, px; None where there is none."""
    left, top = max(box["x"], 0.0), max(box["y"], 0.0)
    right, bottom = min(box["x"] + box["width"], width), min(box["y"] + box["height"], height)
    return [left, top, right - left, bottom - top] if right > left and bottom > top else None


def _kinds(boxes: pa.ChunkedArray) -> list[str]:
    return sorted({box["kind"] for chunk in boxes.chunks for row in chunk if row.is_valid for box in row.as_py()})


def _rows(radiographs: pa.Table) -> Iterator[Json]:
    """Rows whose boxes are known, a thousand at a time as dictionaries."""
    for batch in radiographs.to_batches(max_chunksize=1000):
        yield from (row for row in batch.to_pylist() if row["boxes"] is not None)


def _image(number: int, row: Json) -> Json:
    shown = {name: row[name] for name in ("width", "height", "radiograph_id", "split", "domain", "label")}
    return {"id": number, "file_name": row["image"], **shown}


def _annotation(number: int, image: int, category: int, box: Sequence[float]) -> Json:
    return {
        "id": number,
        "image_id": image,
        "category_id": category,
        "bbox": [float(value) for value in box],
        "area": float(box[2] * box[3]),
        "iscrowd": 0,
        "segmentation": [],
    }
