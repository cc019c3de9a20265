"""Images a second of our CycleGAN and CUT step and the published code's: ``python -m tests.benchmarks.translators``.

Both sides take turns in one process with the same number of threads. Peaks are measured in processes of their own.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import get_args

import torch

from assets.translation.generators import Resampling
from resources.memory import with_peak
from tests.benchmarks.translators_cases import METHODS, PUBLISHED, Method, Side, Sizes, images, ours, plain, plan_of

PAPER = Sizes(size=256, width=64, blocks=9)
COLUMNS = f"{'method':<10}{'batch':>6}  {'side':<26}{'s/step':>8}{'images/s':>10}{'ratio':>7}{'peak MiB':>10}"


def interleaved(
    sides: dict[str, Side], batch: int, size: int, steps: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, float]:
    """Median seconds of a step of each side, which take turns; every side warms up with two steps of its own."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(-2, steps):
        a, b = images(batch, size, seed=number + 2)
        for name, side in sides.items():
            start = clock()
            side.step(a, b, number + 2)
            if number >= 0:
                seconds[name].append(clock() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def sides(method: Method, sizes: Sizes, batch: int, *, autocast: bool) -> dict[str, Side]:
    """The peer, ours with the same architecture, and ours with the other ways of changing the scale."""
    found = {"plain": plain(method, sizes)}
    for way in sorted(get_args(Resampling), key=lambda way: way != PUBLISHED[method]):
        found[f"ours, {way}"] = ours(method, plan_of(method, sizes, way, batch), autocast=autocast)
    return found


def peak(method: Method, side: str, batch: int, sizes: Sizes, *, autocast: bool) -> float | None:
    """MiB by which two steps raise what this process holds; networks and images are there before."""
    chosen = sides(method, sizes, batch, autocast=autocast)[side]
    a, b = images(batch, sizes.size, seed=0)
    return with_peak(lambda: [chosen.step(a, b, seed) for seed in range(2)])[1]


def peak_in_a_fresh_process(method: Method, side: str, batch: int, *, threads: int, paper: bool) -> float | None:
    """`peak` where nothing was freed before that could be used again unseen."""
    command = [sys.executable, "-m", "tests.benchmarks.translators", "--peak", method, side, str(batch)]
    command += ["--threads", str(threads), *(["--paper"] if paper else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: float | None = json.loads(done.stdout.splitlines()[-1])
    return found


def measured(
    method: Method, batch: int, steps: int, sizes: Sizes, *, autocast: bool, threads: int, cpu_time: bool
) -> dict[str, float | None]:
    """Print a line for each side; the figures of the last line."""
    found = sides(method, sizes, batch, autocast=autocast)
    seconds = interleaved(found, batch, sizes.size, steps, time.process_time if cpu_time else time.perf_counter)
    del found
    peaks = {}
    for side, spent in seconds.items():
        peaks[side] = peak_in_a_fresh_process(method, side, batch, threads=threads, paper=False)
        ratio = seconds["plain"] / spent
        mib = "-" if peaks[side] is None else f"{peaks[side]:.0f}"
        print(
            f"{method:<10}{batch:>6}  {side:<26}{spent:>8.3f}{batch / spent:>10.2f}{ratio:>7.2f}{mib:>10}", flush=True
        )
    same = f"ours, {PUBLISHED[method]}"
    return {
        "images_s": batch / seconds[same],
        "plain_images_s": batch / seconds["plain"],
        "ratio": seconds["plain"] / seconds[same],
        "peak_mib": peaks[same],
    }


def main() -> None:
    """Print the table, then one JSON line."""
    chosen = _arguments()
    torch.set_num_threads(chosen.threads)
    amx = bool(torch.cpu._is_amx_tile_supported())
    if chosen.peak:
        method, side, batch = chosen.peak
        print(json.dumps(peak(method, side, int(batch), PAPER if chosen.paper else Sizes(), autocast=amx)))
        return
    if chosen.paper:
        for method in METHODS:
            mib = peak_in_a_fresh_process(method, f"ours, {PUBLISHED[method]}", 1, threads=chosen.threads, paper=True)
            print(f"{method}, 256 x 256, 64 channels, 9 blocks, batch 1: peak of a step {mib} MiB")
        return
    sizes = Sizes(size=chosen.size)
    same = " and ".join(f"{PUBLISHED[method]} ({method})" for method in METHODS)
    print(
        f"{sizes.size} x {sizes.size}, one channel; generator {sizes.width} channels, {sizes.blocks} blocks; PatchGAN "
        f"{sizes.judge_width} channels, {sizes.judge_layers} layers; {chosen.threads} threads, load "
        f"{os.getloadavg()[0]:.1f}; ours in {'bfloat16' if amx else 'float32'}, plain in float32.\n"
        f"Median of {chosen.steps} steps, all sides of a method in turn{', CPU time' if chosen.cpu_time else ''}. "
        "images/s: images of one domain; a step sees as many of the other.\n"
        f"ratio: against plain, which has the architecture of ours, {same}. peak: of a step, without weights."
    )
    print(COLUMNS)
    figures = {}
    for batch in sorted({1, *chosen.batches}, reverse=True):
        for method in METHODS:
            figures[method] = measured(
                method, batch, chosen.steps, sizes, autocast=amx, threads=chosen.threads, cpu_time=chosen.cpu_time
            )
    rounded = {m: {k: None if v is None else round(v, 3) for k, v in row.items()} for m, row in figures.items()}
    print(json.dumps({**rounded, "amx": amx, "threads": chosen.threads}))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--size", type=int, default=Sizes.size)
    parser.add_argument("--batches", type=int, nargs="*", default=[1, 4], help="batch 1 is always among them, and last")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument(
        "--cpu-time",
        action="store_true",
        help="CPU seconds instead of seconds: for a busy machine, with --threads 1, as waiting threads count as well",
    )
    parser.add_argument("--paper", action="store_true", help="only the peak of a step of the paper preset's size")
    parser.add_argument("--peak", nargs=3, metavar=("METHOD", "SIDE", "BATCH"), help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
