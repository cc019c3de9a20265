"""The pseudo-pair store: which abnormal radiograph stands beside which normals, and what both were made from."""

from functools import partial

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from assets.images import F32, from_uint16
from assets.pairing import audit
from assets.pairing.asset_frames import FRAMES_OF_COHORT
from assets.pairing.asset_pairs import brought, usable_tables
from assets.pairing.described import CORNERS
from assets.pairing.frames import Row
from assets.pairing.preview import ShownPair, pair_sheet
from assets.pairing.settings import PairingSettings
from assets.pictures import to_png
from assets.tables.translation import PSEUDO_PAIRS
from resources.dagster_shapes import PICTURE_BYTES, column_schema
from resources.manifests import read_artifact
from resources.partitions import COHORTS
from resources.stage_config import config_schema
from resources.stage_run import StageRun, Store, stage_run

VERSION = "2"
SHEET_PAIRS = 4
NAMED_OFFENDERS = 10


def _check(name: str, offenders: dict[str, list[str]], shown: bool = True) -> dg.AssetCheckResult:
    """A blocking check of offenders by their kind; a few pairs and radiographs are named, never a patient."""
    counts = {kind: len(found) for kind, found in offenders.items()}
    named = [each for found in offenders.values() for each in found][:NAMED_OFFENDERS] if shown else []
    return dg.AssetCheckResult(
        check_name=name,
        passed=not any(counts.values()),
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={**counts, **({"first": named} if named else {})},
    )


def checks_of(pairs: pa.Table, tables: dict[str, pa.Table]) -> list[dg.AssetCheckResult]:
    """The blocking checks of pairs against the radiographs as they are now."""
    radiographs, registered = tables["radiographs"], tables["registered_radiographs"]
    one_patient, twice = audit.pairs_of_one_patient(pairs), audit.same_pixels_twice(registered)
    leaks = {
        "patients_in_two_splits": audit.patients_in_two_splits(registered),
        "pairs_across_splits": audit.pairs_across_splits(pairs, registered),
        "pairs_of_one_patient": one_patient,
        "same_pixels_twice": twice,
    }
    within = {"pairs_across_splits": audit.pairs_across_splits(pairs, radiographs)}
    labels = {
        "radiographs_relabelled": audit.labels_flipped(registered, radiographs),
        "pairs_relabelled": audit.pair_labels_flipped(pairs, radiographs),
    }
    return [
        _check("patients_in_one_split", leaks, shown=False),
        _check("pairs_within_split", within),
        _check("labels_agree", labels),
    ]


CHECKS = {
    "patients_in_one_split": "No patient or pair crosses a split",
    "pairs_within_split": "Both sides of every pair are in its split",
    "labels_agree": "Pairs and registered radiographs have the labels that the radiographs have now",
}


@dg.asset(
    partitions_def=COHORTS,
    deps=[*FRAMES_OF_COHORT, "registration_model"],
    group_name="pairing",
    kinds={"parquet"},
    owners=["team:imaging"],
    code_version=VERSION,
    config_schema=config_schema(PairingSettings),
    metadata=column_schema(PSEUDO_PAIRS),
    check_specs=[
        dg.AssetCheckSpec(name, asset="pseudo_pairs", blocking=True, description=description)
        for name, description in CHECKS.items()
    ],
)
def pseudo_pairs(context: dg.AssetExecutionContext, store: Store) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Abnormal radiographs with normal partners in the registered frame, each with the keys of what made it."""
    with stage_run(context, store, VERSION) as run:
        settings = run.settings(PairingSettings)
        tables = usable_tables(run)
        done = brought(run, tables, settings)
        return run.finish(
            done, PSEUDO_PAIRS, _figures(done.rows), partial(_pictures, run, done.rows), checks_of(done.rows, tables)
        )


def _figures(pairs: pa.Table) -> dict[str, float | int]:
    """Medians of the similarity, and how often the most used normal radiograph stands in a pair."""
    medians = {name: pc.quantile(pairs[name], 0.5)[0].as_py() for name in ("similarity_before", "similarity_after")}
    uses = pc.value_counts(pairs["normal_id"].combine_chunks()).field("counts")
    figures = {f"median_{name}": round(value, 4) for name, value in medians.items() if value is not None}
    return {**figures, "most_uses_of_a_normal": pc.max(uses).as_py() or 0}


def _pictures(run: StageRun, pairs: pa.Table) -> dict[str, bytes]:
    shown = [
        ShownPair(
            abnormal=_image(run, pair, "abnormal"),
            normal=_image(run, pair, "normal"),
            boxes=[[box[name] for name in CORNERS] for box in pair["abnormal_boxes"]],
            before=pair["similarity_before"],
            after=pair["similarity_after"],
        )
        for pair in pairs.slice(0, SHEET_PAIRS).to_pylist()
    ]
    return {"pairs": to_png(pair_sheet(shown), PICTURE_BYTES)} if shown else {}


def _image(run: StageRun, pair: Row, side: str) -> F32:
    stored = {name: pair[f"{side}_{name}"] for name in ("artifact", "artifact_digest")}
    return from_uint16(read_artifact(run.store, stored)["image"])
