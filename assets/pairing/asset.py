"""The pseudo-pair store: which abnormal radiograph stands beside which normals, and what both were made from."""

from functools import partial

import dagster as dg
import numpy as np

from assets.images import from_uint16
from assets.pairing.frames import FrameRows, Row, join
from assets.pairing.matching import draw_pairs
from assets.pairing.settings import PairingSettings
from assets.pictures import contact_sheet, to_png, to_rgb
from assets.tables import PSEUDO_PAIRS
from resources.dagster_shapes import PICTURE_BYTES, column_schema
from resources.incremental import Refreshed
from resources.manifests import fingerprint, read_artifact
from resources.partitions import COHORTS, all_shards_of, cohort_model
from resources.stage_config import config_schema
from resources.stage_run import StageRun, Store, stage_run

VERSION = "1"
SPLITS = ("train", "validation", "test")
SHEET_PAIRS = 4

FRAME_STAGES = ("radiographs", "lung_masks", "prealigned_radiographs", "registered_radiographs")
FRAMES_OF_COHORT = [
    *(all_shards_of(name) for name in FRAME_STAGES),
    dg.AssetDep("reference_lung"),
]
FRAMES_OF_SHARD = [
    *(dg.AssetDep(name) for name in FRAME_STAGES),
    cohort_model("reference_lung"),
]


def joined_rows(run: StageRun, partition: str | None = None) -> dict[str, FrameRows]:
    """Radiographs of a shard, or of the whole cohort, that every frame can be made of."""
    return join(*(run.ok(stage, partition) for stage in FRAME_STAGES))


def _pair(abnormal: Row, normal: Row, files: dict[str, str], reference: str, model: str) -> Row:
    sides = {
        f"{side}_{name}": value
        for side, row in (("abnormal", abnormal), ("normal", normal))
        for name, value in (
            ("id", row["radiograph_id"]),
            ("label", row["label"]),
            ("patient", row["patient"]),
            ("key", row["key"]),
            ("file_digest", files[row["radiograph_id"]]),
        )
    }
    key = fingerprint([abnormal["key"], normal["key"]])
    made = {"reference": reference, "registration_model": model, "split": abnormal["split"]}
    stored = {"key": key, "status": "ok", "reason": "", "artifact": "", "artifact_digest": ""}
    return {"pair_id": key, **sides, **made, **stored}


def _pairs(run: StageRun, settings: PairingSettings) -> list[Row]:
    files = {row["radiograph_id"]: row["file_digest"] for row in run.ok("radiographs")}
    reference, model = run.model("reference_lung"), run.model("registration_model")
    rows = {row["radiograph_id"]: row for row in run.ok("registered_radiographs")}
    patients = {name: row["patient"] for name, row in rows.items()}
    pairs: list[Row] = []
    for number, split in enumerate(SPLITS):
        domains = {
            domain: sorted(name for name, row in rows.items() if (row["split"], row["domain"]) == (split, domain))
            for domain in ("abnormal", "normal")
        }
        drawn = draw_pairs(
            domains["abnormal"],
            domains["normal"],
            settings.normals_per_abnormal,
            np.random.default_rng([settings.seed, number]),
            patients,
        )
        pairs.extend(_pair(rows[a], rows[b], files, reference["key"], model["key"]) for a, b in drawn)
    return pairs


def _no_leak(pairs: list[Row], rows: list[Row]) -> dg.AssetCheckResult:
    split_of: dict[str, set[str]] = {}
    for row in rows:
        split_of.setdefault(row["patient"], set()).add(row["split"])
    crossing = sum(len(splits) > 1 for splits in split_of.values())
    mixed = sum(split_of[pair["abnormal_patient"]] != split_of[pair["normal_patient"]] for pair in pairs)
    same = sum(pair["abnormal_patient"] == pair["normal_patient"] for pair in pairs)
    twins = len(rows) - len({row["radiograph_id"] for row in rows})
    return dg.AssetCheckResult(
        check_name="patients_in_one_split",
        passed=crossing == mixed == same == twins == 0,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={
            "patients_in_two_splits": crossing,
            "pairs_across_splits": mixed,
            "pairs_of_one_patient": same,
            "same_pixels_twice": twins,
        },
    )


@dg.asset(
    partitions_def=COHORTS,
    deps=[
        all_shards_of("radiographs"),
        "reference_lung",
        "registration_model",
        all_shards_of("registered_radiographs"),
    ],
    group_name="pairing",
    kinds={"parquet"},
    owners=["team:imaging"],
    code_version=VERSION,
    config_schema=config_schema(PairingSettings),
    metadata=column_schema(PSEUDO_PAIRS),
    check_specs=[
        dg.AssetCheckSpec(
            "patients_in_one_split",
            asset="pseudo_pairs",
            blocking=True,
            description="No patient or pair crosses a split",
        )
    ],
)
def pseudo_pairs(context: dg.AssetExecutionContext, store: Store) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Abnormal radiographs with normal partners in the registered frame, each with the keys of what made it."""
    with stage_run(context, store, VERSION) as run:
        pairs = _pairs(run, run.settings(PairingSettings))
        registered = {row["radiograph_id"]: row for row in run.ok("registered_radiographs")}
        known = run.known_keys()
        fresh = sum(pair["key"] not in known for pair in pairs)
        done = Refreshed(pairs, fresh, len(pairs) - fresh, 0, 0.0)
        return run.finish(
            done,
            PSEUDO_PAIRS,
            {},
            partial(_pictures, run, pairs, registered),
            [_no_leak(pairs, run.ok("registered_radiographs"))],
        )


def _pictures(run: StageRun, pairs: list[Row], registered: dict[str, Row]) -> dict[str, bytes]:
    tiles = [
        to_rgb(from_uint16(read_artifact(run.store, registered[pair[f"{side}_id"]])["image"]))
        for pair in pairs[:SHEET_PAIRS]
        for side in ("abnormal", "normal")
    ]
    return (
        {
            "pairs": to_png(
                contact_sheet(tiles, SHEET_PAIRS, headings=["abnormal", "normal"] * (SHEET_PAIRS // 2)), PICTURE_BYTES
            )
        }
        if tiles
        else {}
    )
