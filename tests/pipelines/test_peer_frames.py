"""Arms in the frames of peers, from the setting that names them to the maps on the canvas."""

from typing import Any

import pytest

from resources.arrays import decode
from tests.pipelines.installation import Installation

PEERS = ("affine", "voxelmorph", "synthmorph")
FRAMES, TRANSLATOR, MAPS = "peer_registered", "translator", "anomaly_maps"
ARMS = "it_dpr/cut,it_dpr/pca,affine/pca,voxelmorph/cut,synthmorph/reggan"

# The affine registration of one radiograph, the MIRRORED-th that is registered, or of `all` is followed by a mirror.
SOME_MIRRORED = """
import itertools
import os

import numpy as np

from assets.peers import classical
from pipelines.cli import app

registered, places = classical.affine, itertools.count()


def sometimes_mirrored(fixed, moving):
    found = registered(fixed, moving)
    if os.environ["MIRRORED"] not in ("all", str(next(places))):
        return found
    across = np.arange(found.shape[2], dtype=np.float32)
    return np.stack([np.broadcast_to(across[::-1] - across, found.shape[1:]), found[1]])


classical.affine = sometimes_mirrored
app()
"""


def by_arm(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["arm"], []).append(row)
    return found


def test_nothing_is_made_and_nothing_is_read_where_no_peer_is_named(reference: Installation) -> None:
    pointer = reference.pointer(FRAMES)
    assert (pointer["rows"], pointer["parents"], pointer["pictures"]) == (0, {}, [])
    for stage in (TRANSLATOR, "normal_maps", MAPS, "localisation"):
        assert not [parent for parent in reference.pointer(stage)["parents"] if parent.startswith(FRAMES)]


@pytest.mark.slow
def test_arms_in_frames_of_peers_beside_others_that_stay_as_they_are(finished: Installation) -> None:
    before, trained_peers = by_arm(finished.rows(TRANSLATOR)), finished.pointer("registration_peers")["digest"]
    kept = {row["key"] for row in finished.rows(MAPS)}
    status, printed = finished.call("run", "tiny", "--set", f"translator.arms={ARMS}", "--until", MAPS)
    assert status != 0
    assert "set peer_registered.peers to [affine, voxelmorph, synthmorph]" in printed
    named = ["--set", f"peer_registered.peers={','.join(PEERS)}", "--set", f"translator.arms={ARMS}"]
    finished.run("tiny", *named, "--until", "localisation")
    assert finished.pointer("registration_peers")["digest"] == trained_peers
    frames = by_arm(finished.rows(FRAMES))
    assert set(frames) == set(PEERS)
    masks = {row["radiograph_id"] for row in finished.rows("lung_masks") if row["status"] == "ok"}
    assert all({row["radiograph_id"] for row in rows} == masks for rows in frames.values())
    after = by_arm(finished.rows(TRANSLATOR))
    assert list(after) == ARMS.split(",")
    assert {row["status"] for rows in after.values() for row in rows} == {"ok"}
    for arm, rows in before.items():
        assert after[arm] == rows
    maps = finished.rows(MAPS)
    assert kept <= {row["key"] for row in maps}
    scored = {row["radiograph_id"] for row in finished.rows("registered_radiographs") if row["status"] == "ok"} & {
        row["radiograph_id"] for row in finished.rows("radiographs") if row["split"] in ("validation", "test")
    }
    for arm, rows in by_arm(maps).items():
        alignment = arm.partition("/")[0]
        usable = {row["radiograph_id"] for row in frames.get(alignment, []) if row["status"] == "ok"}
        assert {row["radiograph_id"] for row in rows} == (scored & usable if alignment in PEERS else scored)
        assert {row["status"] for row in rows} == {"ok"}
    arms = {row["arm"] for row in finished.rows("localisation") if not row["arm"].startswith("chance")}
    assert arms == set(ARMS.split(","))
    again = finished.rows(FRAMES)
    finished.run("tiny", *named, "--until", MAPS)
    assert finished.pointer(FRAMES)["computed"] == 0
    assert finished.rows(FRAMES) == again
    # One peer more or fewer changes no other's rows.
    finished.run("tiny", "--set", "peer_registered.peers=affine", "--until", FRAMES)
    assert finished.rows(FRAMES) == [row for row in again if row["arm"] == "affine"]
    status, printed = finished.call("verify", "tiny")
    assert "FAILED" not in printed.split("fresh")[0]


def test_a_radiograph_that_folds_is_set_aside_and_its_arm_goes_on_without_it(finished: Installation) -> None:
    pairs = [row for row in finished.rows("pseudo_pairs") if row["split"] == "train"]
    masked = [row["radiograph_id"] for row in finished.rows("lung_masks") if row["status"] == "ok"]
    unlucky = pairs[0]["normal_id"]
    named = ["--set", "peer_registered.peers=affine", "--set", "translator.arms=it_dpr/pca,affine/template"]
    status, printed = finished.python(
        "-c", SOME_MIRRORED, "run", "tiny", *named, "--until", TRANSLATOR, MIRRORED=str(masked.index(unlucky))
    ).end()
    assert status == 0, printed
    rows = finished.rows(FRAMES)
    (aside,) = [row for row in rows if row["status"] != "ok"]
    assert (aside["radiograph_id"], aside["status"], aside["folded_share"]) == (unlucky, "needs_review", 1.0)
    assert aside["reason"].startswith("affine: folded at 100.00% of the reference's lungs")
    assert all(row["folded_share"] == 0 for row in rows if row is not aside)
    lost = [row for row in pairs if row["normal_id"] == unlucky]
    assert f"affine: {len(lost)} of {len(pairs)} training pairs are left out" in printed
    kept = {row["normal_id"] for row in pairs if row not in lost}
    ((usual,), (framed,)) = by_arm(finished.rows(TRANSLATOR)).values()
    assert (usual["trained_normal"], framed["trained_normal"]) == (len({row["normal_id"] for row in pairs}), len(kept))
    arrays = decode(finished.store.read(rows[0]["artifact"]))
    assert {"displacement", "image", "lungs"} <= set(arrays)


def test_a_peer_that_registers_nothing_has_no_arm_and_ends_no_other(finished: Installation) -> None:
    arms = "it_dpr/pca,affine/template"
    named = ["--set", "peer_registered.peers=affine", "--set", f"translator.arms={arms}"]
    status, printed = finished.python(
        "-c", SOME_MIRRORED, "run", "tiny", *named, "--until", "evaluation", MIRRORED="all"
    ).end()
    assert status == 0, printed
    usual, framed = finished.rows(TRANSLATOR)
    assert [(row["arm"], row["status"]) for row in (usual, framed)] == [
        ("it_dpr/pca", "ok"),
        ("affine/template", "rejected"),
    ]
    assert framed["reason"].startswith("affine registered both sides of no training pair; see the reasons in")
    for stage in ("normal_maps", MAPS, "evaluation"):
        assert {row["arm"] for row in finished.rows(stage)} == {usual["arm"]}
    # A launch for some still tells of what cannot be, else a study would ask for it again and again.
    finished.run("tiny", *named, "--set", "translator.only=it_dpr/pca/0", "--until", TRANSLATOR)
    assert finished.pointer(TRANSLATOR)["computed"] == 0
    assert finished.rows(TRANSLATOR) == [usual, framed]
    status, printed = finished.call(
        "run", "tiny", *named[:2], "--set", "translator.arms=affine/template", "--until", TRANSLATOR
    )
    assert status != 0
    assert "affine registered both sides of no training pair" in printed
