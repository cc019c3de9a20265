"""Pairs a second from a local store against plain PNG pairs: ``python -m tests.benchmarks.loader``."""

import argparse
import json
import resource
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from assets.images import from_uint16, to_uint16
from assets.radiographs.phantom.cohort import phantom_subject
from assets.radiographs.phantom.settings import PhantomSettings
from pipelines.outside.datasets import PseudoPairs
from resources.object_store import ObjectStore
from tests.outside.synthetic import Cohort, synthetic

Item = dict[str, Any]
BATCH = 8
POOL = 16


class PngPairs(Dataset[Item]):
    """The plain reader: one 16-bit and one 8-bit PNG a radiograph, opened with Pillow, nothing kept or checked."""

    def __init__(self, folder: Path, pairs: list[tuple[str, str]]) -> None:
        self.folder = folder
        self.pairs = pairs

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> Item:
        item: Item = {}
        for side, name in zip(("abnormal", "normal"), self.pairs[index], strict=True):
            item[side] = torch.from_numpy(from_uint16(_pixels(self.folder / f"{name}.png").astype(np.uint16)))[None]
            item[f"{side}_lungs"] = torch.from_numpy(_pixels(self.folder / f"{name}.lungs.png"))[None]
        return item


def _pixels(path: Path) -> npt.NDArray[Any]:
    with Image.open(path) as image:
        return np.array(image)


def radiographs(size: int) -> npt.NDArray[np.uint16]:
    """A few phantoms (POOL, size, size), from which a store's radiographs are made by shifting."""
    chosen = PhantomSettings(subjects=POOL, size=size)
    return np.stack([to_uint16(phantom_subject(number, 0, chosen).image) for number in range(POOL)])


def as_png(cohort: Cohort, folder: Path) -> PngPairs:
    """The cohort's pairs as PNG files."""
    for row in cohort.rows["registered_radiographs"]:
        arrays = cohort.arrays["registered_radiographs", row["radiograph_id"]]
        Image.fromarray(arrays["image"]).save(folder / f"{row['radiograph_id']}.png")
        Image.fromarray(arrays["lungs"]).save(folder / f"{row['radiograph_id']}.lungs.png")
    return PngPairs(folder, [(pair["abnormal_id"], pair["normal_id"]) for pair in cohort.pairs])


def epoch(pairs: Dataset[Item], workers: int, seed: int) -> tuple[float, float]:
    """Pairs a second of a shuffled epoch from its first batch on, and CPU time of a pair in all processes, ms."""
    order = torch.Generator().manual_seed(seed)
    before = _cpu_seconds()
    batches = iter(DataLoader(pairs, batch_size=BATCH, shuffle=True, num_workers=workers, generator=order))
    first = len(next(batches)["abnormal"])
    start = time.perf_counter()
    seen = sum(len(batch["abnormal"]) for batch in batches)
    speed = seen / (time.perf_counter() - start)
    # The workers have ended by now, and their time is known only then.
    return speed, 1000 * (_cpu_seconds() - before) / (first + seen)


def _cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def measured(folder: Path, count: int, size: int, workers: int, repeats: int) -> dict[str, float]:
    """Median pairs a second of the three readers, whose epochs take turns; CPU time a pair of the first, ms.

    Each reader is measured in this process and with workers; the better of both counts.
    """
    cohort = synthetic(
        ObjectStore(str(folder / "store")),
        count,
        size,
        shards=4,
        stages=("registered_radiographs",),
        images=radiographs(size),
    )
    (folder / "png").mkdir()
    readers: dict[str, Dataset[Item]] = {
        "pairs_s": PseudoPairs(str(folder / "store"), cohort.name, None),
        "pairs_s_unchecked": PseudoPairs(str(folder / "store"), cohort.name, None, check=False),
        "png_pairs_s": as_png(cohort, folder / "png"),
    }
    cohort.arrays.clear()
    ways = [(name, number) for name in readers for number in (0, workers)]
    rounds = [{way: epoch(readers[way[0]], way[1], seed) for way in ways} for seed in range(repeats)]
    speed, cpu = ({way: statistics.median(one[way][part] for one in rounds) for way in ways} for part in (0, 1))
    better = {name: max((speed[name, number], number) for number in (0, workers)) for name in readers}
    return {
        **{name: best for name, (best, _) in better.items()},
        **{f"pairs_s_{number}": speed["pairs_s", number] for number in (0, workers)},
        "cpu_ms": cpu["pairs_s", better["pairs_s"][1]],
    }


def main() -> None:
    """Print the table, then one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--radiographs", type=int, default=2000)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pseudopair-loader-") as folder:
        speed = measured(Path(folder), chosen.radiographs, chosen.size, chosen.workers, chosen.repeats)
    print(
        f"{chosen.radiographs} radiographs of {chosen.size} x {chosen.size}, image and lungs of both sides of a pair,\n"
        f"batches of {BATCH}, median of {chosen.repeats} epochs, the better of 0 and of {chosen.workers} workers.\n"
        "pairs_s_N: pairs_s with N workers. The page cache is warm:\n"
        "this run wrote the files. Peer: the same pixels as PNG files, read with Pillow, unchecked. cpu_ms: CPU\n"
        "time of a checked pair in all processes; two idle cores give at most 2000 / cpu_ms pairs a second."
    )
    for name, value in speed.items():
        print(f"{name:<20}{value:>10.2f}")
    figures = {name: round(value, 2) for name, value in speed.items()}
    print(
        json.dumps({**figures, "ratio": round(speed["pairs_s"] / speed["png_pairs_s"], 2), "workers": chosen.workers})
    )


if __name__ == "__main__":
    main()
