"""Normal maps and anomaly maps as stages: what is computed, left, compared with whom, and set aside."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assets.normal_maps.settings import NormalMapsSettings
from assets.normal_maps.stored import members_of, pooling_of
from assets.scoring.score import SCORE_NAMES, score_columns
from assets.scoring.settings import ScoringSettings
from assets.translation.moments import no_moments, usual
from resources.manifests import Place, read_artifact, read_pointer
from tests.pairing.made_up import MadeUp, person
from tests.scoring.made_up_arms import ARMS, SIZE, Scored

COUNT = 24
Row = dict[str, Any]


def split_of(number: int) -> str:
    """Two radiographs a patient; validation and test have normals of many patients."""
    return ("train", "validation", "validation", "test")[number // 2 % 4]


def subject(number: int) -> Row:
    return person(number) | {"split": split_of(number), "domain": "abnormal" if number % 6 == 0 else "normal"}


@pytest.fixture
def scored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scored:
    cohort = MadeUp(tmp_path / "store", [subject(number) for number in range(COUNT)]).use(monkeypatch)
    found = Scored(cohort)
    found.publish()
    return found


def of_arm(rows: list[Row], arm: str) -> dict[str, Row]:
    return {row["radiograph_id"]: row for row in rows if row["arm"] == arm}


def test_every_validation_and_test_radiograph_is_scored_by_every_arm(scored: Scored) -> None:
    normals = scored.normals(fewest=3)
    patients = {row["patient"] for row in scored.cohort.people if row["split"] == "validation"}
    assert [(row["arm"], row["normals"], row["status"]) for row in normals] == [
        (arm, len(patients), "ok") for arm in ARMS
    ]
    assert all(0 < row["mean"] < row["threshold"] and row["spread"] > 0 for row in normals)
    rows = scored.maps()
    wanted = {row["radiograph_id"] for row in scored.cohort.people if row["split"] != "train"}
    for arm in ARMS:
        assert set(of_arm(rows, arm)) == wanted
    assert {row["status"] for row in rows} == {"ok"}
    assert all((row[name] is None) == ("_contrast" in name) for row in rows for name in SCORE_NAMES)
    assert all(math.isfinite(row[name] or 0) for row in rows for name in SCORE_NAMES)
    for row in rows:
        arrays = read_artifact(scored.cohort.store, row)
        inside = arrays["lungs"] > 0
        assert row["score_mean"] == pytest.approx(float(arrays["map"].astype(np.float64)[inside].mean()), rel=1e-3)


def test_a_validation_normal_is_compared_with_the_other_normals(scored: Scored) -> None:
    chosen = NormalMapsSettings(fewest=3)
    normals = {row["arm"]: row for row in scored.normals(fewest=3)}
    rows = scored.maps()
    first: dict[str, str] = {}
    for row in sorted(scored.cohort.people, key=lambda row: str(row["radiograph_id"])):
        if row["split"] == "validation" and row["domain"] == "normal":
            first.setdefault(row["patient"], row["radiograph_id"])
    for arm in ARMS:
        mine = of_arm(rows, arm)
        assert len(members_of(read_artifact(scored.cohort.store, normals[arm]))) == len(first)
        maps = {name: read_artifact(scored.cohort.store, mine[name]) for name in mine}
        for name, arrays in maps.items():
            moments = no_moments(SIZE)
            for other in first.values():
                if other != name:
                    moments.add(maps[other]["map"].astype(np.float32), maps[other]["lungs"] > 0)
            own, lungs = arrays["map"].astype(np.float32), arrays["lungs"] > 0
            z = usual(moments, pooling_of(chosen)).z(own, lungs)
            expected = score_columns(z, lungs, "absolute", ScoringSettings(), z=True)
            assert {each: mine[name][each] for each in expected} == pytest.approx(expected, rel=0.02, abs=0.02)


def test_too_few_normals_leave_z_scores_empty_and_nothing_else(scored: Scored) -> None:
    rejected = scored.normals(fewest=20)
    assert {row["status"] for row in rejected} == {"rejected"}
    assert all("too few for a mean and a spread (20 are needed)" in row["reason"] for row in rejected)
    assert all(row["artifact"] == "" and row["threshold"] is None for row in rejected)
    for row in scored.maps():
        assert row["status"] == "ok"
        assert all((row[name] is None) == ("_z" in name or "_contrast" in name) for name in SCORE_NAMES)


def test_an_arm_that_translates_both_ways_has_contrasts_and_the_same_maps_and_normals(scored: Scored) -> None:
    scored.arms, scored.ways = ("none/cyclegan",), 1
    scored.publish()
    normals, one_way = scored.normals(fewest=3), scored.maps()
    scored.ways = 2
    scored.publish()
    again, both = scored.normals(fewest=3), scored.maps()
    assert [{**row, "key": "", "recipe": "", "artifact": ""} for row in again] == [
        {**row, "key": "", "recipe": "", "artifact": ""} for row in normals
    ]
    contrasts = [name for name in SCORE_NAMES if "_contrast" in name]
    assert {row[name] for row in one_way for name in contrasts} == {None}
    assert all(math.isfinite(row[name]) and row[name] != 0 for row in both for name in contrasts)
    rest = [name for name in SCORE_NAMES if name not in contrasts]
    assert [[row[name] for name in rest] for row in both] == [[row[name] for name in rest] for row in one_way]
    for before, after in zip(one_way, both, strict=True):
        kept, found = (read_artifact(scored.cohort.store, row) for row in (before, after))
        assert kept.keys() == found.keys()
        assert all(np.array_equal(kept[name], found[name]) for name in kept)


def test_without_normals_abnormals_or_labels_maps_are_scored_all_the_same(scored: Scored) -> None:
    for row in scored.cohort.people:
        row |= {"domain": "other", "split": "test"}
    scored.publish()
    assert [row["normals"] for row in scored.normals()] == [0, 0]
    rows = scored.maps()
    assert len(rows) == COUNT * len(ARMS)
    assert {(row["status"], row["domain"]) for row in rows} == {("ok", "other")}


def test_nothing_to_score_is_an_empty_manifest(scored: Scored) -> None:
    for row in scored.cohort.people:
        row["split"] = "train"
    scored.publish()
    scored.normals()
    assert scored.maps() == []


def test_a_new_normal_changes_neither_normal_maps_nor_scores(scored: Scored) -> None:
    before, rows = scored.normals(fewest=3), scored.maps()
    scored.cohort.people += [person(number) | {"split": "validation"} for number in (100, 103)]
    scored.publish()
    assert scored.normals(fewest=3) == before
    assert scored.computed("normal_maps") == 0
    after = scored.maps()
    assert scored.computed() == 2 * len(ARMS)
    known = {(row["radiograph_id"], row["arm"]) for row in rows}
    kept = [row for row in after if (row["radiograph_id"], row["arm"]) in known]
    assert sorted(map(str, kept)) == sorted(map(str, rows))


def test_a_normal_that_is_gone_makes_them_anew(scored: Scored) -> None:
    before = scored.normals(fewest=3)
    scored.maps()
    gone = next(row for row in scored.cohort.people if row["split"] == "validation" and row["domain"] == "normal")
    scored.cohort.people = [row for row in scored.cohort.people if row["patient"] != gone["patient"]]
    scored.publish()
    after = scored.normals(fewest=3)
    assert [row["normals"] + 1 for row in after] == [row["normals"] for row in before]
    assert not {row["key"] for row in after} & {row["key"] for row in before}
    scored.maps()
    assert scored.computed() == len([row for row in scored.cohort.people if row["split"] != "train"]) * len(ARMS)


def test_how_maps_are_shown_changes_no_row_and_how_they_are_scored_changes_all(scored: Scored) -> None:
    scored.normals(fewest=3)
    rows = scored.maps()
    assert scored.maps(display_sigma=1.0) == rows
    assert scored.computed() == 0
    other = scored.maps(max_sigma=6.0)
    assert scored.computed() == len(rows)
    assert [row["score_mean"] for row in other] == [row["score_mean"] for row in rows]
    assert all(one["score_max"] < two["score_max"] for one, two in zip(other, rows, strict=True))


def test_a_lost_artefact_comes_back_with_the_same_bytes_and_no_other_is_computed(scored: Scored) -> None:
    scored.normals(fewest=3)
    rows = scored.maps()
    scored.cohort.store.delete(rows[5]["artifact"])
    assert scored.maps() == rows
    assert scored.computed() == 1
    assert read_artifact(scored.cohort.store, rows[5]).keys() >= {"map", "positive", "lungs"}


def test_one_bad_radiograph_is_set_aside_with_its_reason(scored: Scored) -> None:
    number = next(number for number in range(COUNT) if split_of(number) == "test")
    scored.cohort.masks[number] = {"window_high": math.nan}
    scored.publish()
    scored.normals(fewest=3)
    rows = scored.maps()
    bad = [row for row in rows if row["status"] != "ok"]
    # IT-DPR's image was windowed when it was registered.
    assert [(row["radiograph_id"], row["arm"]) for row in bad] == [
        (scored.cohort.people[number]["radiograph_id"], "none/template")
    ]
    assert "expected high above low" in bad[0]["reason"]
    assert bad[0]["score_mean"] is None
    assert len(rows) == len(ARMS) * len([row for row in scored.cohort.people if row["split"] != "train"])


def test_pictures_are_of_test_radiographs_and_of_normals(scored: Scored) -> None:
    scored.normals(fewest=3)
    scored.maps()
    pointer = read_pointer(scored.cohort.store, Place("normal_maps", scored.cohort.cohort))
    assert pointer is not None
    assert pointer["pictures"] == ["normal maps"]
    drawn = [read_pointer(scored.cohort.store, Place("anomaly_maps", shard)) for shard in scored.cohort.shards]
    assert {name for each in drawn if each for name in each["pictures"]} == {f"maps {arm} seed 0" for arm in ARMS}
