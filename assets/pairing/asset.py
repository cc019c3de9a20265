"""The pseudo-pair store: which abnormal radiograph stands beside which normals, and what both were made from."""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial

import dagster as dg
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from assets.images import F32, from_uint16
from assets.pairing import audit, flags
from assets.pairing.cohort_rows import READ, cohort_rows
from assets.pairing.described import CORNERS, DESCRIPTION, carried_boxes, described
from assets.pairing.descriptor import nearness_vectors, similarity
from assets.pairing.frame_boxes import Registration
from assets.pairing.frames import FrameRows, Row, join
from assets.pairing.matching import Rows
from assets.pairing.pair_table import PairTable, boxes_before, merged, pair_ids, pair_table, values_before
from assets.pairing.policies import choose_pairs, relaxations, strata
from assets.pairing.preview import ShownPair, pair_sheet
from assets.pairing.settings import PairingSettings
from assets.pictures import to_png
from assets.prealignment.lung_coordinates import reference_frame
from assets.prealignment.settings import PrealignmentSettings
from assets.registration.settings import RegistrationSettings
from assets.tables import BOX, CARRIED, PSEUDO_PAIRS
from resources.arrays import Arrays
from resources.dagster_shapes import PICTURE_BYTES, column_schema
from resources.keyed_arrays import keyed_arrays
from resources.manifests import Place, fingerprint, read_artifact, read_manifest, read_pointer
from resources.partitions import COHORTS, SHARDS_BY_COHORT, all_shards_of, cohort_model
from resources.stage_config import config_schema
from resources.stage_run import StageRun, Store, stage_run, upstream_settings

VERSION = "2"
SHEET_PAIRS = 4
WORKERS = 4
MODELS = ("reference_lung", "registration_model")
NAMED_OFFENDERS = 10

FRAME_STAGES = ("radiographs", "lung_masks", "prealigned_radiographs", "registered_radiographs")
FRAMES_OF_COHORT = [
    *(all_shards_of(name) for name in FRAME_STAGES),
    dg.AssetDep("reference_lung"),
]
FRAMES_OF_SHARD = [
    *(dg.AssetDep(name) for name in FRAME_STAGES),
    cohort_model("reference_lung"),
]
_STORED = ("radiograph_id", "key", "artifact", "artifact_digest")
FRAME_COLUMNS = {
    "radiographs": ("row", *CARRIED, *_STORED[1:], "view", "sex", "age", "boxes"),
    "lung_masks": (*_STORED, "window_low", "window_high"),
    "prealigned_radiographs": _STORED,
    "registered_radiographs": _STORED,
}
"""What frames are made of, and what of a radiograph itself is asked for beside them."""


def joined_rows(run: StageRun, partition: str | None = None) -> dict[str, FrameRows]:
    """Radiographs of a shard, or of the whole cohort, that every frame can be made of; columns of `FRAME_COLUMNS`."""
    return join(*(run.ok(stage, partition, FRAME_COLUMNS[stage]) for stage in FRAME_STAGES))


@dataclass(frozen=True)
class _Cohort:
    """A cohort's radiographs while its pairs are made.

    Attributes:
        run: of this stage.
        settings: of this run.
        rows: see `cohort_rows`.
        before: the previous manifest of this version, None where there is none.
    """

    run: StageRun
    settings: PairingSettings
    rows: pa.Table
    before: pa.Table | None

    def vectors(self, needed: Rows) -> F32:
        """What nearness is measured by."""
        found = self.descriptors(needed, ("after", "shape"))
        return nearness_vectors(found["after"], found["shape"], self.settings.shape_weight)

    def similarities(self, pairs: Rows) -> dict[str, npt.NDArray[np.float64]]:
        """Similarity of pairs before and after registration."""
        needed, places = np.unique(pairs, return_inverse=True)
        found = self.descriptors(needed, ("before", "after"))
        return {name: similarity(array, places.reshape(-1, 2)) for name, array in found.items()}

    def descriptors(self, needed: Rows, names: Sequence[str]) -> Arrays:
        """Some arrays of `described`, stacked over these rows; only radiographs that are new are read."""
        place = np.empty(self.rows.num_rows, dtype=np.intp)
        place[needed] = np.arange(len(needed))
        found: Arrays = {}
        for shard, mine in self._by_shard(needed):
            for name, array in self._described(shard, mine).items():
                if name in names:
                    whole = found.setdefault(name, np.empty((len(needed), *array.shape[1:]), array.dtype))
                    whole[place[mine]] = array
        return found

    def boxes(self, needed: Rows) -> pa.Array:
        """Boxes in the reference frame of every row of the table; those of other rows than these stay empty."""
        carried: list[list[Row]] = [[]] * self.rows.num_rows
        marked = pc.greater(pc.list_value_length(self.rows["canvas_boxes"]), 0).to_numpy(zero_copy_only=False)
        registration = cache(partial(_registration, self.run))
        known = boxes_before(self.before)
        read = partial(read_artifact, self.run.store)
        for shard, mine in self._by_shard(needed[marked[needed]]):
            keys = dict(zip(mine.tolist(), self.rows["key"].take(mine).to_pylist(), strict=True))
            frames = self._frames(shard, {key for key in keys.values() if key not in known})
            for row, key in keys.items():
                moved = known.get(key)
                carried[row] = carried_boxes(registration(), frames[key], read) if moved is None else moved
        return pa.array(carried, pa.list_(BOX))

    def _by_shard(self, needed: Rows) -> list[tuple[str, Rows]]:
        shards = self.rows["shard"].take(needed).to_numpy(zero_copy_only=False)
        return [(str(shard), needed[shards == shard]) for shard in np.unique(shards)]

    def _described(self, shard: str, mine: Rows) -> Arrays:
        def compute(missing: Sequence[str]) -> list[Arrays]:
            frames = self._frames(shard, set(missing))
            with ThreadPoolExecutor(WORKERS) as pool:
                return list(pool.map(lambda key: described(frames[key], partial(read_artifact, run.store)), missing))

        run = self.run
        path = f"{run.place.folder}/descriptors/{shard.rpartition('/')[2]}.safetensors"
        present = self.rows.filter(pc.equal(self.rows["shard"], shard))["key"].to_pylist()
        return keyed_arrays(run.store, path, DESCRIPTION, self.rows["key"].take(mine).to_pylist(), present, compute)

    def _frames(self, shard: str, wanted: set[str]) -> dict[str, FrameRows]:
        """Rows of some radiographs of a shard by the key of their registered row."""
        if not wanted:
            return {}
        rows = joined_rows(self.run, shard).values()
        return {row.registered["key"]: row for row in rows if row.registered["key"] in wanted}


def _registration(run: StageRun) -> Registration:
    reference, model = (run.model(stage) for stage in MODELS)
    chosen = upstream_settings(run, "prealigned_radiographs", PrealignmentSettings)
    return Registration(
        reference_frame(read_artifact(run.store, reference)["lungs"], chosen),
        RegistrationSettings.model_validate_json(model["settings"]),
        (model["roughness_typical"], model["roughness_limit"]),
    )


def _tables(run: StageRun) -> dict[str, pa.Table]:
    """Usable rows of every stage with few columns; those that are registered say in which shard they lie."""
    found = {}
    for stage, columns in READ.items():
        parts = []
        for shard in SHARDS_BY_COHORT[run.cohort]:
            part = run.ok_table(stage, shard, columns)
            parts.append(part.append_column("shard", pa.repeat(shard, part.num_rows)))
        found[stage] = pa.concat_tables(parts)
    return found


def _made_with(run: StageRun) -> dict[str, str]:
    """Settings and versions of what was read and of this stage, as JSON objects by stage."""
    settings: dict[str, set[str]] = {run.stage: {fingerprint(run.settings_used)}}
    versions: dict[str, set[str]] = {run.stage: {run.version}}
    for stage in READ | dict.fromkeys(MODELS):
        for partition in [run.cohort] if stage in MODELS else SHARDS_BY_COHORT[run.cohort]:
            pointer = read_pointer(run.store, Place(stage, partition)) or {}
            settings.setdefault(stage, set()).add(fingerprint(pointer["settings"]))
            versions.setdefault(stage, set()).add(pointer["version"])
    # Shards may have been made with different settings.
    return {
        name: json.dumps({stage: ",".join(sorted(values)) for stage, values in kind.items()}, sort_keys=True)
        for name, kind in (("settings", settings), ("versions", versions))
    }


def _pairs(cohort: _Cohort) -> PairTable:
    run, rows, before = cohort.run, cohort.rows, cohort.before
    pairs = choose_pairs(rows, cohort.settings, cohort.vectors)
    ids = pair_ids(rows, pairs)
    made_by = values_before(ids, before, "run_id")
    new = np.flatnonzero(pc.is_null(made_by).to_numpy(zero_copy_only=False))
    own = {"run_id": pc.fill_null(made_by.cast(pa.string()), run.run_id)}
    found = cohort.similarities(pairs[new]) if len(new) else {}
    for name in ("before", "after"):
        known = values_before(ids, before, f"similarity_{name}")
        own[f"similarity_{name}"] = merged(known, new, found.get(name, np.zeros(0)))
    boxes = cohort.boxes(np.unique(pairs))
    for number, side in enumerate(audit.SIDES):
        own[f"{side}_boxes"] = boxes.take(pa.array(pairs[:, number]))
        own[f"{side}_flags"] = _flags(cohort, pairs, number)
    reference, model = (run.model(stage) for stage in MODELS)
    shared = {
        "policy": cohort.settings.policy,
        "reference": reference["key"],
        "registration_model": model["key"],
        "registration_model_digest": model["artifact_digest"],
        **_made_with(run),
    }
    return PairTable(pair_table(rows, pairs, ids, shared, own).select(PSEUDO_PAIRS.names), len(new))


def _flags(cohort: _Cohort, pairs: Rows, side: int) -> pa.ListArray:
    holds = flags.quality(cohort.rows, cohort.settings)[pairs[:, side]]
    if cohort.settings.policy != "matched" or audit.SIDES[side] != "normal":
        return flags.words_where(holds, flags.WORDS)
    relaxed = relaxations(strata(cohort.rows, cohort.settings.age_band), pairs)
    return flags.words_where(np.concatenate([holds, relaxed], axis=1), (*flags.WORDS, *flags.RELAXED))


def _brought(run: StageRun, tables: dict[str, pa.Table], settings: PairingSettings) -> PairTable:
    """Pairs of before where all that they are made from is as it was, else made now."""
    # Read in any case, so that they are among the parents.
    for stage in MODELS:
        run.model(stage)
    pointer = read_pointer(run.store, run.place)
    if pointer is None or pointer["version"] != run.version:
        return _pairs(_Cohort(run, settings, cohort_rows(tables), None))
    before = read_manifest(run.store, run.place)
    if (pointer["parents"], pointer["settings"]) != (run.parents, run.settings_used) or before is None:
        return _pairs(_Cohort(run, settings, cohort_rows(tables), before))
    return PairTable(before, 0)


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
        tables = _tables(run)
        done = _brought(run, tables, settings)
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
