"""What the segmentation benchmark prints."""

from collections.abc import Mapping, Sequence

from tests.benchmarks.segmentation_data import Case
from tests.benchmarks.segmentation_gate import BAD, GOOD, GateFigures, Judged, gate_figures
from tests.benchmarks.segmentation_measures import DiceFigures, Mean
from tests.benchmarks.segmentation_methods import COMPARED, Boxes
from tests.benchmarks.segmentation_training import Weights


def print_cohort(parts: Mapping[str, Sequence[Case]], usable: Mapping[str, int], listed: set[str]) -> None:
    """How many masks there are of each split, how many can be learned from and how many are on the committed list."""
    print("Shenzhen, rows that supply a mask; intervals below are 95 % bootstrap intervals of means over patients")
    print(f"{'split':<14}{'masks':>7}{'usable':>8}{'listed as truncated':>21}")
    for name, rows in parts.items():
        print(f"{name:<14}{len(rows):>7}{usable.get(name, '-'):>8}{sum(case.stem in listed for case in rows):>21}")


def print_training(weights: Mapping[str, Weights]) -> None:
    """How long each network took."""
    print()
    for name, found in weights.items():
        kept = ", kept from an earlier run" if found.kept else ""
        resumed = f" from step {found.resumed_at}" if found.resumed_at else ""
        print(f"{name}: trained{resumed} in {found.seconds:.0f} s on one thread, both side by side{kept}")


def print_dice(title: str, figures: Mapping[str, DiceFigures]) -> None:
    """Dice of every method on one set of radiographs."""
    rows = next(iter(figures.values())).rows
    print(f"\nDice, {title} (n = {rows})")
    print(f"{'method':<22}{'right lung':>24}{'left lung':>24}{'p5 lungs':>10}{'p5 worse':>10}")
    for name, found in figures.items():
        percentiles = f"{found.p5_pooled:>10.3f}{found.p5_worse:>10.3f}"
        print(f"{name:<22}{found.right!s:>24}{found.left!s:>24}{percentiles}")


def print_boxes(title: str, boxes: Boxes) -> None:
    """Recall of boxes by every compared method on one set of radiographs."""
    images = len(next(iter(boxes.areas.values())))
    print(f"\nOpacity recall, {title}: {len(boxes.patients)} boxes on {images} images, all splits, none trained on")
    print(f"{'method':<22}{'of the chest region':>24}{'of the lungs regions':>24}{'lung area':>11}")
    for name in COMPARED:
        chest, lungs = boxes.recall(name)
        print(f"{name:<22}{chest!s:>24}{lungs!s:>24}{boxes.areas[name].mean():>11.4f}")
    print(f"mean lung area, trained over control: {boxes.area_ratio:.3f}")
    print(f"boxes of which nothing lies in the regions, not counted: {boxes.outside[0]} and {boxes.outside[1]}")


def print_gate(judged: Sequence[Judged], gate: float, lost: int) -> None:
    """What the gate stops, by kind of mask and in all."""
    print(f"\nQuality gate {gate:.3f}, Shenzhen, test split, without the listed masks; Dice of the worse lung")
    print(f"{lost} masks without two lungs never come to be judged and are not counted")
    bad, good = f"< {BAD}", f">= {GOOD}"
    print(f"{'mask':<24}{'n':>5}{bad:>8}{'stopped':>24}{good:>9}{'stopped':>24}")
    for kind in dict.fromkeys(item.kind for item in judged):
        _print_stopped(kind, gate_figures([item for item in judged if item.kind == kind], gate))
    _print_stopped("all", gate_figures(judged, gate))
    _print_stopped("all, or implausible", gate_figures(judged, gate, plausibility=True))


def _print_stopped(name: str, found: GateFigures) -> None:
    bad, good = (_or_dash(mean) for mean in (found.stopped_bad, found.stopped_good))
    print(f"{name:<24}{found.masks:>5}{found.bad:>8}{bad:>24}{found.good:>9}{good:>24}")


def _or_dash(mean: Mean | None) -> str:
    return "-" if mean is None else str(mean)
