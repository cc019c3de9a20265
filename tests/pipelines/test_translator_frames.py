from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch

from assets.pairing.chosen_frames import join_chosen
from assets.translation.asset_frames import FrameReader, PreparedFrames
from assets.translation.domain import support
from resources.manifests import read_artifact
from resources.object_store import ObjectStore
from tests.pipelines.translator_bench import SHARDED, lay_out, table_of


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ObjectStore:
    store = ObjectStore(str(tmp_path_factory.mktemp("store")))
    lay_out(store)
    return store


@pytest.fixture
def frames(store: ObjectStore) -> PreparedFrames:
    tables = [table_of(store, stage) for stage in SHARDED]
    rows = join_chosen(tables, tables[0]["radiograph_id"].to_pylist())
    abnormal, normal = (
        [row for row in rows.values() if row.radiograph["domain"] == domain] for domain in ("abnormal", "normal")
    )
    (reference,) = table_of(store, "reference_lung").to_pylist()
    return PreparedFrames(FrameReader(store, read_artifact(store, reference)["lungs"], 32), abnormal, normal)


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Frame of each radiograph that was prepared."""
    found: list[str] = []
    one = FrameReader._one

    def counted(self: FrameReader, alignment: Any, rows: Any) -> object:  # noqa: ANN401
        found.append(alignment)
        return one(self, alignment, rows)

    monkeypatch.setattr(FrameReader, "_one", counted)
    return found


def test_training_sees_what_was_prepared(frames: PreparedFrames, monkeypatch: pytest.MonkeyPatch) -> None:
    # In several chunks.
    monkeypatch.setattr("assets.translation.asset_frames._CHUNK", 4)
    domains = frames.of("lung_box")
    for kept, rows in ((domains.abnormal, frames.abnormal), (domains.normal, frames.normal)):
        images, masks = frames.reader.tensors("lung_box", rows)
        assert len(kept) == len(rows) == 6
        order = torch.tensor([5, 0, 3])
        batch = kept.rows(order)
        assert (batch.images.double() - images[order].double()).abs().max() <= 1.6e-5
        assert torch.equal(batch.inside, support(masks)[order])


def test_no_radiograph_makes_no_tensor(frames: PreparedFrames) -> None:
    images, masks = frames.reader.tensors("none", [])
    assert images.shape == masks.shape == (0, 1, 32, 32)


def test_frames_are_prepared_once_while_anyone_needs_them(frames: PreparedFrames, prepared: list[str]) -> None:
    with ThreadPoolExecutor(2) as side_by_side:
        first, second = side_by_side.map(frames.of, ["none", "none"])
    assert first is second
    assert prepared == ["none"] * 12
    # Another frame comes in between: what a training still reads is kept.
    frames.of("it_pr")
    assert frames.of("none") is first
    assert prepared == ["none"] * 12 + ["it_pr"] * 12


def test_what_nobody_needs_is_given_back(frames: PreparedFrames, prepared: list[str]) -> None:
    frames.of("none")
    # The newest is kept for the next arm, the one before is not.
    frames.of("none")
    assert len(prepared) == 12
    frames.of("it_pr")
    frames.of("none")
    assert prepared == ["none"] * 12 + ["it_pr"] * 12 + ["none"] * 12
