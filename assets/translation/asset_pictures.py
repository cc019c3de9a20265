"""What is shown of a run's trained arms: a table of measures, translations, losses, and measures while they trained."""

from collections.abc import Mapping, Sequence
from functools import partial

import dagster as dg

from assets.alignments import Alignment
from assets.pairing.frames import Row
from assets.pictures import to_png
from assets.tables.translation import TRANSLATOR_QUALITY
from assets.translation.arms import parse_arm
from assets.translation.asset_training import Trainings
from assets.translation.inference import translate
from assets.translation.live import curves, panel_sheet
from assets.translation.panel import translations
from assets.translation.preview import training_curves
from assets.translation.stored import records_of, weights_of
from resources.dagster_shapes import PICTURE_BYTES, table
from resources.manifests import read_artifact

_KINDS = {"arm": "string", "seed": "int", "steps": "int", "stopped": "string"} | dict.fromkeys(
    (*TRANSLATOR_QUALITY, "images_per_second"), "float"
)


def quality_table(rows: Sequence[Row]) -> dg.TableMetadataValue:
    """Trained arms against what was measured on validation images; empty is what could not be measured."""
    trained = [row for row in rows if row["status"] == "ok"]
    lines = [{name: _rounded(row.get(name)) for name in _KINDS} for row in trained]
    return table(lines, _KINDS)


def pictures(by_frame: Mapping[Alignment, Trainings], rows: Sequence[Row]) -> dict[str, bytes]:
    """A sheet of translations, losses and measures of every arm, for the first seed: PNG by name."""
    shown: dict[str, bytes] = {}
    for row in rows:
        if row["status"] != "ok":
            continue
        arm = parse_arm(row["arm"])
        trainings = by_frame[arm.alignment]
        if row["seed"] != trainings.settings.seeds[0]:
            continue
        arrays = read_artifact(trainings.run.store, row)
        panel = trainings.watching.shown(arm.alignment)
        look = partial(translate, arm.method, weights_of(arrays), settings=trainings.settings)
        sheet = panel_sheet(panel, translations(panel, look))
        if sheet is not None:
            shown[f"translations {arm.name}"] = to_png(sheet, PICTURE_BYTES)
        if "history" in arrays:
            losses = training_curves(records_of(row["history_columns"], arrays["history"]))
            shown[f"training {arm.name}"] = to_png(losses, PICTURE_BYTES)
        if "checks" in arrays:
            shown |= curves(f"measures {arm.name}", records_of(row["checks_columns"], arrays["checks"]))
    return shown


def _rounded(value: object) -> object:
    return round(value, 4) if isinstance(value, float) else value
