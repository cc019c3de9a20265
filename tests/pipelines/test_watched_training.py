import copy
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa
import pytest
import torch
from scipy.ndimage import binary_dilation

from assets.alignments import USUAL, Alignment
from assets.images import F32
from assets.pairing.asset_frames import FRAME_COLUMNS, FRAME_STAGES
from assets.pairing.chosen_frames import common_ids, join_chosen
from assets.pairing.frames import U8, FrameRows
from assets.tables.translation import TRANSLATOR_QUALITY
from assets.translation import asset_panel
from assets.translation.arms import parse_arm
from assets.translation.asset_frames import FrameReader, PreparedFrames
from assets.translation.asset_panel import PanelReader, validation_rows
from assets.translation.asset_training import Trainings
from assets.translation.asset_watch import Watching
from assets.translation.compute import Compute
from assets.translation.domain import prepare
from assets.translation.quality import lesion_drop, psnr
from assets.translation.settings import TranslationSettings
from resources.manifests import read_artifact
from resources.stage_run import StageRun
from tests.pipelines.conftest import TINY
from tests.pipelines.installation import Installation

SIZE = 32
ARM = "it_dpr/cut"
CPU = torch.device("cpu")


class Cohort:
    """The finished cohort as the translator's stage sees it, with all radiographs at hand."""

    def __init__(self, installation: Installation, declared: dict[str, Any]) -> None:
        self.lines: list[str] = []
        self.run = StageRun(
            installation.store, "translator", "1", "tiny", "tiny", declared, {}, "run", self.lines.append
        )
        self.tables = [self.run.ok_table(stage, "tiny/0", FRAME_COLUMNS[stage]) for stage in FRAME_STAGES]
        lungs = read_artifact(installation.store, self.run.model("reference_lung"))["lungs"]
        self.reader = FrameReader(installation.store, lungs, SIZE)

    def of(self, domain: str) -> list[FrameRows]:
        rows = join_chosen(self.tables, common_ids(self.tables)).values()
        return [row for row in rows if row.radiograph["domain"] == domain]

    def panels(self) -> PanelReader:
        return PanelReader(self.run, self.reader, self.of("abnormal"), self.of("normal"))


@pytest.fixture
def cohort(reference: Installation, tiny: dict[str, Any]) -> Cohort:
    return Cohort(reference, tiny)


@pytest.mark.parametrize("alignment", USUAL)
def test_lesion_free_twins_lie_where_the_phantoms_do(cohort: Cohort, alignment: Alignment) -> None:
    panel = cohort.panels().panel(alignment)
    images, masks = cohort.reader.tensors(alignment, cohort.of("abnormal"))
    assert torch.equal(panel.abnormal.images, images)
    assert torch.equal(panel.abnormal.masks, masks)
    assert panel.planted.images is panel.abnormal.images
    assert len(panel.planted.twins) == len(images) > 5
    assert lesion_drop(panel.planted, panel.planted.twins) == 1
    assert (psnr(images, panel.planted) < 60).all()
    for image, twin, lesion in zip(images, panel.planted.twins, panel.planted.lesions, strict=True):
        far = ~binary_dilation(lesion[0].numpy() > 0, iterations=3)
        # A lesion's soft border reaches beyond its extent, by little; a map a pixel off would change every edge.
        assert np.abs((image - twin)[0].numpy()[far]).mean() < 0.02
    assert cohort.lines == []


def test_opacities_are_planted_where_phantoms_were_declared_anew(reference: Installation, tiny: dict[str, Any]) -> None:
    anew = copy.deepcopy(tiny)
    anew["phantom"]["seed"] = 4
    cohort = Cohort(reference, anew)
    panel = cohort.panels().panel("it_pr")
    assert torch.equal(panel.planted.twins, panel.normal.images)
    assert not torch.equal(panel.planted.images, panel.normal.images)
    assert len(cohort.lines) == 1
    assert "declared anew" in cohort.lines[0]


def test_opacities_are_planted_into_cohorts_of_files(reference: Installation, tiny: dict[str, Any]) -> None:
    files = {name: tiny[name] for name in ("name", "normal_labels", "abnormal_labels")}
    cohort = Cohort(reference, {**files, "root": "/data", "folders": {"a": "normal", "b": "abnormal"}})
    panel = cohort.panels().panel("none")
    assert torch.equal(panel.planted.twins, panel.normal.images)
    assert len(panel.planted) == len(cohort.of("normal"))
    assert cohort.lines == []


def test_a_radiograph_that_cannot_be_prepared_is_left_out(cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, seen = cohort.panels().unplanted("none"), 0

    def prepare_all_but_the_first(images: F32, lungs: U8, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        nonlocal seen
        seen += 1
        if seen == 1:
            raise ValueError("its lungs are empty")
        return prepare(images, lungs, size)

    monkeypatch.setattr(asset_panel, "prepare", prepare_all_but_the_first)
    panel = cohort.panels().unplanted("none")
    assert torch.equal(panel.abnormal.images, whole.abnormal.images[1:])
    assert torch.equal(panel.normal.images, whole.normal.images)
    assert len(cohort.lines) == 1
    assert cohort.of("abnormal")[0].radiograph["radiograph_id"] in cohort.lines[0]
    assert "its lungs are empty" in cohort.lines[0]


def test_a_lung_that_vanishes_is_left_out(cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = torch.full((1, 1, SIZE, SIZE), 0.4)
    monkeypatch.setattr(asset_panel, "prepare", lambda *_: (-nothing, nothing))
    panel = cohort.panels().unplanted("none")
    assert (len(panel.abnormal), len(panel.normal)) == (0, 0)


def test_the_validation_images_are_the_first_of_each_domain(cohort: Cohort) -> None:
    everything = [with_all_in_validation(table) for table in cohort.tables]
    for count in (0, 2, 99):
        abnormal, normal = validation_rows(everything, count)
        assert abnormal == [with_split(row) for row in cohort.of("abnormal")[:count]]
        assert normal == [with_split(row) for row in cohort.of("normal")[:count]]
    for rows in validation_rows(cohort.tables, 99):
        assert all(row.radiograph["split"] == "validation" for row in rows)


def with_all_in_validation(table: pa.Table) -> pa.Table:
    if "split" not in table.column_names:
        return table
    place = table.column_names.index("split")
    return table.set_column(place, "split", pa.array(["validation"] * table.num_rows))


def with_split(row: FrameRows) -> FrameRows:
    return FrameRows({**row.radiograph, "split": "validation"}, row.lungs, row.prealigned, row.registered)


def test_pictures_show_training_images_where_none_is_for_validation(cohort: Cohort) -> None:
    panels = cohort.panels()
    training = panels.abnormal, panels.normal
    make = partial(Watching, dg.build_asset_context(), cohort.run, TranslationSettings(), training=training, device=CPU)
    empty = make(panels=panels.first(0, 0)).shown("none")
    assert torch.equal(empty.abnormal.images, panels.unplanted("none").abnormal.images[:4])
    assert torch.equal(empty.normal.images, panels.unplanted("none").normal.images[:2])
    one = make(panels=panels.first(0, 1)).shown("none")
    assert (len(one.abnormal), len(one.normal)) == (0, 1)


# Validation images choose how many components PCA keeps, whatever ends a training.
@pytest.mark.parametrize(
    ("patience", "arm", "same"),
    [(0, ARM, True), (2, ARM, False), (0, "it_dpr/pca", False), (2, "it_dpr/template", True)],
)
def test_validation_images_are_inputs_of_what_they_decide(
    cohort: Cohort, patience: int, arm: str, *, same: bool
) -> None:
    settings, panels = TranslationSettings(patience=patience), cohort.panels()
    frames = PreparedFrames(cohort.reader, panels.abnormal[:2], panels.normal[:2])
    pairs = torch.tensor([[0, 0], [1, 1]])
    keys: list[str] = []
    for count in (3, 4):
        watching = Watching(dg.build_asset_context(), cohort.run, settings, panels.first(count, 0), ((), ()), CPU)
        trainings = Trainings(cohort.run, settings, frames, pairs, "reference", Compute(CPU), {}, watching)
        keys.append(trainings.key(parse_arm(arm), 0))
    assert (keys[0] == keys[1]) is same


def test_a_run_shows_its_trainings_while_they_go_on_and_at_the_end(finished: Installation) -> None:
    with dg.DagsterInstance.from_config(str(finished.home / "dagster")) as instance:
        wanted = dg.AssetRecordsFilter(dg.AssetKey("translator"), asset_partitions=["tiny"])
        seen = [record.asset_observation for record in instance.fetch_observations(wanted, limit=99).records]
        event = instance.get_latest_materialization_event(dg.AssetKey("translator"))
    events = [{name.partition(": ")[2]: value for name, value in each.metadata.items()} for each in seen if each]
    steps = [each["step"].value for each in events if "validation_auc" in each or "planted_psnr" in each]
    assert TINY["settings"]["translator"]["steps"] in steps
    assert any("losses" in each and "panel" in each for each in events)
    assert any("seconds_left" in each or "learning_rate" in each for each in events)
    assert event is not None
    assert event.asset_materialization is not None
    shown = event.asset_materialization.metadata
    assert {f"translations {ARM}", f"training {ARM}", f"measures {ARM}", "translations it_dpr/pca"} <= shown.keys()
    table = shown["quality"]
    assert isinstance(table, dg.TableMetadataValue)
    lines = {record.data["arm"]: record.data for record in table.records}
    rows = {row["arm"]: row for row in finished.rows("translator")}
    assert lines.keys() == rows.keys() == {ARM, "it_dpr/pca"}
    for name in TRANSLATOR_QUALITY:
        known = rows[ARM][name]
        assert lines[ARM][name] == (None if known is None else round(known, 4))
    assert rows[ARM]["planted_psnr"] is not None
    assert rows["it_dpr/pca"]["planted_psnr"] is not None
    checks = read_artifact(finished.store, rows[ARM])["checks"]
    last = dict(zip(rows[ARM]["checks_columns"], checks[-1].tolist(), strict=True))
    assert last["planted_psnr"] == pytest.approx(rows[ARM]["planted_psnr"])


def test_trainings_side_by_side_share_a_judge_and_have_curves_of_their_own(
    finished: Installation, tmp_path: Path
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    finished.environment |= {"PSEUDOPAIR_TENSORBOARD": str(tmp_path), "PSEUDOPAIR_THREADS": "2"}
    changed = ("translator.seeds=[1, 2]", "translator.steps=8", f"translator.arms=[{ARM}]")
    printed = finished.run("tiny", "--until", "translator", *(word for text in changed for word in ("--set", text)))
    assert printed.count("classifier that judges translations in it_dpr") == 1
    folders = sorted((tmp_path / "tiny").iterdir())
    assert [path.name for path in folders] == ["it_dpr-cut-seed-1", "it_dpr-cut-seed-2"]
    for folder in folders:
        events = EventAccumulator(str(folder))
        events.Reload()
        assert events.Scalars("planted_psnr")[-1].step == 8
        assert events.Scalars("learning_rate")[-1].step == 8
        # Numbers alone: no pixel of a patient leaves the store.
        assert {name for name, found in events.Tags().items() if found} == {"scalars"}
    with dg.DagsterInstance.from_config(str(finished.home / "dagster")) as instance:
        wanted = dg.AssetRecordsFilter(dg.AssetKey("translator"), asset_partitions=["tiny"])
        seen = [record.asset_observation for record in instance.fetch_observations(wanted, limit=99).records]
    for seed in (1, 2):
        last = [each for each in seen if each and f"{ARM} seed {seed}: planted_psnr" in each.metadata]
        assert [each.metadata[f"{ARM} seed {seed}: step"].value for each in last] == [8]
