import pickle

import numpy as np
import pytest

from pipelines.outside.frames import ArtifactReader
from resources.arrays import CorruptArtifact, encode
from resources.manifests import digest_of
from resources.object_store import ObjectStore

NAMES = ("image", "lungs")
PATH = "stages/registered_radiographs/a/0/artifacts/aa/aa.safetensors"


def put(store: ObjectStore, path: str = PATH, seed: int = 0, lesion: bool = False) -> str:
    rng = np.random.default_rng(seed)
    arrays = {
        "image": rng.integers(0, 65536, (8, 8), np.uint16),
        "lungs": rng.integers(0, 3, (8, 8), np.uint8),
        "velocity": rng.normal(size=(2, 4, 4)).astype(np.float16),
    }
    data = encode(arrays | ({"lesion": arrays["lungs"] * 0} if lesion else {}), {})
    store.write(path, data)
    return digest_of(data)


@pytest.mark.parametrize("check", [True, False])
def test_only_the_asked_arrays_are_given(store: ObjectStore, check: bool) -> None:
    digest = put(store, lesion=True)
    reader = ArtifactReader(store, check)
    assert set(reader.read(PATH, digest, NAMES)) == set(NAMES)
    found = reader.read(PATH, digest, NAMES, ("lesion", "landmarks"))
    assert set(found) == {*NAMES, "lesion"}
    whole = np.random.default_rng(0).integers(0, 65536, (8, 8), np.uint16)
    np.testing.assert_array_equal(found["image"], whole)


@pytest.mark.parametrize("check", [True, False])
def test_a_missing_artefact_is_named(store: ObjectStore, check: bool) -> None:
    with pytest.raises(CorruptArtifact, match=rf"{PATH} is missing; run its stage again"):
        ArtifactReader(store, check).read(PATH, "0" * 64, NAMES)


@pytest.mark.parametrize("check", [True, False])
def test_an_artefact_without_a_needed_array_is_named(store: ObjectStore, check: bool) -> None:
    digest = put(store)
    with pytest.raises(CorruptArtifact, match=rf"{PATH} holds no lesion; delete it"):
        ArtifactReader(store, check).read(PATH, digest, (*NAMES, "lesion"))


@pytest.mark.parametrize("check", [True, False])
def test_what_is_no_artefact_is_named(local_store: ObjectStore, check: bool) -> None:
    local_store.write(PATH, b"no tensors")
    with pytest.raises(CorruptArtifact, match=r"delete it and run its stage again") as caught:
        ArtifactReader(local_store, check).read(PATH, digest_of(b"no tensors"), NAMES)
    assert check or PATH in str(caught.value)


def test_one_altered_byte_is_found_unless_nobody_looks(local_store: ObjectStore) -> None:
    digest = put(local_store)
    data = bytearray(local_store.read(PATH))
    data[-1] ^= 1
    local_store.write(PATH, bytes(data))
    with pytest.raises(CorruptArtifact, match=rf"{PATH} was altered"):
        ArtifactReader(local_store).read(PATH, digest, NAMES)
    assert ArtifactReader(local_store, check=False).read(PATH, digest, NAMES)


def test_a_remote_artefact_is_read_whole_and_always_checked(s3_store: ObjectStore) -> None:
    put(s3_store)
    with pytest.raises(CorruptArtifact, match="was altered"):
        ArtifactReader(s3_store, check=False).read(PATH, "0" * 64, NAMES)


def test_the_memory_is_bounded_and_drops_what_was_not_used_longest(local_store: ObjectStore) -> None:
    paths = [f"stages/{number}.safetensors" for number in range(3)]
    digests = {path: put(local_store, path, number) for number, path in enumerate(paths)}
    frame = 8 * 8 * 3
    reader = ArtifactReader(local_store, cache_mib=2 * frame / 2**20)
    first = reader.read(paths[0], digests[paths[0]], NAMES)
    reader.read(paths[1], digests[paths[1]], NAMES)
    assert reader.read(paths[0], digests[paths[0]], NAMES) is first
    reader.read(paths[2], digests[paths[2]], NAMES)
    for path in paths:
        local_store.delete(path)
    assert reader.read(paths[0], digests[paths[0]], NAMES) is first
    with pytest.raises(CorruptArtifact, match=paths[1]):
        reader.read(paths[1], digests[paths[1]], NAMES)


def test_nothing_is_kept_where_nothing_may_be(local_store: ObjectStore) -> None:
    digest = put(local_store)
    reader = ArtifactReader(local_store, cache_mib=0)
    assert reader.read(PATH, digest, NAMES) is not reader.read(PATH, digest, NAMES)


def test_another_process_begins_with_an_empty_memory(local_store: ObjectStore) -> None:
    digest = put(local_store)
    reader = ArtifactReader(local_store)
    kept = reader.read(PATH, digest, NAMES)
    copied = pickle.loads(pickle.dumps(reader))
    assert len(pickle.dumps(reader)) < 1000
    assert copied.read(PATH, digest, NAMES) is not kept
    assert reader.read(PATH, digest, NAMES) is kept
