import csv
import errno
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from assets.radiographs import asset, asset_copies, asset_todo, source_files
from assets.radiographs.asset import radiographs
from assets.radiographs.declaration import parse_declaration
from assets.radiographs.identity import assignment, pseudonym
from assets.radiographs.sources import source_digests
from assets.radiographs.split import assign_split, shard_of
from resources import failures, stage_run
from resources.catalogue import Entry
from resources.failures import STORAGE_RETRIES
from resources.manifests import Place, read_manifest, read_pointer, table_from
from resources.object_store import ObjectStore
from resources.stage_run import Store
from resources.tombstones import Tombstone, write_tombstone
from tests.conftest import KEY

SHARDED, OTHER = "three_shards", "quex"
COLUMNS = ("image", "label", "patient")


def png(seed: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (40, 40)).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def dicom(seed: int, patient: str, sex: str = "", age: str = "") -> bytes:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = UID("1.2.840.10008.5.1.4.1.1.1")
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = UID("1.2.3.4")
    dataset.PatientID, dataset.PatientSex, dataset.PatientAge = patient, sex, age
    dataset.PhotometricInterpretation, dataset.SamplesPerPixel = "MONOCHROME2", 1
    dataset.Rows = dataset.Columns = 40
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    pixels = np.random.default_rng(seed).integers(0, 4095, (40, 40)).astype(np.uint16)
    dataset.PixelData = pixels.tobytes()
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def patient_of(shard: int, nth: int = 0) -> str:
    """A patient whose rows are in a shard of three."""
    fitting = (name for name in (f"p{n}" for n in range(1000)) if shard_of(assignment(name), 3) == shard)
    return [next(fitting) for _ in range(nth + 1)][nth]


def split_of(patient: str) -> str:
    return assign_split(assignment(patient), 0.25, 0.15, 0)


@dataclass
class Bench:
    """A store and two cohorts of files under the names of declared ones, each in a folder of its own."""

    folder: Path
    changed: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def store(self) -> ObjectStore:
        return ObjectStore(str(self.folder / "store"))

    def root(self, cohort: str) -> Path:
        return self.folder / cohort

    def declaration(self, cohort: str) -> dict[str, Any]:
        said = {"name": cohort, "root": str(self.root(cohort)), "table": "t.csv", "columns": {"patient": "patient"}}
        labels = {"normal_labels": ["normal"], "abnormal_labels": ["opacity"]}
        shards = {"shards": 3} if cohort == SHARDED else {}
        settings = {"settings": {"radiographs": {"size": 32}}}
        return {**said, **labels, **shards, **settings, **self.changed.get(cohort, {})}

    def write(self, cohort: str, *rows: tuple[str, str], **files: bytes) -> None:
        """Write a cohort's table of (image, patient), and files."""
        self.root(cohort).mkdir(exist_ok=True)
        for name, data in files.items():
            (self.root(cohort) / name).write_bytes(data)
        with (self.root(cohort) / "t.csv").open("w", newline="") as stream:
            csv.writer(stream).writerows([COLUMNS, *((image, "normal", patient) for image, patient in rows)])

    def run(self, partition: str, **tags: str) -> list[dict[str, Any]]:
        """Materialise a shard; its rows."""
        self.result = dg.materialize(
            [radiographs], partition_key=partition, resources={"store": Store(root=self.store.root)}, tags=tags
        )
        table = read_manifest(self.store, Place("radiographs", partition))
        assert table is not None
        rows: list[dict[str, Any]] = table.to_pylist()
        return rows

    def told(self, name: str) -> Any:  # noqa: ANN401 (metadata)
        """Metadata of the last run."""
        (made,) = self.result.asset_materializations_for_node("radiographs")
        return made.metadata[name].value

    def pointer(self, partition: str) -> dict[str, Any]:
        pointer = read_pointer(self.store, Place("radiographs", partition))
        assert pointer is not None
        return pointer


@pytest.fixture
def bench(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    bench = Bench(tmp_path)
    monkeypatch.setattr(stage_run, "entry_named", lambda name: Entry(tmp_path, name, bench.declaration(name)))
    # Files of a test are as young as its runs.
    monkeypatch.setattr(source_files, "CLOCK_TICK_NS", 0)
    return bench


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the source files that are read, tables left out."""
    names: list[str] = []
    whole = ObjectStore.read

    def counted(self: ObjectStore, path: str) -> bytes:
        if "/" not in path and not path.endswith(".csv"):
            names.append(path)
        return whole(self, path)

    monkeypatch.setattr(ObjectStore, "read", counted)
    return names


def status(rows: list[dict[str, Any]]) -> dict[int, str]:
    return {row["row"]: row["status"] for row in rows}


def test_only_changed_files_are_read_again(bench: Bench, reads: list[str]) -> None:
    rows = [("a.png", "p1"), ("b.png", "p2")]
    bench.write(OTHER, *rows, **{"a.png": png(1), "b.png": png(2)})
    first = bench.run("quex/0")
    assert sorted(reads) == ["a.png", "a.png", "b.png", "b.png"]
    reads.clear()
    assert bench.run("quex/0") == first
    assert reads == []
    bench.write(OTHER, *rows, **{"b.png": png(3)})
    second = bench.run("quex/0")
    assert reads == ["b.png", "b.png"]
    assert second[0] == first[0]
    assert second[1]["key"] != first[1]["key"]
    assert bench.pointer("quex/0")["computed"] == 1


@pytest.mark.parametrize("spoil", [lambda path: path.unlink(), lambda path: path.write_bytes(b"no index")])
def test_a_lost_or_garbled_index_only_costs_reading(
    bench: Bench, reads: list[str], spoil: Callable[[Path], None]
) -> None:
    bench.write(OTHER, ("a.png", "p1"), **{"a.png": png(1)})
    first = bench.run("quex/0")
    (index,) = bench.store.find("stages/radiographs/quex/0/sources")
    spoil(Path(bench.store.root) / index)
    reads.clear()
    assert bench.run("quex/0") == first
    assert reads == ["a.png"]
    assert bench.store.find("stages/radiographs/quex/0/sources") == {index}


def test_a_file_as_young_as_the_run_is_read_again(
    bench: Bench, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_files, "CLOCK_TICK_NS", 3600 * 10**9)
    bench.write(OTHER, ("a.png", "p1"), **{"a.png": png(1)})
    bench.run("quex/0")
    assert bench.store.find("stages/radiographs/quex/0/sources") == set()
    reads.clear()
    bench.run("quex/0")
    assert reads == ["a.png"]


def test_a_file_that_changes_between_digest_and_decoding_fails_and_is_read_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.write(OTHER, ("a.png", "p1"), **{"a.png": png(1)})
    whole, seen = ObjectStore.read, []

    def changing(self: ObjectStore, path: str) -> bytes:
        if path == "a.png":
            seen.append(path)
            return png(len(seen))
        return whole(self, path)

    monkeypatch.setattr(ObjectStore, "read", changing)
    (row,) = bench.run("quex/0")
    assert (row["status"], row["radiograph_id"]) == ("failed", None)
    assert "changed while it was being read" in row["reason"]
    monkeypatch.setattr(ObjectStore, "read", whole)
    (row,) = bench.run("quex/0", **{stage_run.RETRY_TAG: "true"})
    assert row["status"] == "ok"


def test_a_header_file_whose_row_failed_stays_in_no_index(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was handed on to the run's own shard before its rows were decoded goes, too."""
    bench.changed[SHARDED] = {"patient_from": "header", "columns": {}}
    bench.write(SHARDED, ("a.dcm", ""), **{"a.dcm": dicom(1, patient_of(1))})
    whole, seen = ObjectStore.read, []

    def changing(self: ObjectStore, path: str) -> bytes:
        if path == "a.dcm":
            seen.append(path)
            return dicom(len(seen), patient_of(1))
        return whole(self, path)

    monkeypatch.setattr(ObjectStore, "read", changing)
    assert status(bench.run(f"{SHARDED}/1")) == {1: "failed"}
    assert bench.store.find(f"stages/radiographs/{SHARDED}/1/sources") == set()
    monkeypatch.setattr(ObjectStore, "read", whole)
    assert status(bench.run(f"{SHARDED}/1", **{stage_run.RETRY_TAG: "true"})) == {1: "ok"}


def failing(monkeypatch: pytest.MonkeyPatch, name: str, error: OSError, after: int = 0, times: int = 1) -> list[str]:
    """Let a source file's readings fail, the first ones left out; what was tried."""
    monkeypatch.setattr(failures, "STORAGE_WAIT_SECONDS", 0)
    whole, tried = ObjectStore.read, []

    def read(self: ObjectStore, path: str) -> bytes:
        if path == name:
            tried.append(path)
            if after < len(tried) <= after + times:
                raise error
        return whole(self, path)

    monkeypatch.setattr(ObjectStore, "read", read)
    return tried


# A file is read for its digest, then to be decoded.
@pytest.mark.parametrize("after", [0, 1], ids=["digest", "decoding"])
@pytest.mark.parametrize("by", ["table", "header"])
def test_a_storage_that_does_not_answer_sets_no_row_aside(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, after: int, by: str
) -> None:
    if by == "header":
        bench.changed[OTHER] = {"patient_from": "header", "columns": {}}
    bench.write(OTHER, ("a.dcm", "p1"), **{"a.dcm": dicom(1, "p1")})
    tried = failing(monkeypatch, "a.dcm", TimeoutError(errno.ETIMEDOUT, "timed out", "/data/doe_jane.dcm"), after)
    assert status(bench.run("quex/0")) == {1: "ok"}
    assert len(tried) > 2


def test_a_storage_that_stays_silent_fails_the_run_and_names_no_file(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.write(OTHER, ("a.png", "p1"), **{"a.png": png(1)})
    tried = failing(monkeypatch, "a.png", OSError(errno.EIO, "no answer", "/data/doe_jane.png"), times=99)
    with pytest.raises(dg.DagsterError, match="max_retries"):
        bench.run("quex/0")
    assert len(tried) == 1 + STORAGE_RETRIES
    failed = bench.store.read("stages/radiographs/quex/0/FAILED.json").decode()
    assert "see that it answers" in failed
    assert "doe_jane" not in failed


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(errno.ENOENT, "x"),
        PermissionError(errno.EACCES, "x"),
        IsADirectoryError(errno.EISDIR, "x"),
        OSError("image file is truncated"),
    ],
)
@pytest.mark.parametrize("after", [0, 1], ids=["digest", "decoding"])
def test_a_missing_or_forbidden_file_is_its_rows_fault(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, error: OSError, after: int
) -> None:
    bench.write(OTHER, ("a.png", "p1"), ("b.png", "p2"), **{"a.png": png(1), "b.png": png(2)})
    failing(monkeypatch, "a.png", error, after, times=99)
    rows = bench.run("quex/0")
    assert status(rows) == {1: "failed" if after else "rejected", 2: "ok"}
    assert type(error).__name__ in rows[0]["reason"]


def test_a_decoders_own_error_is_its_rows_fault(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def spoilt(*arguments: object) -> None:
        raise OSError(errno.EIO, "decoder")

    monkeypatch.setattr(asset_todo, "ingest", spoilt)
    bench.write(OTHER, ("a.png", "p1"), **{"a.png": png(1)})
    assert status(bench.run("quex/0")) == {1: "failed"}


@pytest.mark.parametrize("times", [1, 99])
def test_a_table_is_asked_for_again_before_the_declaration_is_blamed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    bench.write(OTHER, ("a.png", "p1"), **{"a.png": png(1)})
    tried = failing(monkeypatch, "t.csv", ConnectionRefusedError(errno.ECONNREFUSED, "x"), times=times)
    if times == 1:
        assert status(bench.run("quex/0")) == {1: "ok"}
        return
    with pytest.raises(dg.Failure, match=r"its root or table cannot be read \(ConnectionRefusedError\); check `root`"):
        bench.run("quex/0")
    assert len(tried) == 1 + STORAGE_RETRIES


def test_a_missing_table_is_asked_for_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.write(OTHER, ("a.png", "p1"), **{"a.png": png(1)})
    tried = failing(monkeypatch, "t.csv", FileNotFoundError(errno.ENOENT, "x"))
    with pytest.raises(dg.Failure, match="check `root`"):
        bench.run("quex/0")
    assert len(tried) == 1


def test_the_recorded_source_is_the_shards_own(bench: Bench) -> None:
    rows = [(f"{shard}.png", patient_of(shard)) for shard in range(3)]
    bench.write(SHARDED, *rows, **{f"{shard}.png": png(shard) for shard in range(3)})
    source = ObjectStore(str(bench.root(SHARDED)))
    declaration = parse_declaration(bench.declaration(SHARDED))

    def now() -> list[str]:
        return source_digests(declaration, source.read, lambda: source.stats(""), source.open)

    for shard in range(3):
        bench.run(f"{SHARDED}/{shard}")
    assert [bench.pointer(f"{SHARDED}/{shard}")["source"] for shard in range(3)] == now()
    before = now()
    bench.write(SHARDED, *rows, **{"1.png": png(9)})
    # The stamp of the table is none of a row's.
    assert [one == other for one, other in zip(before, now(), strict=True)] == [True, False, True]


def test_names_that_no_file_can_have_or_no_listing_shows_are_told_alike(bench: Bench) -> None:
    names = ["a.png", "x" * 999 + ".png", "../t.csv", "a.png/below.png", "linked/b.png", ".c.png"]
    (bench.folder / "elsewhere").mkdir()
    (bench.folder / "elsewhere" / "b.png").write_bytes(png(2))
    bench.root(OTHER).mkdir()
    (bench.root(OTHER) / "linked").symlink_to(bench.folder / "elsewhere")
    bench.write(OTHER, *((name, f"p{n}") for n, name in enumerate(names)), **{"a.png": png(1), ".c.png": png(3)})
    rows = bench.run("quex/0")
    assert status(rows) == {1: "ok", 2: "rejected", 3: "rejected", 4: "rejected", 5: "ok", 6: "ok"}
    assert "image file cannot be read" in rows[1]["reason"]
    source = ObjectStore(str(bench.root(OTHER)))
    declaration = parse_declaration(bench.declaration(OTHER))
    now = source_digests(declaration, source.read, lambda: source.stats(""), source.open)
    assert now == [bench.pointer("quex/0")["source"]]


def test_headers_are_read_once_for_all_shards(bench: Bench, reads: list[str]) -> None:
    bench.changed[SHARDED] = {"patient_from": "header", "columns": {}}
    names = [f"{n}.dcm" for n in range(6)]
    patients = [patient_of(n % 3, n // 3) for n in range(6)]
    files = {name: dicom(n, patient) for n, (name, patient) in enumerate(zip(names, patients, strict=True))}
    bench.write(SHARDED, *((name, "") for name in names), **files)
    found = [bench.run(f"{SHARDED}/{shard}") for shard in range(3)]
    assert [[row["row"] for row in rows] for rows in found] == [[1, 4], [2, 5], [3, 6]]
    # Once to learn whose it is, once to decode it.
    assert sorted(reads) == sorted(2 * names)
    reads.clear()
    assert [bench.run(f"{SHARDED}/{shard}") for shard in range(3)] == found
    assert reads == []
    assert found[1][0]["patient"] == pseudonym(patients[1], KEY.encode())
    (index,) = bench.store.find(f"stages/radiographs/{SHARDED}/2/sources")
    assert patients[2].encode() not in bench.store.read(index)


def test_a_header_patient_of_two_sexes_is_flagged(bench: Bench) -> None:
    bench.changed[OTHER] = {"patient_from": "header", "columns": {}}
    files = {
        "a.dcm": dicom(1, "p1", "M"), "b.dcm": dicom(2, "p1", "F"),
        "c.dcm": dicom(3, "p2", "M", "040Y"), "d.dcm": dicom(4, "p2", "M", "046Y"), "e.dcm": dicom(5, "p3", "F"),
    }  # fmt: skip
    bench.write(OTHER, *((name, "") for name in files), **files)
    rows = bench.run("quex/0")
    assert status(rows) == {1: "rejected", 2: "rejected", 3: "rejected", 4: "rejected", 5: "ok"}
    assert rows[0]["reason"].startswith("row 1: the patient of rows 1, 2 has two sexes")
    assert "ages more than 5 years apart" in rows[2]["reason"]
    assert bench.run("quex/0") == rows


def in_two_shards(bench: Bench) -> tuple[str, str]:
    """The same pixels under two patients, the one in shard 0 already published."""
    one, other = patient_of(0), patient_of(1)
    bench.write(SHARDED, ("a.png", one), ("b.png", other), **{"a.png": png(1), "b.png": png(1)})
    bench.run(f"{SHARDED}/0")
    return one, other


def test_of_one_image_in_two_shards_the_first_published_stays(bench: Bench) -> None:
    in_two_shards(bench)
    (row,) = bench.run(f"{SHARDED}/1")
    assert (row["status"], row["row"]) == ("rejected", 2)
    assert row["reason"].startswith("row 2: same pixels as row 1 of three_shards/0 under two patients")
    for _ in range(2):
        assert bench.run(f"{SHARDED}/1") == [row]
        assert status(bench.run(f"{SHARDED}/0")) == {1: "ok"}


def both_published(bench: Bench, monkeypatch: pytest.MonkeyPatch, *partitions: str) -> None:
    """Run shards as if none had seen what the others were publishing."""
    with monkeypatch.context() as blind:
        blind.setattr(asset, "set_aside_copies", lambda run, rows, stands: None)
        for partition in partitions:
            assert status(bench.run(partition)) in ({1: "ok"}, {2: "ok"})


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_of_one_image_published_by_two_shards_at_once_one_goes_with_the_next_runs(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, order: tuple[int, int]
) -> None:
    bench.write(SHARDED, ("a.png", patient_of(0)), ("b.png", patient_of(1)), **{"a.png": png(1), "b.png": png(1)})
    both_published(bench, monkeypatch, *(f"{SHARDED}/{shard}" for shard in order))
    for _ in range(2):
        found = {shard: bench.run(f"{SHARDED}/{shard}") for shard in order}
        assert (status(found[0]), status(found[1])) == ({1: "ok"}, {2: "rejected"})
        assert found[1][0]["reason"].startswith("row 2: same pixels as row 1 of three_shards/0 under two patients")


def test_the_first_published_stays_in_a_higher_shard_too(bench: Bench) -> None:
    bench.write(SHARDED, ("a.png", patient_of(0)), ("b.png", patient_of(1)), **{"a.png": png(1), "b.png": png(1)})
    for _ in range(2):
        assert status(bench.run(f"{SHARDED}/1")) == {2: "ok"}
        assert status(bench.run(f"{SHARDED}/0")) == {1: "rejected"}


def test_of_two_cohorts_that_published_at_once_the_higher_gives_way(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, test = (
        next(name for name in (f"q{n}" for n in range(999)) if split_of(name) == split) for split in ("train", "test")
    )
    shard = shard_of(assignment(test), 3)
    bench.write(OTHER, ("a.png", train), **{"a.png": png(1)})
    bench.write(SHARDED, ("a.png", test), **{"a.png": png(1)})
    both_published(bench, monkeypatch, f"{SHARDED}/{shard}", "quex/0")
    for _ in range(2):
        assert status(bench.run("quex/0")) == {1: "ok"}
        assert status(bench.run(f"{SHARDED}/{shard}")) == {1: "rejected"}


def test_a_patient_who_was_corrected_in_the_table_is_no_conflict(bench: Bench) -> None:
    """The shard that the row left has not been run since: what it published is no longer so."""
    one, other = in_two_shards(bench)
    bench.write(SHARDED, ("a.png", other), ("c.png", one), **{"c.png": png(2)})
    assert status(bench.run(f"{SHARDED}/1")) == {1: "ok"}
    assert status(bench.run(f"{SHARDED}/0")) == {2: "ok"}
    assert status(bench.run(f"{SHARDED}/1")) == {1: "ok"}


def test_once_the_other_row_is_removed_the_one_set_aside_comes_back(bench: Bench) -> None:
    _, other = in_two_shards(bench)
    assert status(bench.run(f"{SHARDED}/1")) == {2: "rejected"}
    bench.write(SHARDED, ("b.png", other))
    assert status(bench.run(f"{SHARDED}/1")) == {1: "ok"}


def test_another_cohorts_image_must_be_in_the_same_split(bench: Bench) -> None:
    train, test = (
        next(name for name in (f"q{n}" for n in range(99)) if split_of(name) == split) for split in ("train", "test")
    )
    files = {"a.png": png(1), "b.png": png(2)}
    bench.write(OTHER, ("a.png", train), ("b.png", train), **files)
    bench.run("quex/0")
    bench.write(SHARDED, ("a.png", train), ("b.png", test), **files)
    rows = [row for shard in range(3) for row in bench.run(f"{SHARDED}/{shard}")]
    assert status(rows) == {1: "ok", 2: "rejected"}
    (reason,) = [row["reason"] for row in rows if row["row"] == 2]
    assert "row 2: same pixels as row 2 of quex/0, there in train, here in test" in reason
    assert set(status(bench.run("quex/0")).values()) == {"ok"}


@pytest.mark.parametrize("variant", [SHARDED, OTHER])
def test_a_variant_holds_the_same_images_under_another_split(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, variant: str
) -> None:
    train, test = (
        next(name for name in (f"q{n}" for n in range(99)) if split_of(name) == split) for split in ("train", "test")
    )
    monkeypatch.setattr(asset_copies, "VARIANTS", frozenset({variant}))
    bench.changed[variant] = {"variant_of": "phantom"}
    bench.write(OTHER, ("a.png", train), **{"a.png": png(1)})
    bench.run("quex/0")
    bench.write(SHARDED, ("a.png", test), **{"a.png": png(1)})
    assert status([row for shard in range(3) for row in bench.run(f"{SHARDED}/{shard}")]) == {1: "ok"}


def test_pixels_of_two_patients_are_found_within_a_variant(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asset_copies, "VARIANTS", frozenset({SHARDED}))
    bench.changed[SHARDED] = {"variant_of": "phantom"}
    in_two_shards(bench)
    assert status(bench.run(f"{SHARDED}/1")) == {2: "rejected"}


def borrowing(bench: Bench, lender: str, **declared: str) -> None:
    """Let the sharded cohort borrow translators and be all test."""
    all_test = {"size": 32, "test_share": 1.0, "validation_share": 0.0}
    settings = {"radiographs": all_test, "translator": {"borrow_from": lender}}
    bench.changed[SHARDED] = {"settings": settings, **declared}


@pytest.mark.parametrize("variant", ["", OTHER, SHARDED])
def test_what_borrowed_models_were_fitted_to_is_no_test(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, variant: str
) -> None:
    train, validation, test = (
        next(name for name in (f"q{n}" for n in range(99)) if split_of(name) == split)
        for split in ("train", "validation", "test")
    )
    monkeypatch.setattr(asset_copies, "VARIANTS", frozenset({variant}))
    files = {f"{number}.png": png(number) for number in range(4)}
    people = zip(files, (train, validation, test, "nobody else"), strict=True)
    bench.write(SHARDED, *people, **files)
    borrowing(bench, OTHER, **({"variant_of": "phantom"} if variant == SHARDED else {}))
    # Though they were here before the lender had them.
    assert set(status([row for shard in range(3) for row in bench.run(f"{SHARDED}/{shard}")]).values()) == {"ok"}
    bench.write(OTHER, *(list(zip(files, (train, validation, test), strict=False))), **files)
    with monkeypatch.context() as blind:
        blind.setattr(asset, "set_aside_copies", lambda run, rows, stands: None)
        bench.run("quex/0")
    rows = [row for shard in range(3) for row in bench.run(f"{SHARDED}/{shard}")]
    assert status(rows) == {1: "rejected", 2: "rejected", 3: "ok", 4: "ok"}
    assert {row["row"]: row["reason"] for row in rows}[1].startswith(
        "row 1: same pixels as row 1 of quex/0, there in train, whose models this cohort borrows"
    )


def test_models_of_an_earlier_manifest_may_have_seen_what_any_manifest_has(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, test = (
        next(name for name in (f"q{n}" for n in range(99)) if split_of(name) == split) for split in ("train", "test")
    )
    monkeypatch.setattr(asset_copies, "VARIANTS", frozenset({OTHER}))
    for patient in (train, test):
        bench.write(OTHER, ("a.png", patient), **{"a.png": png(1)})
        bench.run("quex/0")
    bench.write(SHARDED, ("a.png", "p1"), **{"a.png": png(1)})
    for lender, expected in ((OTHER, "ok"), (f"{OTHER}@0123abcd", "rejected")):
        borrowing(bench, lender)
        assert status([row for shard in range(3) for row in bench.run(f"{SHARDED}/{shard}")]) == {1: expected}


def test_a_manifest_is_read_once_however_many_shards_look_at_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.write(OTHER, ("a.png", "p1"), **{"a.png": png(9)})
    bench.run("quex/0")
    rows = [(f"{shard}.png", patient_of(shard)) for shard in range(3)]
    bench.write(SHARDED, *rows, **{f"{shard}.png": png(shard) for shard in range(3)})
    theirs = Place("radiographs", "quex/0")
    seen, whole = [], ObjectStore.read

    def counted(self: ObjectStore, path: str) -> bytes:
        seen.append(path)
        return whole(self, path)

    monkeypatch.setattr(ObjectStore, "read", counted)
    for _ in range(2):
        for shard in range(3):
            bench.run(f"{SHARDED}/{shard}")
    assert seen.count(theirs.manifest(bench.pointer("quex/0")["digest"])) == 1
    # What stands there is asked for at every run, or a new manifest would not be seen.
    assert seen.count(f"{theirs.folder}/CURRENT.json") == 7


def withdraw(bench: Bench, patient: str, **what: tuple[str, ...]) -> None:
    stone = Tombstone(patient=patient, withdrawn_at="2026-01-01T00:00:00+00:00")
    write_tombstone(bench.store, stone.model_copy(update=what))


def held(bench: Bench) -> bytes:
    """All that lies with the shard, Parquet as text."""
    found = b""
    for path in bench.store.find("stages/radiographs/quex/0"):
        data = bench.store.read(path)
        found += path.encode() + data
        if path.endswith(".parquet"):
            found += repr(table_from(data).to_pylist()).encode()
    return found


@pytest.mark.parametrize("by", ["patient", "files", "radiographs"])
def test_nothing_of_a_withdrawn_patient_comes_in(bench: Bench, by: str) -> None:
    rows = [("a.png", "p1"), ("b.png", "p2"), ("c.png", "p2")]
    files = {"a.png": png(1), "b.png": png(2), "c.png": png(3)}
    bench.write(OTHER, *rows, **files)
    known = {row["row"]: row for row in bench.run("quex/0")}
    theirs = [known[2], known[3]]
    for path in bench.store.find(""):
        bench.store.delete(path)
    if by == "patient":
        withdraw(bench, patient=known[2]["patient"])
    else:
        column = {"files": "file_digest", "radiographs": "radiograph_id"}[by]
        withdraw(bench, "0" * 24, **{by: tuple(row[column] for row in theirs)})
    for _ in range(2):
        assert bench.run("quex/0") == [known[1]]
        assert bench.told("withdrawn") == 2
        stored = held(bench)
        for row in theirs:
            for column in ("patient", "radiograph_id", "file_digest", "key"):
                assert row[column].encode() not in stored
        assert known[1]["file_digest"].encode() in stored


def test_withdrawn_headers_leave_no_trace_in_any_index(bench: Bench) -> None:
    bench.changed[SHARDED] = {"patient_from": "header", "columns": {}}
    files = {f"{n}.dcm": dicom(n, patient_of(n)) for n in range(3)}
    bench.write(SHARDED, *((name, "") for name in files), **files)
    gone = pseudonym(patient_of(1), KEY.encode())
    withdraw(bench, patient=gone)
    found = [bench.run(f"{SHARDED}/{shard}") for shard in range(3)]
    assert [len(rows) for rows in found] == [1, 0, 1]
    assert bench.store.find(f"stages/radiographs/{SHARDED}/1/sources") == set()
    assert not bench.store.find(f"stages/radiographs/{SHARDED}/1/artifacts")


def test_withdrawn_phantoms_stay_out(bench: Bench) -> None:
    bench.changed[OTHER] = {"root": "", "table": None, "columns": {}, "kind": "phantom", "phantom": {"subjects": 4}}
    bench.changed[OTHER] |= {"settings": {"radiographs": {"size": 64}}}
    known = bench.run("quex/0")
    withdraw(bench, patient=known[0]["patient"], files=(known[1]["file_digest"],))
    assert bench.run("quex/0") == known[2:]
    assert bench.told("withdrawn") == 2


def test_sources_on_s3_are_indexed_by_their_tags(
    bench: Bench, s3_store: ObjectStore, s3_endpoint: str, reads: list[str]
) -> None:
    options = {"key": "x", "secret": "x", "endpoint_url": s3_endpoint}
    bench.changed[OTHER] = {"root": s3_store.root, "storage_options": options}
    s3_store.write("t.csv", b"image,label,patient\na.png,normal,p1\n")
    s3_store.write("a.png", png(1))
    first = bench.run("quex/0")
    reads.clear()
    assert bench.run("quex/0") == first
    assert reads == []
    s3_store.write("a.png", png(2))
    assert bench.run("quex/0")[0]["file_digest"] != first[0]["file_digest"]
