"""`pseudopair verify`: the store audited offline, by named checks that say what is wrong and what to do."""

import errno
import os
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.stored import Stored, current, is_declared
from pipelines.verification import Check, Verification
from pipelines.verify_rows import ROW_CHECKS
from resources.manifests import Place, digest_of
from resources.object_store import ObjectStore
from resources.partitions import cohort_of
from resources.tombstones import Withdrawn, WithdrawnError, withdrawn

READERS = 8
RUN = "run its stage again"


def verify(store: ObjectStore, cohort: str | None = None, *, quick: bool = False) -> Verification:
    """Audit a store without changing it.

    Args:
        store: the object store, local or remote.
        cohort: only this cohort; all by default.
        quick: see that artefacts are there, but do not read them.
    """
    names = store.find("")
    found = list(current(store, names, cohort))
    sound = [each for each in found if not each.problem]
    artefacts = _artefacts(sound)
    started = time.monotonic()
    judged = _judged(store, names, artefacts, quick)
    seconds = time.monotonic() - started
    declared = [each for each in sound if is_declared(each.place)]
    checks = (_manifests(found), _unaltered(judged), *(check(declared) for check in ROW_CHECKS))
    parents = (_parents_present(sound, names), _parents_current(sound))
    mib = sum(size for _, _, size in judged) / 2**20
    last = (_partitions_declared(found), _withdrawn(store, sound))
    return Verification((*checks, *parents, *last), len(found), mib, seconds)


def _manifests(found: Sequence[Stored]) -> Check:
    wrong = [f"{each.place}: {each.problem}" for each in found if each.problem]
    advice = f"restore it from a backup, or delete its CURRENT.json and {RUN}: finished rows are kept"
    return Check("manifests_unaltered", len(found), tuple(wrong), advice)


def _artefacts(found: Iterable[Stored]) -> list[tuple[str, str]]:
    """Path and digest of every artefact that a row names; what two manifests name alike comes once."""
    tables = [each.table.select(["artifact", "artifact_digest"]) for each in found if each.has("artifact_digest")]
    if not tables:
        return []
    rows = pa.concat_tables(tables).group_by(["artifact", "artifact_digest"]).aggregate([])
    rows = rows.filter(pc.not_equal(pc.fill_null(rows["artifact"], ""), "")).sort_by("artifact")
    return list(zip(rows["artifact"].to_pylist(), rows["artifact_digest"].to_pylist(), strict=True))


def _judged(
    store: ObjectStore, names: set[str], artefacts: Sequence[tuple[str, str]], quick: bool
) -> list[tuple[str, str, int]]:
    """Path, problem (empty if none) and bytes read of each artefact."""
    if quick:
        return [(path, "" if path in names else "is missing", 0) for path, _ in artefacts]
    with ThreadPoolExecutor(READERS) as pool:
        return list(pool.map(partial(_hashed, store), artefacts))


def _hashed(store: ObjectStore, artefact: tuple[str, str]) -> tuple[str, str, int]:
    path, digest = artefact
    try:
        data = store.read_or_none(path)
    except OSError as error:
        # One bad block must not hide what else there is.
        return path, f"cannot be read ({os.strerror(error.errno or errno.EIO)})", 0
    if data is None:
        return path, "is missing", 0
    return path, "" if digest_of(data) == digest else "was altered after it was written", len(data)


def _unaltered(judged: Sequence[tuple[str, str, int]]) -> Check:
    wrong = tuple(f"{path} {problem}" for path, problem, _ in judged if problem)
    return Check("artefacts_unaltered", len(judged), wrong, f"delete it where it is there, and {RUN}: it comes back")


def _parents_present(found: Sequence[Stored], names: set[str]) -> Check:
    read = [(each.place, parent) for each in found for parent in each.pointer["parents"]]
    wrong = [f"{place} was made from {parent}" for place, parent in read if _pointer(parent) not in names]
    advice = "what it was made from is gone; run that stage again, then this one"
    return Check("parents_present", len(read), tuple(wrong), advice)


def _parents_current(found: Sequence[Stored]) -> Check:
    known = {str(each.place): each.pointer["digest"] for each in found}
    read = [
        (each.place, parent, digest)
        for each in found
        for parent, digest in each.pointer["parents"].items()
        if parent in known
    ]
    wrong = [f"{place} was made from an older {parent}" for place, parent, digest in read if known[parent] != digest]
    advice = "stale, not broken: run the cohort again, or see `pseudopair status`"
    return Check("parents_current", len(read), tuple(wrong), advice, warning=True)


def _partitions_declared(found: Sequence[Stored]) -> Check:
    wrong = tuple(str(each.place) for each in found if not is_declared(each.place))
    advice = "left from another number of shards; `pseudopair gc` removes them once nothing current was made from them"
    return Check("partitions_declared", len(found), wrong, advice, warning=True)


def _pointer(parent: str) -> str:
    stage, _, partition = parent.partition("@")
    return f"{Place(stage, partition).folder}/CURRENT.json"


def _withdrawn(store: ObjectStore, found: Sequence[Stored]) -> Check:
    advice = "run `pseudopair forget` for the patient again: it removes what was left or came back"
    try:
        # Where ids are a cohort's own, somebody may have withdrawn from one cohort only.
        out_of = {cohort: withdrawn(store, cohort) for cohort in {cohort_of(each.place.partition) for each in found}}
    except WithdrawnError as error:
        return Check("withdrawn_absent", 0, (str(error),), advice)
    wrong, looked_at = [], 0
    for each in found:
        out = out_of[cohort_of(each.place.partition)]
        for name in each.table.column_names:
            values = sorted(_kept_out(name, out))
            looked_at += len(values) and each.table.num_rows
            there = pc.sum(pc.is_in(each.table[name], pa.array(values, pa.string()))).as_py() if values else 0
            if there:
                wrong.append(f"{each.place}: {name} of {there} rows")
    return Check("withdrawn_absent", looked_at, tuple(wrong), advice)


def _kept_out(column: str, out: Withdrawn) -> frozenset[str]:
    if column.endswith("patient"):
        return out.patients
    if column.endswith("file_digest"):
        return out.files
    return out.radiographs if column.endswith("_id") and column != "pair_id" else frozenset()
