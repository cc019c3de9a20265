"""The stage itself on stored phantoms: which masks are compared, by what, and what a cohort may lack."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from assets.images import F32
from assets.leaks import asset_variants, variants
from assets.leaks.asset import leak_control
from assets.leaks.brought import Brought, bring
from assets.pairing.frames import U8
from assets.segmentation.settings import SegmentationSettings
from assets.tables.alignment import LUNG_SEGMENTER
from assets.tables.scores import LEAK_CONTROL
from assets.translation.generator import build_generator
from assets.translation.presets import resolved
from assets.translation.settings import TranslationSettings
from assets.translation.stored import named_weights
from resources.arrays import Arrays
from resources.manifests import Place, publish, read_manifest, require_current
from tests.leaks.stored_cohort import FILES, SIDE, StoredCohort, person

STAGE = "leak_control"
SCORERS = [
    *("template_mean", "template_top5", "pca_mean", "pca_top5"),
    *("field_residual", "field_mean", "field_top5"),
]
PEOPLE = [person(index) for index in range(36)]
# PBTSeg is made for larger images than these.
QUICK = {"variants": ["used", "convex", "supplied", "exact", "lesion_cut"], "components": 6}


def controlled(cohort: StoredCohort, **config: object) -> dict[tuple[str, str], dict[str, Any]]:
    assert cohort.materialize(leak_control, **{**QUICK, **config}).success
    table = read_manifest(cohort.store, Place(STAGE, "phantom"))
    assert table is not None
    assert table.schema.equals(LEAK_CONTROL)
    return {(row["variant"], row["scorer"]): row for row in cohort.rows(STAGE)}


def trained(method: str, seed: int, **changed: object) -> tuple[dict[str, Any], Arrays]:
    settings = TranslationSettings.model_validate(
        {"size": SIDE, "generator_width": 4, "generator_blocks": 2, "generator": "resnet", **changed}
    )
    torch.manual_seed(seed)
    weights = build_generator(resolved(settings, "cut")).state_dict()
    row = {"arm": f"it_pr/{method}", "alignment": "it_pr", "method": method, "seed": seed}
    return {**row, "settings": settings.model_dump_json()}, dict(named_weights(weights))


def test_the_same_patients_by_every_mask_of_a_phantom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cohort = StoredCohort(tmp_path / "store", PEOPLE).use(monkeypatch)
    rows = controlled(cohort)
    assert list(rows) == [(name, scorer) for name in ("used", "convex", "exact", "lesion_cut") for scorer in SCORERS]
    assert {(row["positives"], row["negatives"], row["missing"], row["status"]) for row in rows.values()} == {
        (6, 6, 0, "ok")
    }
    for (variant, scorer), row in rows.items():
        assert (row["difference"] is None) == (variant == "used")
        if variant == "exact":
            # These phantoms use their exact masks.
            assert (row["difference"], row["p"]) == (0, 1), scorer
    assert cohort.pointer(STAGE)["pictures"] == ["areas", "masks"]


def test_cutting_lesions_out_of_the_masks_lets_the_warp_tell_the_classes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = controlled(StoredCohort(tmp_path / "store", [person(index) for index in range(60)]).use(monkeypatch))
    leak = rows["lesion_cut", "field_residual"]
    assert leak["auc"] > 0.75
    assert leak["difference"] > 0.1


def test_nothing_new_is_compared_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cohort = StoredCohort(tmp_path / "store", PEOPLE).use(monkeypatch)
    controlled(cohort)
    before = cohort.pointer(STAGE)
    controlled(cohort)
    after = cohort.pointer(STAGE)
    assert (after["computed"], after["reused"], after["digest"]) == (0, len(cohort.rows(STAGE)), before["digest"])
    controlled(cohort, components=3)
    changed = cohort.pointer(STAGE)["computed"]
    assert 0 < changed <= len(cohort.rows(STAGE))


def test_files_have_supplied_masks_and_only_some_have_lesions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = [{**one, "has_lesion": False} for one in PEOPLE]
    found = controlled(StoredCohort(tmp_path / "plain", plain, dict(FILES)).use(monkeypatch))
    assert list(dict.fromkeys(variant for variant, _ in found)) == ["used", "convex", "supplied"]
    known = controlled(StoredCohort(tmp_path / "known", PEOPLE, dict(FILES)).use(monkeypatch))
    assert list(dict.fromkeys(variant for variant, _ in known)) == ["used", "convex", "supplied", "lesion_cut"]


def test_masks_that_many_lack_are_left_out_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sick_lack = [{**one, "has_lungs": one["domain"] == "normal", "has_lesion": False} for one in PEOPLE]
    cohort = StoredCohort(tmp_path / "store", sick_lack, dict(FILES)).use(monkeypatch)
    rows = controlled(cohort)
    row = rows["supplied", ""]
    assert (row["status"], row["missing"]) == ("rejected", 6)
    assert row["reason"].startswith("only 0 of 6 abnormal test radiographs have such a mask")
    assert rows["used", "pca_mean"]["positives"] == 6


@dataclass(frozen=True)
class Threshold:
    """A segmenter that takes all that is dark for lung."""

    def of(self, patient: str) -> "Threshold":
        assert len(patient) == 24
        return self

    def probabilities(self, image: F32) -> F32:
        dark = (image < 0.35).astype(np.float32)
        dark[:4] = dark[-4:] = 0
        dark[:, :4] = dark[:, -4:] = 0
        right = np.zeros_like(dark)
        right[:, : dark.shape[1] // 2] = 1
        return np.stack([np.stack([dark * right, dark * (1 - right)])] * 2)


def with_segmenter(cohort: StoredCohort, monkeypatch: pytest.MonkeyPatch) -> StoredCohort:
    monkeypatch.setattr(asset_variants, "loader", lambda run, row: Threshold)
    row = dict.fromkeys(LUNG_SEGMENTER.names) | {"key": "s", "status": "ok"}
    table = pa.Table.from_pylist([row], schema=LUNG_SEGMENTER)
    publish(cohort.store, Place("lung_segmenter", "phantom"), table, {"parents": {}})
    return cohort


def test_the_cohorts_own_segmenter_is_another_mask_where_it_drew_none_of_those_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = ["used", "trained"]
    without = StoredCohort(tmp_path / "without", PEOPLE).use(monkeypatch)
    assert {variant for variant, _ in controlled(without, variants=wanted)} == {"used"}
    cohort = StoredCohort(tmp_path / "store", PEOPLE).use(monkeypatch)
    rows = controlled(with_segmenter(cohort, monkeypatch), variants=wanted)
    assert {variant for variant, _ in rows} == {"used", "trained"}
    assert rows["trained", "pca_mean"]["difference"] is not None
    assert "lung_segmenter@phantom" in cohort.pointer(STAGE)["parents"]
    masks = Place("lung_masks", "phantom/0")
    table = require_current(cohort.store, masks)[1]
    names = pa.array(["trained"] * table.num_rows, pa.string())
    table = table.set_column(table.schema.get_field_index("mask_source"), "mask_source", names)
    publish(cohort.store, masks, table, {"parents": {}, "settings": SegmentationSettings().model_dump()})
    assert {variant for variant, _ in controlled(cohort, variants=wanted)} == {"used"}


def test_a_mask_that_cannot_align_many_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def marked(lungs: U8) -> U8:
        hull = lungs.copy()
        hull[0, 0] = 1
        return hull

    def refused(image: F32, lungs: U8, *arguments: Any) -> Brought:  # noqa: ANN401 (passed on)
        if lungs[0, 0]:
            raise ValueError("the canvas is too small")
        return bring(image, lungs, *arguments)

    monkeypatch.setattr(variants, "convex", marked)
    monkeypatch.setattr(asset_variants, "bring", refused)
    cohort = StoredCohort(tmp_path / "store", PEOPLE).use(monkeypatch)
    rows = controlled(cohort, variants=["used", "convex"])
    (told,) = [line for line in capfd.readouterr().err.splitlines() if "no variant" in line]
    # Training normals and all of test.
    assert told.endswith("24 of 24 radiographs have no variant convex: the canvas is too small")
    assert {variant for variant, _ in rows} == {"used"}


def test_pbtseg_is_asked_where_it_is_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = controlled(StoredCohort(tmp_path / "store", PEOPLE).use(monkeypatch), variants=["used", "pbtseg"])
    assert "pbtseg" in {variant for variant, _ in rows}


def test_translators_on_it_pr_of_the_same_size_are_scorers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fitting, again, other = trained("cut", 0), trained("cut", 1), trained("cyclegan", 0, size=32)
    cohort = StoredCohort(tmp_path / "store", PEOPLE, translators=[again, fitting, other]).use(monkeypatch)
    assert not [scorer for _, scorer in controlled(cohort) if scorer.startswith("cut")]
    rows = controlled(cohort, translators=True)
    own = [scorer for variant, scorer in rows if variant == "used" and scorer not in SCORERS]
    assert own == ["cut_mean", "cut_top5"]
    alone = StoredCohort(tmp_path / "alone", PEOPLE, translators=[fitting]).use(monkeypatch)
    assert controlled(alone, translators=True)["convex", "cut_mean"] == rows["convex", "cut_mean"]


def test_without_training_normals_the_warp_is_still_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    people = [person(index, "test") for index in range(16)]
    rows = controlled(StoredCohort(tmp_path / "store", people).use(monkeypatch))
    assert rows["used", "pca_mean"]["reason"] == "needs 8 training normals, got 0"
    assert rows["convex", "field_mean"]["status"] == "ok"


@pytest.mark.parametrize("parity", [0, 1])
def test_a_cohort_of_one_class_has_no_areas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parity: int) -> None:
    people = [person(2 * i + parity, "test" if i % 3 else "train") for i in range(18)]
    cohort = StoredCohort(tmp_path / "store", people).use(monkeypatch)
    rows = controlled(cohort)
    assert {row["status"] for row in rows.values()} == {"rejected"}
    assert all(row["reason"] for row in rows.values())
    assert cohort.pointer(STAGE)["pictures"] == ["masks"]


def test_nobody_to_compare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cohort = StoredCohort(tmp_path / "store", [person(i, domain="other") for i in range(4)]).use(monkeypatch)
    assert {row["status"] for row in controlled(cohort).values()} == {"rejected"}
    assert cohort.pointer(STAGE)["pictures"] == []


def test_a_large_cohort_takes_part_with_some(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    people = [person(i, "test" if i < 28 else "train") for i in range(56)]
    rows = controlled(StoredCohort(tmp_path / "store", people).use(monkeypatch), radiographs=10)
    assert (rows["used", "pca_mean"]["positives"], rows["used", "pca_mean"]["negatives"]) == (10, 10)
