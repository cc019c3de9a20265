"""One image, one patient, one split: across shards, cohorts, variants and models that saw them."""

import pytest

from assets.radiographs import asset, asset_copies
from assets.radiographs.identity import assignment, pseudonym
from assets.radiographs.split import shard_of
from resources.manifests import Place
from resources.object_store import ObjectStore
from tests.conftest import KEY
from tests.radiographs.files_bench import OTHER, SHARDED, Bench, dicom, patient_of, png, split_of, status


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
