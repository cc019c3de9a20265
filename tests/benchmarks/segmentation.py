"""Lung masks of sick and healthy radiographs: ``python -m tests.benchmarks.segmentation``.

Trains the segmenter on Shenzhen's training part, once with the opacity recipe and once without (the control), and
prints Dice on patients never trained on, recall of opacity boxes, what the quality gate stops, and time an image.

The last line is one JSON object. In it, `dice_mean` is the smaller of the two lungs' mean Dice, `dice_p5` the 5th
percentile of all lungs' Dice and `dice_p5_worse` that of each radiograph's worse lung. `shenzhen`, `pbtseg`, `control`
and `gate` are of the test split without the tuberculosis rows of `shenzhen_truncated.txt`, whose supplied masks visibly
leave out lung; `shenzhen_all` and `pbtseg_all` are with them. `opacity_recall` is of the boxes of both cohorts, of what
lies in a hull of each lung (`segmentation_measures.lung_regions`, chosen before any network was measured);
`recall_chest_lungs` gives it in one hull of both lungs, heart and mediastinum included, and then in the hull of each.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from assets.images import F32
from assets.segmentation.cleanup import clean
from assets.segmenter.settings import SegmenterSettings
from assets.segmenter.trained import TrainedSegmenter
from resources.home import DATA_VARIABLE, data_root
from tests.benchmarks.segmentation_data import (
    Case,
    cases,
    has_boxes,
    has_mask,
    phantoms,
    stage_settings,
    supplied,
    truncated_stems,
)
from tests.benchmarks.segmentation_gate import (
    SETTINGS,
    Untaught,
    gate_figures,
    judged_masks,
    taught_segmenter,
    usable,
)
from tests.benchmarks.segmentation_measures import SEED, DiceFigures
from tests.benchmarks.segmentation_methods import (
    COMPARED,
    CONTROL,
    FINAL,
    PBTSEG,
    Method,
    boxes_by_method,
    dice_by_method,
    figures_of,
    methods,
    milliseconds,
    together,
)
from tests.benchmarks.segmentation_tables import print_boxes, print_cohort, print_dice, print_gate, print_training
from tests.benchmarks.segmentation_training import Job, trained

HOME = Path(tempfile.gettempdir(), "pseudopair-segmentation-benchmark")
QUICK = {"steps": 30, "batch_size": 2, "channels": [8, 16, 16], "checkpoint_every": 10}
PHANTOMS = 60
TIMED = 30


def main() -> None:
    """Print the tables, then the figures as one JSON line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--home", default=str(HOME), help="folder of trained weights, kept for the next run")
    parser.add_argument("--quick", action="store_true", help="few rows and steps: tries the path, measures nothing")
    arguments = parser.parse_args()
    if not Path(data_root(), "shenzhen").is_dir():
        print(f"no radiographs under {data_root()}; set {DATA_VARIABLE} to measure")
        return
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    started = time.monotonic()
    figures = measured(arguments.home, arguments.quick)
    print(f"{time.monotonic() - started:.0f} s in all")
    print(json.dumps(figures))


def measured(home: str, quick: bool) -> dict[str, Any]:
    """Train what is not trained yet, print all tables and return the figures of the JSON line."""
    listed, shenzhen = truncated_stems(), cases("shenzhen", has_mask, 3 if quick else 1)
    parts = {name: [case for case in shenzhen if case.split == name] for name in ("train", "validation", "test")}
    train, validation = usable(parts["train"]), usable(parts["validation"])
    print_cohort(parts, {"train": len(train), "validation": len(validation)}, listed)
    settings = _settings(quick)
    weights = trained(_jobs(train, settings, home))
    print_training(weights)
    chosen = methods({name: (found.state, settings[name]) for name, found in weights.items()})
    dice, recall = _dice(parts["test"], listed, chosen, quick), _recall(chosen, quick)
    try:
        segmenter, gate = taught_segmenter(weights[FINAL].state, settings[FINAL], train, validation)
    except Untaught as why:
        if not quick:
            raise
        print(f"\nnothing to judge masks with: {why}")
        judging = {"gate": None, "ms": None}
    else:
        clear = [case for case in parts["test"] if case.stem not in listed]
        judging = _judging(segmenter, gate, clear, [case.image for case in shenzhen[:TIMED]])
    first = {name: dice.pop(name) for name in ("shenzhen", "pbtseg")}
    return {**first, **recall.pop("headline"), **judging, **dice, **recall}


def _judging(segmenter: TrainedSegmenter, gate: float, clear: Sequence[Case], timed: Sequence[F32]) -> dict[str, Any]:
    judged, lost = judged_masks(segmenter, clear, SEED)
    print_gate(judged, gate, lost)
    spent = milliseconds(segmenter, timed)
    print(
        f"\n{spent:.1f} ms of CPU time an image of 256 x 256, with clean-up and score, one thread (median of {TIMED})"
    )
    stopped, besides = gate_figures(judged, gate), gate_figures(judged, gate, plausibility=True)
    rates = {
        "stopped_bad": stopped.stopped_bad,
        "stopped_good": stopped.stopped_good,
        "stopped_bad_with_plausibility": besides.stopped_bad,
        "stopped_good_with_plausibility": besides.stopped_good,
    }
    return {"gate": {name: mean and round(mean.value, 4) for name, mean in rates.items()}, "ms": round(spent, 1)}


def _settings(quick: bool) -> dict[str, SegmenterSettings]:
    final = SegmenterSettings(**{**stage_settings("shenzhen", "lung_segmenter"), **(QUICK if quick else {})})
    return {FINAL: final, CONTROL: final.model_copy(update={"opacity_probability": 0.0})}


def _jobs(train: Sequence[Case], settings: Mapping[str, SegmenterSettings], home: str) -> list[Job]:
    images = np.stack([case.image for case in train])
    lungs = np.stack([clean(supplied(case), SETTINGS) for case in train])
    return [Job(name, images, lungs, given, home) for name, given in settings.items()]


def _dice(test: Sequence[Case], listed: set[str], chosen: Mapping[str, Method], quick: bool) -> dict[str, Any]:
    dices = dice_by_method(test, chosen)
    clear, every = figures_of(dices, test, lambda case: case.stem not in listed), figures_of(dices, test)
    print_dice("Shenzhen, test split, without the listed truncated masks", clear)
    print_dice("Shenzhen, test split, all rows that supply a mask", every)
    found = {"shenzhen": clear[FINAL], "pbtseg": clear[PBTSEG], "control": clear[CONTROL]}
    found |= {"shenzhen_all": every[FINAL], "pbtseg_all": every[PBTSEG]}
    for name, rows in {"quex": cases("quex", has_mask), "phantom": phantoms(6 if quick else PHANTOMS)}.items():
        foreign = figures_of(dice_by_method(rows, chosen), rows)
        print_dice(f"{name}, all splits, a source never trained on", foreign)
        found[name] = foreign[FINAL]
    return {name: _short(figures) for name, figures in found.items()}


def _short(figures: DiceFigures) -> dict[str, float]:
    given = {"dice_mean": figures.lower_mean, "dice_p5": figures.p5_pooled, "dice_p5_worse": figures.p5_worse}
    return {name: round(value, 4) for name, value in given.items()}


def _recall(chosen: Mapping[str, Method], quick: bool) -> dict[str, Any]:
    boxes = {name: boxes_by_method(cases(name, has_boxes, 12 if quick else 1), chosen) for name in ("rsna", "tbx11k")}
    boxes["both"] = together([*boxes.values()])
    for name, found in boxes.items():
        print_boxes(name, found)
    shares = {
        name: {method: [round(mean.value, 4) for mean in found.recall(method)] for method in COMPARED}
        for name, found in boxes.items()
    }
    headline = {"opacity_recall": shares["both"][FINAL][1], "opacity_recall_control": shares["both"][CONTROL][1]}
    return {"headline": headline, "area_ratio": round(boxes["both"].area_ratio, 4), "recall_chest_lungs": shares}


if __name__ == "__main__":
    main()
