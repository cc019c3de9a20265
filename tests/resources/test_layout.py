import pytest

from resources.layout import Kind, known
from resources.local_files import LOCK
from resources.manifests import Place
from resources.tombstones import Tombstone

SHARD, COHORT = Place("lung_masks", "nih/07"), Place("translator", "my_hospital-2")
DIGEST = "0123456789abcdef" * 4


@pytest.mark.parametrize("place", [SHARD, COHORT])
@pytest.mark.parametrize(
    ("rest", "kind"),
    [
        ("CURRENT.json", "pointer"),
        ("FAILED.json", "record"),
        ("report.html", "record"),
        (f"manifests/{DIGEST}.parquet", "manifest"),
        (f"artifacts/01/{DIGEST[:32]}.safetensors", "artifact"),
        ("pictures/maps-it_dpr-cut-seed-0.png", "picture"),
        (f"sharpness/{DIGEST[:32]}.json", "cache"),
        (f"overlays/{DIGEST[:32]}.png", "record"),
        ("overlays/made.json", "record"),
        ("descriptors/07.safetensors", "record"),
        (".CURRENT.json.0123", "temporary"),
        ("artifacts/01/.x.safetensors.0123", "temporary"),
        ("manifests/notes.txt", "unknown"),
        ("artifacts/x.safetensors", "unknown"),
        ("CURRENT.json/x", "unknown"),
    ],
)
def test_an_object_of_a_place_is_known_by_its_name(place: Place, rest: str, kind: Kind) -> None:
    found = known(f"{place.folder}/{rest}")
    assert (found.kind, found.place) == (kind, place)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (LOCK, "kept"),
        (Tombstone(patient="0" * 24, withdrawn_at="").path, "kept"),
        ("withdrawn/.anything", "kept"),
        ("checkpoints/0a.safetensors", "checkpoint"),
        ("checkpoints/.0a.safetensors.01", "temporary"),
        ("checkpoints/0a/x", "unknown"),
        ("stages/lung_masks", "unknown"),
        ("stages/../x", "unknown"),
        ("my.txt", "unknown"),
        (".mine", "unknown"),
    ],
)
def test_an_object_of_no_place_is_known_or_not(path: str, kind: Kind) -> None:
    assert known(path).kind == kind


def test_what_places_name_is_known_as_that() -> None:
    assert known(SHARD.manifest(DIGEST)).kind == "manifest"
    assert known(SHARD.artifact(DIGEST[:32])).kind == "artifact"
    assert known(COHORT.picture("maps it_dpr/cut seed 0")).kind == "picture"
