"""Pictures of a radiograph's way into the common frame, from the artefacts that its items name."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from assets.images import F32, from_uint16
from assets.pictures import checkerboard, fitted, fitted_labels, heat, outline, to_png
from assets.radiographs.photometric import apply_window
from pipelines.lineage.chain import CHAIN, MODELS
from pipelines.lineage.item import OK, Item
from resources.arrays import Arrays, decode
from resources.object_store import ObjectStore

# Five fit beside each other on the page.
SIDE = 196
PAIR_SIDE = 392
SCORED = "anomaly map"


@dataclass(frozen=True)
class Shown:
    """A picture with its caption.

    Attributes:
        caption: what it shows.
        png: the picture.
    """

    caption: str
    png: bytes


def steps(item: Item) -> dict[str, Item]:
    """Items of a radiograph's chain by kind; of what was made from two things, the way of the pixels."""
    kinds = [kind for _, kind, *_ in CHAIN]
    found: dict[str, Item] = {}
    while item.kind in kinds:
        found[item.kind] = item
        before = [each for each in item.made_from if each.kind in kinds]
        if not before:
            break
        item = before[0]
    return found


def way_pictures(store: ObjectStore, item: Item, reached: tuple[Item, ...]) -> Iterator[Shown]:
    """The canvas with its lungs, IT-PR, IT-DPR and anomaly maps of a radiograph, as far as it came.

    Args:
        store: the artefact store.
        item: the last step of its chain.
        reached: where its anomaly maps are among.
    """
    way = steps(item)
    last, before, mask, first = (way.get(kind) for _, kind, *_ in CHAIN)
    reference = _model_arrays(store, last or before)
    if first and (source := _arrays(store, first)):
        lungs = _arrays(store, mask) if mask else None
        yield Shown("on its canvas, with its lungs", _canvas(source, lungs, mask))
    for step, caption in ((before, "IT-PR"), (last, "IT-DPR")):
        if step and reference and (arrays := _arrays(store, step)):
            image = fitted(from_uint16(arrays["image"]), SIDE)
            picture = outline(image, fitted_labels(reference["lungs"], SIDE))
            yield Shown(f"{caption}, with the lungs of the reference", to_png(picture))
    name = first.columns.get("radiograph_id") if first else None
    for scored in reached:
        if scored.kind == SCORED and scored.columns["radiograph_id"] == name and (maps := _arrays(store, scored)):
            yield Shown(f"anomaly map of {scored.columns['arm']} seed {scored.columns['seed']}", _anomaly(maps))


def pair_picture(store: ObjectStore, pair: Item) -> Shown | None:
    """Both sides of a pair in the common frame, in turns; None where one is not there."""
    found = [_arrays(store, side) for side in pair.made_from if side.kind == CHAIN[0][1]]
    images = [fitted(from_uint16(arrays["image"]), PAIR_SIDE) for arrays in found if arrays]
    if len(images) < 2:
        return None
    return Shown(
        "both in the common frame, the abnormal one in the upper left corner",
        to_png(checkerboard(images[0], images[1])),
    )


def _arrays(store: ObjectStore, item: Item) -> Arrays | None:
    data = store.read_or_none(item.columns["artifact"]) if item.state == OK and item.columns.get("artifact") else None
    return decode(data) if data else None


def _model_arrays(store: ObjectStore, step: Item | None) -> Arrays | None:
    while step:
        for each in step.made_from:
            if each.kind == MODELS["reference_lung"]:
                return _arrays(store, each)
        step = next((each for each in step.made_from if each.kind in {kind for _, kind, *_ in CHAIN}), None)
    return None


def _canvas(source: Arrays, lungs: Arrays | None, mask: Item | None) -> bytes:
    image = from_uint16(source["image"])
    if lungs is None or mask is None:
        return to_png(outline(fitted(image, SIDE), np.zeros(fitted(image, SIDE).shape, np.uint8)))
    image = apply_window(image, mask.columns["window_low"], mask.columns["window_high"])
    return to_png(outline(fitted(image, SIDE), fitted_labels(lungs["lungs"], SIDE)))


def _anomaly(arrays: Arrays) -> bytes:
    image: F32 = arrays["image"].astype(np.float32) / np.float32(255)
    values = arrays["map"].astype(np.float32)
    inside = values[arrays["lungs"] > 0]
    full = max(float(np.quantile(inside, 0.998)) if inside.size else 0.0, 1e-6)
    return to_png(heat(fitted(image, SIDE), fitted(values, SIDE), full))
