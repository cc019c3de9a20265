"""What can go wrong with a training, each with a clear error before it begins, or a documented way on."""

import errno
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from assets.alignments import Alignment
from assets.translation.asset_frames import Domains, FrameReader, PreparedFrames, SpilledImages
from assets.translation.sampling import Batch, batch_indices
from resources import free_space
from resources.checkpoint_store import CheckpointStore
from resources.object_store import ObjectStore
from tests.pipelines.killing import watch
from tests.pipelines.processes import in_child
from tests.pipelines.translator_bench import COHORT, checkpoints, lay_out, lay_out_pairs, rows_of, table_of, train

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template")
    lay_out(ObjectStore(str(folder)))
    return folder


@pytest.fixture
def laid_out(template: Path, tmp_path: Path) -> ObjectStore:
    return ObjectStore(str(shutil.copytree(template, tmp_path / "store")))


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Lines that a training says of its checkpoint."""
    lines: list[str] = []
    tell = CheckpointStore._tell

    def listen(self: CheckpointStore, line: str) -> None:
        lines.append(line)
        tell(self, line)

    monkeypatch.setattr(CheckpointStore, "_tell", listen)
    return lines


@pytest.fixture(scope="module")
def whole(template: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Artefact of the uninterrupted training."""
    store = ObjectStore(str(shutil.copytree(template, tmp_path_factory.mktemp("whole") / "store")))
    train(store.root)
    return artifact(store)


def artifact(store: ObjectStore) -> bytes:
    (row,) = rows_of(store)
    assert row["status"] == "ok", row["reason"]
    return store.read(row["artifact"])


def cut_off_after(monkeypatch: pytest.MonkeyPatch, store: ObjectStore, step: int) -> str:
    """Train until the checkpoint of a step is there; its path."""
    keep = CheckpointStore.save

    def cut_off(self: CheckpointStore, state: dict[str, torch.Tensor]) -> None:
        keep(self, state)
        if int(state["step"]) == step:
            raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(CheckpointStore, "save", cut_off)
        with pytest.raises(MemoryError):
            train(store.root)
    (path,) = checkpoints(store)
    return path


def test_an_interrupted_training_ends_with_the_same_bytes(
    laid_out: ObjectStore, monkeypatch: pytest.MonkeyPatch, whole: bytes
) -> None:
    path = cut_off_after(monkeypatch, laid_out, 4)
    state = load(laid_out.read(path))
    assert int(state["step"]) == 4
    train(laid_out.root)
    assert artifact(laid_out) == whole
    assert checkpoints(laid_out) == []


def poison(monkeypatch: pytest.MonkeyPatch, row: int) -> None:
    """Let an abnormal image turn to no number once all have been looked at."""
    rows, of = SpilledImages.rows, PreparedFrames.of
    abnormal: list[SpilledImages] = []

    def remembered(self: PreparedFrames, alignment: Alignment) -> Domains:
        domains = of(self, alignment)
        abnormal.append(domains.abnormal)
        return domains

    def poisoned(self: SpilledImages, indices: torch.Tensor) -> Batch:
        batch = rows(self, indices)
        if self in abnormal and len(indices) < len(self):
            batch.images[indices == row] = float("nan")
        return batch

    monkeypatch.setattr(PreparedFrames, "of", remembered)
    monkeypatch.setattr(SpilledImages, "rows", poisoned)


def test_no_number_in_a_batch_stops_the_training_with_the_ids_of_its_images(
    laid_out: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The first two steps show each of the four images once.
    shown = batch_indices(4, 2, 1, 0, "abnormal").tolist()
    poison(monkeypatch, shown[0])
    with pytest.raises(dg.Failure, match="1 of 1 arms failed") as failure:
        train(laid_out.root)
    (row,) = rows_of(laid_out)
    ids = sorted(rows_by_domain(laid_out, "abnormal"))
    found = re.search(
        r"step 1 is not finite \(.*\); its batch had the abnormal radiographs ([0-9a-f, ]+) and", row["reason"]
    )
    assert found, row["reason"]
    assert found[1].split(", ") == [ids[index] for index in shown]
    assert row["reason"] in str(failure.value.description)
    # The last good checkpoint is kept, and whoever goes on from it comes to the same end.
    (path,) = checkpoints(laid_out)
    state = load(laid_out.read(path))
    assert int(state["step"]) == 1
    assert all(bool(value.isfinite().all()) for value in state.values())
    with pytest.raises(dg.Failure):
        train(laid_out.root, retry_failed=True)
    assert rows_of(laid_out)[0]["reason"] == row["reason"]


def rows_by_domain(store: ObjectStore, domain: str) -> list[str]:
    rows = table_of(store, "radiographs").to_pylist()
    return [row["radiograph_id"] for row in rows if row["domain"] == domain and row["split"] == "train"]


def other_plan(path: str, store: ObjectStore) -> bytes:
    return save(load(store.read(path)), metadata={"method": "cut", "arm": "0" * 64})


def same_plan_other_shapes(path: str, store: ObjectStore) -> bytes:
    tensors = load(store.read(path)).items()
    state = {name: value[..., :1].contiguous() if value.ndim == 4 else value for name, value in tensors}
    data = store.read(path)
    length = int.from_bytes(data[:8], "little")
    about = re.search(rb'"__metadata__":(\{[^}]*\})', data[8 : 8 + length])
    assert about
    return save(state, metadata=dict(re.findall(r'"(\w+)":"([^"]*)"', about[1].decode())))


@pytest.mark.parametrize(
    ("damage", "line"),
    [
        (lambda path, store: b"no tensors", "it is not readable"),
        (lambda path, store: store.read(path)[:-1], "it is not readable"),
        (other_plan, r"it is of another training \(arm differ\)"),
        (same_plan_other_shapes, "of another architecture or of other settings"),
        (lambda path, store: save({"weights": torch.zeros(1)}), "of another training"),
    ],
)
def test_a_checkpoint_that_nothing_can_be_done_with_is_dropped_and_the_training_begins_anew(
    laid_out: ObjectStore,
    monkeypatch: pytest.MonkeyPatch,
    whole: bytes,
    said: list[str],
    damage: Callable[[str, ObjectStore], bytes],
    line: str,
) -> None:
    path = cut_off_after(monkeypatch, laid_out, 3)
    laid_out.write(path, damage(path, laid_out))
    said.clear()
    train(laid_out.root)
    assert len(said) == 1
    assert re.search(f"the checkpoint is dropped and its training begins anew: .*{line}", said[0])
    assert artifact(laid_out) == whole


def test_a_storage_that_fails_at_a_checkpoint_does_not_end_the_training(
    laid_out: ObjectStore, monkeypatch: pytest.MonkeyPatch, whole: bytes, said: list[str]
) -> None:
    def down(self: CheckpointStore, state: dict[str, torch.Tensor]) -> None:
        raise OSError(errno.EIO, "the storage does not answer")

    monkeypatch.setattr(CheckpointStore, "save", down)
    train(laid_out.root, checkpoint_minutes=0)
    assert len(said) == 6
    assert all("the one before is kept and the training goes on" in line for line in said)
    assert artifact(laid_out) == whole


def fill_at_checkpoints(root: str) -> None:
    """Train where the disk is full whenever a checkpoint after the first is flushed."""
    flushed = 0

    def reached(label: str, descriptor: int | None) -> None:
        nonlocal flushed
        flushed += label.startswith("flush checkpoints/")
        if descriptor is not None and label.startswith("flush checkpoints/") and flushed > 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    watch(Path(root), reached)
    train(root)
    assert flushed == 6


def test_a_disk_that_is_full_at_a_checkpoint_does_not_end_the_training(laid_out: ObjectStore, whole: bytes) -> None:
    assert in_child(fill_at_checkpoints, laid_out.root) == 0
    assert artifact(laid_out) == whole
    assert [path for path in laid_out.stamps("checkpoints") if path.rpartition("/")[2].startswith(".")] == []


@pytest.mark.parametrize("free", [0, 100_000])
def test_a_disk_without_room_is_found_before_the_training(
    laid_out: ObjectStore, monkeypatch: pytest.MonkeyPatch, free: int
) -> None:
    usage = free_space.shutil.disk_usage  # type: ignore[attr-defined]

    def full(folder: Path) -> object:
        return usage(folder)._replace(free=free)

    monkeypatch.setattr(free_space.shutil, "disk_usage", full)  # type: ignore[attr-defined]
    with pytest.raises(
        OSError, match=r"the store, for checkpoints, needs \d+ MiB, but \d MiB are left; free some"
    ) as full_disk:
        train(laid_out.root)
    assert full_disk.value.errno == errno.ENOSPC
    assert checkpoints(laid_out) == []


def test_a_temporary_folder_without_room_is_found_before_the_training(
    laid_out: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CheckpointStore, "require_room", lambda self, size: None)
    usage = free_space.shutil.disk_usage  # type: ignore[attr-defined]
    monkeypatch.setattr(
        free_space.shutil,  # type: ignore[attr-defined]
        "disk_usage",
        lambda folder: usage(folder)._replace(free=10_000),
    )
    with pytest.raises(OSError, match=r"temporary files needs 1 MiB, but 1 MiB are left; .* TMPDIR"):
        train(laid_out.root)


def test_without_a_pair_there_is_nothing_to_train_on(laid_out: ObjectStore) -> None:
    lay_out_pairs(laid_out, [])
    with pytest.raises(dg.Failure, match=f"{COHORT}: no training pair, so nothing to train on"):
        train(laid_out.root)


@pytest.mark.parametrize("arm", ["none/cyclegan", "it_pr/cut", "it_dpr/reggan_nc"])
def test_one_image_in_a_domain_and_fewer_than_a_batch_train(tmp_path: Path, arm: str) -> None:
    store = ObjectStore(str(tmp_path))
    lay_out(store, training=2)
    train(store.root, arms=[arm], batch=3, steps=2)
    (row,) = rows_of(store)
    assert (row["status"], row["trained_abnormal"], row["trained_normal"]) == ("ok", 1, 1)


def test_an_image_that_cannot_be_prepared_is_named(laid_out: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = sorted(rows_by_domain(laid_out, "normal"))[2]
    one = FrameReader._one

    def without_lungs(self: FrameReader, alignment: Any, rows: Any) -> object:  # noqa: ANN401
        if rows.radiograph["radiograph_id"] != bad:
            return one(self, alignment, rows)
        with monkeypatch.context() as patch:
            patch.setattr("assets.translation.asset_frames.frame", lambda *_: _Empty())
            return one(self, alignment, rows)

    class _Empty:
        image, lungs = np.zeros((64, 64), np.float32), np.zeros((64, 64), np.uint8)

    monkeypatch.setattr("assets.translation.asset_frames._READERS", 1)
    monkeypatch.setattr(FrameReader, "_one", without_lungs)
    with pytest.raises(dg.Failure, match=f"radiograph {bad} in none: .*is empty"):
        train(laid_out.root)


def test_arms_of_one_frame_share_what_was_prepared(laid_out: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    one = FrameReader._one

    def counted(self: FrameReader, alignment: Any, rows: Any) -> object:  # noqa: ANN401
        read.append(alignment)
        return one(self, alignment, rows)

    monkeypatch.setattr(FrameReader, "_one", counted)
    monkeypatch.setattr("assets.translation.asset.pictures", lambda *_: {})
    train(laid_out.root, arms=["none/cut", "none/pix2pix", "it_pr/fastcut"], steps=1, seeds=[0, 1])
    assert sorted(read) == ["it_pr"] * 8 + ["none"] * 8


def test_partners_count_only_where_pairs_are_learned_from(laid_out: ObjectStore) -> None:
    arms = ["none/cut", "none/pix2pix"]
    train(laid_out.root, arms=arms, steps=1)
    before = {row["arm"]: row["key"] for row in rows_of(laid_out)}
    abnormal, normal = (rows_by_domain(laid_out, domain) for domain in ("abnormal", "normal"))
    lay_out_pairs(laid_out, list(zip(abnormal, normal[::-1], strict=True)))
    train(laid_out.root, arms=arms, steps=1)
    after = {row["arm"]: row["key"] for row in rows_of(laid_out)}
    assert before["none/cut"] == after["none/cut"]
    assert before["none/pix2pix"] != after["none/pix2pix"]


def test_what_a_training_took_is_told_in_its_row_and_kept(laid_out: ObjectStore) -> None:
    train(laid_out.root, arms=["none/cut", "none/pca"], minutes=1000.0)
    cut, pca = rows_of(laid_out)
    assert cut["seconds"] > 0
    assert cut["images_per_second"] > 0
    assert (cut["steps"], cut["stopped"], pca["steps"], pca["images_per_second"]) == (6, None, 0, None)
    assert 0 < pca["seconds"] < cut["seconds"]
    assert '"precision": "float32"' in cut["environment"]
    train(laid_out.root, arms=["none/cut", "none/pca"], minutes=1000.0)
    assert rows_of(laid_out) == [cut, pca]


def test_a_training_that_its_budget_ends_says_so(laid_out: ObjectStore) -> None:
    train(laid_out.root, steps=400, minutes=0.001)
    (row,) = rows_of(laid_out)
    assert row["stopped"] == "time budget"
    assert 0 < row["steps"] < 400
