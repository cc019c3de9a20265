"""A cohort's pairs as a table: kept where nothing changed, else chosen and put together column by column."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assets.pairing import audit, flags
from assets.pairing.asset_pixels import MODELS, PairedCohort
from assets.pairing.cohort_rows import READ, cohort_rows
from assets.pairing.matching import Rows
from assets.pairing.pair_table import PairTable, merged, pair_ids, pair_table, values_before
from assets.pairing.policies import choose_pairs, relaxations, strata
from assets.pairing.settings import PairingSettings
from assets.tables.translation import PSEUDO_PAIRS
from resources.manifests import Place, fingerprint, read_pointer, read_previous
from resources.partitions import SHARDS_BY_COHORT
from resources.stage_run import StageRun

# What is taken over for a pair that was there before; the rest is cheap to make again.
KNOWN_BEFORE = (
    *("pair_id", "run_id", "similarity_before", "similarity_after"),
    *(f"{side}_{name}" for side in audit.SIDES for name in ("key", "boxes")),
)


def usable_tables(run: StageRun) -> dict[str, pa.Table]:
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


def _pairs(cohort: PairedCohort) -> PairTable:
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


def _flags(cohort: PairedCohort, pairs: Rows, side: int) -> pa.ListArray:
    holds = flags.quality(cohort.rows, cohort.settings)[pairs[:, side]]
    if cohort.settings.policy != "matched" or audit.SIDES[side] != "normal":
        return flags.words_where(holds, flags.WORDS)
    relaxed = relaxations(strata(cohort.rows, cohort.settings.age_band), pairs)
    return flags.words_where(np.concatenate([holds, relaxed], axis=1), (*flags.WORDS, *flags.RELAXED))


def brought(run: StageRun, tables: dict[str, pa.Table], settings: PairingSettings) -> PairTable:
    """Pairs of before where all that they are made from is as it was, else made now."""
    # Read in any case, so that they are among the parents.
    for stage in MODELS:
        run.model(stage)
    pointer = read_pointer(run.store, run.place)
    if pointer is None or pointer["version"] != run.version:
        return _pairs(PairedCohort(run, settings, cohort_rows(tables), None))
    same = pointer["parents"] == run.parents and run.set_as(pointer)
    before = read_previous(run.store, run.place, None if same else KNOWN_BEFORE)
    if not same or before is None:
        return _pairs(PairedCohort(run, settings, cohort_rows(tables), before))
    return PairTable(before, 0)
