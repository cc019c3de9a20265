import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch.utils.data import DataLoader, DistributedSampler

from assets.images import from_uint16
from assets.pairing.frames import Frame
from assets.pairing.lung_swap import lung_swap, swapped
from assets.radiographs.photometric import apply_window
from assets.tables.translation import PSEUDO_PAIRS
from pipelines.outside.datasets import PseudoPairs, Radiographs
from pipelines.outside.items import Item, collate
from resources.arrays import CorruptArtifact
from resources.object_store import ObjectStore
from resources.tombstones import Tombstone, write_tombstone
from tests.outside.synthetic import Cohort, lungs_of, synthetic

REPOSITORY = Path(__file__).resolve().parents[2]
REGISTERED = "registered_radiographs"


@pytest.fixture
def cohort(store: ObjectStore) -> Cohort:
    return synthetic(store)


@pytest.fixture
def local(local_store: ObjectStore) -> Cohort:
    return synthetic(local_store)


def pairs_of(cohort: Cohort, split: str | None = "train", **options: Any) -> PseudoPairs:  # noqa: ANN401
    return PseudoPairs(cohort.store.root, cohort.name, split, storage_options=cohort.store.options, **options)


def radiographs_of(cohort: Cohort, split: str | None = "train", **options: Any) -> Radiographs:  # noqa: ANN401
    return Radiographs(cohort.store.root, cohort.name, split, storage_options=cohort.store.options, **options)


def ids(loader: DataLoader[Item]) -> list[str]:
    return [pair for batch in loader for pair in batch["pair_id"]]


def test_importing_the_data_sets_loads_no_dagster() -> None:
    # Scores are exported by the command alone, which uses the stages' own functions.
    stems = {path.stem for path in REPOSITORY.glob("pipelines/outside/*.py")} - {
        "scores",
        "export_scores",
        "detections",
    }
    modules = ", ".join(f"pipelines.outside.{stem}" for stem in sorted(stems))
    code = f"import sys, {modules}\nprint('dagster' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]


def test_an_item_is_what_the_registered_artefacts_of_its_pair_hold(cohort: Cohort) -> None:
    pairs = pairs_of(cohort, None)
    assert len(pairs) == len(cohort.pairs)
    for row, item in zip(cohort.pairs, pairs, strict=True):
        assert item["pair_id"] == row["pair_id"]
        for side in ("abnormal", "normal"):
            arrays = cohort.arrays[REGISTERED, row[f"{side}_id"]]
            assert item[side].dtype == torch.float32
            np.testing.assert_array_equal(item[side][0].numpy(), from_uint16(arrays["image"]))
            np.testing.assert_array_equal(item[f"{side}_lungs"][0].numpy(), arrays["lungs"])
            assert (item[f"{side}_label"], item[f"{side}_id"]) == (row[f"{side}_label"], row[f"{side}_id"])


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_split_has_its_own_rows_alone(local: Cohort, split: str) -> None:
    expected = [row["pair_id"] for row in local.pairs if row["split"] == split]
    assert [item["pair_id"] for item in pairs_of(local, split)] == expected
    own = {row["radiograph_id"] for row in local.rows[REGISTERED] if row["split"] == split}
    assert {item["radiograph_id"] for item in radiographs_of(local, split)} == own
    assert 0 < len(own) < 8


@pytest.mark.parametrize("make", [pairs_of, radiographs_of])
def test_a_split_without_rows_is_refused_with_those_there_are(local: Cohort, make: Any) -> None:  # noqa: ANN401
    with pytest.raises(ValueError, match="made_up has no row in split 'validation'; splits with rows: test, train"):
        make(local, "validation")


def test_an_unknown_frame_is_refused_with_those_there_are(local: Cohort) -> None:
    with pytest.raises(ValueError, match="alignment 'box': expected one of none, it_pr, it_dpr"):
        radiographs_of(local, alignment="box")


@pytest.mark.parametrize("kind", [PseudoPairs, Radiographs])
def test_a_cohort_that_was_not_run_is_refused(local_store: ObjectStore, kind: type[PseudoPairs | Radiographs]) -> None:
    with pytest.raises(FileNotFoundError, match="@other has no manifest yet; materialise"):
        kind(local_store.root, "other")


def test_lesions_are_given_on_demand_and_empty_where_there_is_no_mask(local: Cohort) -> None:
    assert not [name for name in pairs_of(local)[0] if "lesion" in name]
    for row, item in zip(local.pairs, pairs_of(local, None, lesions=True), strict=True):
        lesion = local.arrays[REGISTERED, row["abnormal_id"]]["lesion"]
        np.testing.assert_array_equal(item["abnormal_lesion"][0].numpy(), lesion)
        assert item["abnormal_lesion"].sum() == 2
        assert item["abnormal_has_lesion"]
        assert not item["normal_has_lesion"]
        assert item["normal_lesion"].shape == item["abnormal_lesion"].shape
        assert item["normal_lesion"].sum() == 0


def test_boxes_are_given_on_demand_and_stay_lists_in_a_batch(local: Cohort) -> None:
    pairs = pairs_of(local, boxes=True)
    batch = next(iter(DataLoader(pairs, batch_size=3, collate_fn=collate)))
    box = local.pairs[0]["abnormal_boxes"][0]
    assert batch["abnormal_boxes"][0].tolist() == [[box[name] for name in ("x", "y", "width", "height")]]
    assert [tuple(boxes.shape) for boxes in batch["normal_boxes"]] == [(0, 4)] * 3
    assert batch["abnormal"].shape == (3, 1, 16, 16)
    assert not [name for name in pairs_of(local)[0] if "boxes" in name]


@pytest.mark.parametrize(("alignment", "stage"), [("it_dpr", REGISTERED), ("it_pr", "prealigned_radiographs")])
def test_registered_radiographs_are_those_of_their_stage(cohort: Cohort, alignment: str, stage: str) -> None:
    data = radiographs_of(cohort, None, alignment=alignment, lesions=True)
    assert len(data) == 8
    for item in data:
        arrays = cohort.arrays[stage, item["radiograph_id"]]
        np.testing.assert_array_equal(item["image"][0].numpy(), from_uint16(arrays["image"]))
        np.testing.assert_array_equal(item["lungs"][0].numpy(), arrays["lungs"])
        row = cohort.row(stage, item["radiograph_id"])
        assert (item["label"], item["domain"]) == (row["label"], row["domain"])
        assert item["abnormal"] == item["has_lesion"] == ("lesion" in arrays) == (row["domain"] == "abnormal")


def test_unregistered_radiographs_are_seen_through_the_window_of_their_lungs(local: Cohort) -> None:
    local.row("lung_masks", local.rows["lung_masks"][3]["radiograph_id"])["status"] = "needs_review"
    local.publish()
    data = radiographs_of(local, None, alignment="none", lesions=True)
    assert len(data) == 7
    for item in data:
        arrays = local.arrays["radiographs", item["radiograph_id"]]
        expected = apply_window(from_uint16(arrays["image"]), 0.1, 0.9)
        np.testing.assert_array_equal(item["image"][0].numpy(), expected)
        lungs = local.arrays["lung_masks", item["radiograph_id"]]["lungs"]
        np.testing.assert_array_equal(item["lungs"][0].numpy(), lungs)
        assert item["has_lesion"] == ("lesion" in arrays)


def test_rows_that_were_set_aside_are_not_given(local: Cohort) -> None:
    aside = local.rows[REGISTERED][0]
    aside["status"] = "rejected"
    local.pairs[0]["status"] = "rejected"
    local.publish()
    assert aside["radiograph_id"] not in {item["radiograph_id"] for item in radiographs_of(local, None)}
    assert local.pairs[0]["pair_id"] not in {item["pair_id"] for item in pairs_of(local, None)}
    assert len(radiographs_of(local, None)) == 7


def test_patients_who_withdrew_are_not_given_even_while_they_are_still_being_removed(local: Cohort) -> None:
    gone = local.rows[REGISTERED][1]
    also = local.rows[REGISTERED][3]["radiograph_id"]
    tombstone = Tombstone(patient=gone["patient"], radiographs=(also,), withdrawn_at="2026-01-01T00:00:00Z")
    write_tombstone(local.store, tombstone)
    for alignment in ("none", "it_pr", "it_dpr"):
        shown = {item["radiograph_id"] for item in radiographs_of(local, None, alignment=alignment)}
        assert len(shown) == 6
        assert not {gone["radiograph_id"], also} & shown
    named = {item["abnormal_id"] for item in pairs_of(local, None)}
    assert named == {row["abnormal_id"] for row in local.pairs} - {gone["radiograph_id"], also}


def test_who_withdrew_from_another_cohort_only_is_given(local: Cohort) -> None:
    patients = [local.rows[REGISTERED][number]["patient"] for number in (1, 3)]
    for patient, cohort in zip(patients, ("elsewhere", local.name), strict=True):
        write_tombstone(local.store, Tombstone(patient=patient, withdrawn_at="2026-01-01T00:00:00Z", only_in=(cohort,)))
    shown = {item["radiograph_id"] for item in radiographs_of(local, None)}
    assert {row["radiograph_id"] for row in local.rows[REGISTERED] if row["patient"] != patients[1]} == shown


def test_shards_of_two_frames_are_not_mixed(local: Cohort, local_store: ObjectStore) -> None:
    place = "stages/registered_radiographs/made_up/1/CURRENT.json"
    text = local_store.read(place).replace(b'"registration_model@made_up": "0"', b'"registration_model@made_up": "1"')
    local_store.write(place, text)
    with pytest.raises(ValueError, match=r"different registration_models.*run `pseudopair run made_up`"):
        radiographs_of(local)
    assert len(radiographs_of(local, alignment="it_pr"))


def test_a_manifest_of_another_version_is_refused(local: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    older = pa.schema([field for field in PSEUDO_PAIRS if field.name != "normal_artifact"])
    monkeypatch.setattr("tests.outside.synthetic.PSEUDO_PAIRS", older)
    local.publish()
    with pytest.raises(ValueError, match=r"another version: it has no normal_artifact; run `pseudopair run made_up`"):
        pairs_of(local)


@pytest.mark.parametrize("check", [True, False])
def test_a_damaged_artefact_stops_its_item_alone(local: Cohort, local_store: ObjectStore, check: bool) -> None:
    pairs = pairs_of(local, None, check=check)
    gone = local.pairs[0]["abnormal_artifact"]
    local_store.delete(gone)
    with pytest.raises(CorruptArtifact, match=gone):
        pairs[0]
    assert pairs[len(pairs) - 1]["pair_id"] == local.pairs[-1]["pair_id"]


def test_an_item_can_be_changed_without_changing_the_next_one(local: Cohort) -> None:
    pairs = pairs_of(local, lesions=True)
    first = pairs[0]
    kept = {name: value.clone() for name, value in first.items() if isinstance(value, torch.Tensor)}
    for name in kept:
        first[name].zero_()
    for name, value in kept.items():
        torch.testing.assert_close(pairs[0][name], value)


@pytest.mark.parametrize("data", [pairs_of, radiographs_of])
def test_positions_are_those_of_a_list(local: Cohort, data: Any) -> None:  # noqa: ANN401
    rows = data(local)
    name = "pair_id" if data is pairs_of else "radiograph_id"
    assert rows[-1][name] == rows[len(rows) - 1][name]
    assert rows[np.int64(1)][name] == rows[1][name]
    for index in (len(rows), -len(rows) - 1):
        with pytest.raises(IndexError, match=f"of {len(rows)}"):
            rows[index]


@pytest.mark.parametrize(("where", "start"), [("local", "fork"), ("local", "spawn"), ("s3", "fork")])
def test_worker_processes_read_the_same(request: pytest.FixtureRequest, where: str, start: str) -> None:
    cohort = synthetic(request.getfixturevalue(f"{where}_store"))
    pairs = pairs_of(cohort, None)
    # The parent has used the store already, and S3's connections don't survive a fork.
    assert pairs[0]["pair_id"] == cohort.pairs[0]["pair_id"]
    loader = DataLoader(pairs, batch_size=2, num_workers=2, multiprocessing_context=start)
    alone = list(DataLoader(pairs, batch_size=2))
    for batch, expected in zip(loader, alone, strict=True):
        assert batch["pair_id"] == expected["pair_id"]
        assert torch.equal(batch["abnormal"], expected["abnormal"])
        assert torch.equal(batch["normal_lungs"], expected["normal_lungs"])


def test_the_order_is_that_of_the_generator(local: Cohort) -> None:
    pairs = pairs_of(local, None)

    def shuffled(seed: int, workers: int) -> list[str]:
        order = torch.Generator().manual_seed(seed)
        return ids(DataLoader(pairs, batch_size=2, shuffle=True, generator=order, num_workers=workers))

    assert shuffled(1, 0) == shuffled(1, 2)
    assert sorted(shuffled(1, 0)) == sorted(row["pair_id"] for row in local.pairs)
    assert len({tuple(shuffled(seed, 0)) for seed in range(4)}) > 1


def test_ranks_share_the_pairs_among_them(local: Cohort) -> None:
    pairs = pairs_of(local, None)
    parts = [
        ids(DataLoader(pairs, sampler=DistributedSampler(pairs, num_replicas=2, rank=rank, shuffle=True, seed=3)))
        for rank in (0, 1)
    ]
    # Of an odd number one pair is dealt twice.
    assert {*parts[0], *parts[1]} == {row["pair_id"] for row in local.pairs}
    assert len(parts[0]) == len(parts[1]) == 4


def test_a_store_can_be_a_path(local: Cohort) -> None:
    path = Path(local.store.root)
    assert len(PseudoPairs(path, local.name)) == len(pairs_of(local))
    assert len(Radiographs(path, local.name)) == len(radiographs_of(local))


def test_a_pickled_data_set_gives_the_same_items(cohort: Cohort) -> None:
    pairs = pairs_of(cohort)
    copied = pickle.loads(pickle.dumps(pairs))
    assert torch.equal(copied[1]["normal"], pairs[1]["normal"])
    assert len(copied) == len(pairs)


@pytest.fixture
def large(local_store: ObjectStore) -> Cohort:
    """Lungs large enough to be exchanged."""
    return synthetic(local_store, size=64, stages=(REGISTERED,))


def test_lungs_are_exchanged_on_both_sides_or_on_neither(large: Cohort) -> None:
    plain = pairs_of(large, boxes=True, lesions=True)
    swapping = pairs_of(large, boxes=True, lesions=True, lung_swap=True)
    swap = lung_swap(lungs_of(64))
    arrays = large.arrays[REGISTERED, large.pairs[0]["abnormal_id"]]
    frame = swapped(Frame(from_uint16(arrays["image"]), arrays["lungs"], arrays["lesion"] > 0), swap)
    seen = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for _ in range(20):
            item, other = swapping[0], plain[0]
            changed = not torch.equal(item["abnormal"], other["abnormal"])
            seen.append(changed)
            expected = frame.image if changed else other["abnormal"][0].numpy()
            np.testing.assert_array_equal(item["abnormal"][0].numpy(), expected)
            assert torch.equal(item["normal"], other["normal"]) != changed
            if changed:
                np.testing.assert_array_equal(item["abnormal_lungs"][0].numpy(), frame.lungs)
                np.testing.assert_array_equal(item["abnormal_lesion"][0].numpy() > 0, frame.lesion)
                assert not item["normal_has_lesion"]
                mirrored = 63 - (other["abnormal_boxes"][0, 0] + other["abnormal_boxes"][0, 2] / 2 - 0.5)
                center = item["abnormal_boxes"][0, 0] + item["abnormal_boxes"][0, 2] / 2 - 0.5
                assert abs(center - mirrored) < 6
                assert item["normal_boxes"].shape == (0, 4)
            else:
                assert torch.equal(item["abnormal_boxes"], other["abnormal_boxes"])
    assert 4 < sum(seen) < 16


@pytest.mark.parametrize("workers", [0, 2])
def test_the_same_seeds_exchange_the_same_lungs(large: Cohort, workers: int) -> None:
    def images(seed: int) -> torch.Tensor:
        order = torch.Generator().manual_seed(seed)
        loader = DataLoader(pairs_of(large, lung_swap=True), generator=order, num_workers=workers, batch_size=2)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return torch.cat([batch["abnormal"] for batch in loader])

    first = images(1)
    assert torch.equal(first, images(1))
    assert any(not torch.equal(first, images(seed)) for seed in (2, 3, 4))


@pytest.mark.parametrize("split", ["test", None])
def test_lungs_are_exchanged_for_training_alone(large: Cohort, split: str | None) -> None:
    with pytest.raises(ValueError, match="lung_swap is for training alone"):
        pairs_of(large, split, lung_swap=True)


def test_lungs_are_not_exchanged_by_a_reference_that_is_newer_than_the_pairs(large: Cohort) -> None:
    assert len(pairs_of(large, lung_swap=True))
    large.pairs[0]["reference"] = "the one before"
    large.publish()
    with pytest.raises(
        ValueError, match="made_up: pairs are older than the registration; run `pseudopair run made_up`"
    ):
        pairs_of(large, lung_swap=True)
    assert len(pairs_of(large))
