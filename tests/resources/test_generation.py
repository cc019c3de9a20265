from typing import Any

import pyarrow as pa
import pytest

from resources.generation import GenerationError, generation_named, generation_of, remember_generation
from resources.manifests import Place, publish
from resources.object_store import ObjectStore

EVALUATION = Place("evaluation", "ours")


def put(store: ObjectStore, name: str, number: int, *parents: str, **record: Any) -> str:  # noqa: ANN401 (pointers)
    """Publish a manifest; returns its digest."""
    stage, _, partition = name.partition("@")
    read = {parent: digests(store)[parent] for parent in parents}
    pointer = {"parents": read, "settings": {"number": number}, "version": "1", "created_at": f"day {number}", **record}
    return publish(store, Place(stage, partition), pa.table({"content": [number]}), pointer)


def digests(store: ObjectStore) -> dict[str, str]:
    places = {path.removeprefix("stages/").removesuffix("/CURRENT.json") for path in store.find("stages")}
    found = [place.split("/", 1) for place in places if "manifests" not in place and "models" not in place]
    return {f"{stage}@{key}": generation_of_pointer(store, Place(stage, key)) for stage, key in found}


def generation_of_pointer(store: ObjectStore, place: Place) -> str:
    import json

    return str(json.loads(store.read(f"{place.folder}/CURRENT.json"))["digest"])


def publish_all(store: ObjectStore, number: int = 0) -> None:
    """A cohort of two shards that borrows its segmenter."""
    put(store, "lung_segmenter@theirs", number)
    put(store, "lung_segmenter@ours", number + 1, "lung_segmenter@theirs")
    for shard in (0, 1):
        put(store, f"radiographs@ours/{shard}", 10 * (number + 1) + shard)
        put(
            store,
            f"lung_masks@ours/{shard}",
            20 * (number + 1) + shard,
            f"radiographs@ours/{shard}",
            "lung_segmenter@ours",
        )
    put(store, "translator@ours", number + 3, "lung_masks@ours/0", "lung_masks@ours/1")
    put(store, "evaluation@ours", number + 4, "translator@ours", "radiographs@ours/0", "radiographs@ours/1")


def test_a_generation_holds_every_stage_once_with_the_borrowers_own_settings(local_store: ObjectStore) -> None:
    publish_all(local_store)
    found = generation_of(local_store, EVALUATION)
    present = digests(local_store)
    assert set(found.digests) == {
        *("evaluation@ours", "translator@ours", "radiographs@ours/0", "lung_masks@ours/0"),
        *("lung_segmenter@ours", "lung_segmenter@theirs"),
    }
    assert all(present[name] == digest for name, digest in found.digests.items())
    assert found.settings["lung_segmenter"] == {"number": 1}
    assert found.digest("lung_segmenter", "theirs") == present["lung_segmenter@theirs"]
    assert found.digest("normal_maps", "ours") == ""
    assert found.made_at == "day 4"


def test_a_generation_that_is_not_whole_says_what_to_run(local_store: ObjectStore) -> None:
    with pytest.raises(GenerationError, match=r"evaluation@ours has no manifest yet; run `pseudopair run ours`"):
        generation_of(local_store, EVALUATION)
    publish_all(local_store)
    put(local_store, "lung_segmenter@theirs", 99)
    with pytest.raises(GenerationError, match=r"lung_segmenter@theirs was run anew.*run `pseudopair run theirs`"):
        generation_of(local_store, EVALUATION)


def test_a_model_that_a_removal_marked_lends_nothing(local_store: ObjectStore) -> None:
    publish_all(local_store)
    put(local_store, "translator@ours", 3, "lung_masks@ours/0", "lung_masks@ours/1", must_retrain="somebody withdrew")
    with pytest.raises(GenerationError, match="translator@ours is to be made again: somebody withdrew"):
        generation_of(local_store, EVALUATION)


def test_an_earlier_generation_is_found_by_its_translators_or_its_evaluations_digest(local_store: ObjectStore) -> None:
    publish_all(local_store)
    remember_generation(local_store, EVALUATION)
    earlier = digests(local_store)
    publish_all(local_store, 5)
    remember_generation(local_store, EVALUATION)
    later = digests(local_store)
    assert generation_named(local_store, EVALUATION, "").digests["translator@ours"] == later["translator@ours"]
    for name in ("translator@ours", "evaluation@ours"):
        for present in (earlier, later):
            found = generation_named(local_store, EVALUATION, present[name][:10])
            assert found.digests[name] == present[name]
            assert found.digests["lung_segmenter@theirs"] == present["lung_segmenter@theirs"]
    # One of a cohort that only lent something is not the lender's.
    with pytest.raises(GenerationError, match="its translators' manifests are"):
        generation_named(local_store, EVALUATION, earlier["lung_segmenter@theirs"])
    with pytest.raises(GenerationError, match=f"ours has no models under 00000000.*{later['translator@ours'][:12]}"):
        generation_named(local_store, EVALUATION, "00000000")


def test_an_earlier_generation_is_found_though_the_present_one_is_not_whole(local_store: ObjectStore) -> None:
    publish_all(local_store)
    remember_generation(local_store, EVALUATION)
    digest = digests(local_store)["translator@ours"]
    put(local_store, "radiographs@ours/0", 77)
    # There is nothing whole to be kept, and what is kept stays.
    remember_generation(local_store, EVALUATION)
    assert generation_named(local_store, EVALUATION, digest).digests["translator@ours"] == digest


def test_a_record_that_cannot_be_read_hides_no_other(local_store: ObjectStore) -> None:
    publish_all(local_store)
    remember_generation(local_store, EVALUATION)
    digest = digests(local_store)["translator@ours"]
    local_store.write(f"{EVALUATION.folder}/models/00.json", b"nonsense")
    publish_all(local_store, 5)
    assert generation_named(local_store, EVALUATION, digest).made_at == "day 4"
