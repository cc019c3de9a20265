"""Runs that are killed, or find the disk full, at a chosen change of the store: open, flush, rename or remove."""

import errno
import json
import os
import random
import re
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from resources.object_store import ObjectStore
from tests.pipelines.small_run import NAMES, place, run_stages

STAGES = NAMES[:4]
CHANGES = ("open", "flush", "os.rename", "os.remove")
TEMPORARY = re.compile(r"\.([^/]+)\.[0-9a-f]{32}")
# One label of the trace each: what a kill must be survived at, whatever the seed.
NAMED = {
    "among a first stage's artefacts": r"open stages/radiographs/.*/artifacts/",
    "an artefact half written": r"flush stages/lung_masks/.*/artifacts/",
    "between an artefact's bytes and its name": r"os.rename stages/lung_masks/.*/artifacts/",
    "among artefacts": r"open stages/lung_masks/.*/artifacts/",
    "before a picture": r"open stages/lung_masks/.*/pictures/",
    "between artefacts and manifest": r"open stages/lung_masks/.*/manifests/",
    "a manifest half written": r"flush stages/lung_masks/.*/manifests/",
    "between manifest and pointer": r"open stages/lung_masks/.*/CURRENT.json",
    "between a pointer's bytes and its name": r"os.rename stages/lung_masks/.*/CURRENT.json",
    "between pointer and the record of a failure": r"os.remove stages/lung_masks/.*/FAILED.json",
    "between a model and its manifest": r"open stages/reference_lung/.*/manifests/",
    "between a model's manifest and pointer": r"open stages/reference_lung/.*/CURRENT.json",
}


def watch(root: Path, reached: Callable[[str, int | None], None]) -> None:
    """Call back right before every change of files below a folder, from now on and for good.

    The descriptor of a file that is about to be flushed comes along: its bytes may be on the disk or not.
    """
    flush = os.fsync

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event not in CHANGES or isinstance(arguments[0], int):
            return
        if event == "open" and not (str(arguments[1]).startswith("w") or int(str(arguments[2])) & os.O_CREAT):
            return
        # A temporary file is renamed to what it is about to be.
        path = os.fsdecode(str(arguments[1 if event == "os.rename" else 0]))
        if path.startswith(f"{root}/"):
            reached(f"{event} {_plain(path, root)}", None)

    def watched_flush(descriptor: int) -> None:
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        if path.startswith(f"{root}/") and not Path(path).is_dir():
            reached(f"flush {_plain(path, root)}", descriptor)
        flush(descriptor)

    vars(os)["fsync"] = watched_flush
    sys.addaudithook(hook)


def _plain(path: str, root: Path) -> str:
    return TEMPORARY.sub(r"\1", str(Path(path).relative_to(root)))


def points(trace: list[str], seed: int, count: int) -> dict[int, str]:
    """Positions in a trace to kill at, with what is between there: the named ones, and others drawn from the seed."""
    found = {}
    for name, pattern in NAMED.items():
        matching = [index for index, label in enumerate(trace) if re.match(pattern, label)]
        found[matching[len(matching) // 2]] = name
    rest = [index for index in range(len(trace)) if index not in found]
    drawn = random.Random(seed).sample(rest, count - len(found))
    return dict(sorted({**found, **{index: "drawn" for index in drawn}}.items()))


def kill_at_points(folder: Path, seed: int, count: int) -> None:
    """Run uninterrupted, then kill a run at each point and run again; stores and `points.json` are left to be judged.

    Leaves below the folder: `whole`, the uninterrupted store; `N/killed` and `N/after` of the point at position N.
    """
    trace = folder / "trace"
    forked(_traced, folder / "whole", trace)
    chosen = points(trace.read_text(encoding="utf-8").splitlines(), seed, count)
    labels = trace.read_text(encoding="utf-8").splitlines()
    # What is imported and built on first use need not be so again in every child.
    run_stages(str(folder / "warm"), names=STAGES)
    ended = {}
    for position, name in chosen.items():
        root = folder / str(position) / "after"
        status = forked(_killed, root, position)
        shutil.copytree(root, folder / str(position) / "killed")
        ended[position] = {"name": name, "label": labels[position], "signal": os.WTERMSIG(status)}
        ended[position]["next"] = forked(_run, root)
    (folder / "points.json").write_text(json.dumps(ended), encoding="utf-8")


def forked(call: Callable[..., None], *arguments: object) -> int:
    """Call a function in a fork of this process; its wait status."""
    child = os.fork()
    if child == 0:
        try:
            call(*arguments)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1]


def _begin(root: Path) -> None:
    for stage in STAGES:
        ObjectStore(str(root)).write(f"{place(stage).folder}/FAILED.json", b'{"error": "of an earlier run"}')


def _run(root: Path) -> None:
    run_stages(str(root), names=STAGES)


def _traced(root: Path, trace: Path) -> None:
    _begin(root)
    with trace.open("w", encoding="utf-8") as stream:
        watch(root, lambda label, _: print(label, file=stream))
        _run(root)


def _killed(root: Path, position: int) -> None:
    _begin(root)
    seen = 0

    def reached(label: str, descriptor: int | None) -> None:
        nonlocal seen
        if seen == position:
            if descriptor is not None:
                os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        seen += 1

    watch(root, reached)
    _run(root)


def fill_at_points(folder: Path, kinds: tuple[str, ...]) -> None:
    """Run with a disk that is full from the first write of a kind on, then run again with room.

    Leaves below the folder: `KIND/full` and `KIND/after`, and the error's text as `KIND/error`.
    """
    run_stages(str(folder / "warm"), names=STAGES)
    for kind in kinds:
        root, error = folder / kind / "after", folder / kind / "error"
        assert forked(_filled, root, f"flush stages/lung_masks/.*{kind}", error) == 0
        shutil.copytree(root, folder / kind / "full")
        assert forked(_run, root) == 0


def _filled(root: Path, pattern: str, error: Path) -> None:
    full = False

    def reached(label: str, descriptor: int | None) -> None:
        nonlocal full
        full = full or re.match(pattern, label) is not None
        if full and descriptor is not None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    watch(root, reached)
    try:
        _run(root)
    except OSError as raised:
        error.write_text(str(raised), encoding="utf-8")
