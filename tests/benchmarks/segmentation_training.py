"""Training of the benchmarked networks, two at a time and each on one thread; weights are kept for the next run."""

import ast
import multiprocessing
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

import assets.segmenter
from assets.segmenter.settings import SegmenterSettings
from assets.segmenter.training import fit
from resources.arrays import decode, decode_columns, encode
from resources.checkpoint_store import CheckpointStore
from resources.manifests import digest_of, fingerprint
from resources.object_store import ObjectStore

# What comes after the weights, or is named by its values; anything new in the folder counts as training code.
NOT_TRAINING = (
    "asset", "calibration", "damage", "inference", "mask_features", "mask_score", "settings", "shape_model", "trained",
)  # fmt: skip
SPOKEN_EVERY = 100


@dataclass(frozen=True)
class Job:
    """One network to train.

    Attributes:
        name: for people.
        images: float32 (N, H, W) in [0, 1].
        lungs: uint8 labels (N, H, W).
        settings: network, recipe, schedule and seed.
        home: folder of weights and checkpoints.
    """

    name: str
    images: npt.NDArray[np.float32]
    lungs: npt.NDArray[np.uint8]
    settings: SegmenterSettings
    home: str

    @property
    def key(self) -> str:
        """Key of what is trained: settings, data and the code that trains; docstrings and comments do not count."""
        data = [digest_of(np.ascontiguousarray(array).tobytes()) for array in (self.images, self.lungs)]
        return fingerprint([self.settings.model_dump(), data, training_code(), torch.__version__])

    @property
    def path(self) -> str:
        """Where the weights lie below the home."""
        return f"weights/{self.key}.safetensors"


@dataclass(frozen=True)
class Weights:
    """Trained weights.

    Attributes:
        state: for `inference.load_network`.
        seconds: wall time of the training.
        resumed_at: steps that an interrupted training had done before that time.
        kept: whether they were there already.
    """

    state: dict[str, Tensor]
    seconds: float
    resumed_at: int
    kept: bool


def trained(jobs: Sequence[Job]) -> dict[str, Weights]:
    """Weights of every job by its name; those that are missing are trained side by side."""
    missing = [job for job in jobs if ObjectStore(job.home).read_or_none(job.path) is None]
    if missing:
        # A fresh interpreter each: a forked one would inherit torch's threads and may hang on their locks.
        with ProcessPoolExecutor(len(missing), multiprocessing.get_context("spawn")) as pool:
            list(pool.map(train, missing))
    names = {job.name for job in missing}
    return {job.name: _load(job, kept=job.name not in names) for job in jobs}


def train(job: Job) -> None:
    """Train one network on one thread of this process and store its weights; a killed training goes on."""
    torch.set_num_threads(1)
    store = ObjectStore(job.home)
    checkpoints = CheckpointStore(store, job.key)
    resume = checkpoints.load()
    started = time.monotonic()

    def speak(step: int, losses: Mapping[str, float]) -> None:
        if step % SPOKEN_EVERY == 0 or step == job.settings.steps:
            passed = time.monotonic() - started
            text = f"{job.name}: step {step} of {job.settings.steps}, loss {losses['loss']:.3f}, {passed:.0f} s"
            print(text, file=sys.stderr, flush=True)

    fitted = fit(
        job.images,
        job.lungs,
        job.settings,
        job.settings.seed,
        device=torch.device("cpu"),
        progress=speak,
        resume=resume,
        checkpoint=checkpoints.save,
    )
    seconds = time.monotonic() - started
    state = {name: value.numpy() for name, value in fitted.state.items()}
    done_before = 0 if resume is None else len(resume["history"])
    store.write(job.path, encode(state, {"seconds": seconds, "resumed_at": done_before}))
    checkpoints.clear()


def training_code() -> str:
    """Digest of the code that trains, without docstrings and comments."""
    (folder,) = assets.segmenter.__path__
    files = [path for path in sorted(Path(folder).glob("*.py")) if path.stem not in NOT_TRAINING]
    return fingerprint([bare_code(path.read_text(encoding="utf-8")) for path in files])


def bare_code(source: str) -> str:
    """Syntax of a module's text without its docstrings and comments."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            node.body = [part for part in node.body if not _is_text(part)]
    return ast.dump(tree)


def _is_text(part: ast.stmt) -> bool:
    return isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant)


def _load(job: Job, kept: bool) -> Weights:
    data = ObjectStore(job.home).read(job.path)
    columns = decode_columns(data)
    state = {name: torch.from_numpy(value) for name, value in decode(data).items()}
    return Weights(state, columns["seconds"], columns["resumed_at"], kept)
