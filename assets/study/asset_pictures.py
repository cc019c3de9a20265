"""Radiographs that a study's report shows: maps of fold cohorts, and what the best arms misjudge."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assets.evaluation.report_model import Picture
from assets.pictures import to_png
from assets.scoring.preview import anomaly_sheet
from assets.study.analysis import Analysis
from assets.study.entries import ALL, Entry, seeds_of
from assets.study.failures import worst_failures
from assets.study.member import Member
from resources.dagster_shapes import PICTURE_BYTES
from resources.manifests import Place, read_artifact, require_current
from resources.partitions import SHARDS_BY_COHORT
from resources.study_run import StudyRun

COLUMNS = ("radiograph_id", "domain", "label", "split", "status", "arm", "seed", "artifact", "artifact_digest")
# Of each protocol the best arm and what it is compared with.
ARMS = 2
# Of a fold's summary, by the arm's name or as they are: title.
LOCALISATION = {
    "worst {arm}": "Findings that {arm} misses most ({protocol}): boxes in green",
    "localisation": "Localisation of all arms in one fold ({protocol}), beside guesses",
}


def member_pictures(run: StudyRun, analysis: Analysis) -> list[Picture]:
    """Maps of each protocol's best arm and of its plain counterpart, and its worst misses, of the first fold.

    A fold's own pictures are shown where its stages have drawn them.
    """
    shown: list[Picture] = []
    for protocol in analysis.study.protocols:
        for entry in arms_of_interest(analysis, protocol.name):
            seed = seeds_of(entry.arm, entry.protocol)[0]
            place, title = f"maps {entry.arm} seed {seed}", f"Anomaly maps of {entry.arm} ({protocol.name})"
            shards = [shard for cohort in _cohorts(analysis, entry) for shard in SHARDS_BY_COHORT[cohort]]
            found = _first(run, [Place("anomaly_maps", shard) for shard in shards], place)
            caption = f"{title}: test radiographs, lesions outlined where they are known"
            shown.extend([Picture(title, caption, found)] if found else [])
        for entry in arms_of_interest(analysis, protocol.name)[:1]:
            places = [Place("localisation_summary", cohort) for cohort in _cohorts(analysis, entry)]
            for name, text in LOCALISATION.items():
                title = text.format(arm=entry.arm, protocol=protocol.name)
                found = _first(run, places, name.format(arm=entry.arm))
                shown.extend([Picture(title, title, found)] if found else [])
    return shown


def failure_sheets(run: StudyRun, analysis: Analysis) -> dict[str, bytes]:
    """Abnormal test radiographs that each protocol's best arm scores lowest, then normal ones it scores highest."""
    sheets: dict[str, bytes] = {}
    for protocol in analysis.study.protocols:
        for entry in arms_of_interest(analysis, protocol.name)[:1]:
            seed = seeds_of(entry.arm, entry.protocol)[0]
            there = [m for m in analysis.members[protocol.name] if (entry.arm, seed) in m.arms]
            sheet = _failures(run, there[0], entry.arm, seed) if there else None
            sheets.update({f"failures {protocol.name}": sheet} if sheet else {})
    return sheets


def arms_of_interest(analysis: Analysis, protocol: str) -> list[Entry]:
    """The best arm of a protocol and the one that it is compared with, or else the second best; none without areas."""
    there = [e for e in analysis.entries if e.protocol.name == protocol and e.seed == ALL and e.found is not None]
    best_first = sorted(there, key=_strength, reverse=True)
    if not best_first:
        return []
    place = next(place for place, entry in enumerate(analysis.entries) if entry is best_first[0])
    contrast = analysis.aligned.get(place)
    return [best_first[0], *([contrast.other] if contrast else best_first[1:ARMS])]


def _strength(entry: Entry) -> float:
    """What the text ranks arms by, too: an ensemble of more seeds ranks better without any better training."""
    found = entry.singly or entry.found
    return found.auc.area if found else 0.0


def _cohorts(analysis: Analysis, entry: Entry) -> list[str]:
    seed = seeds_of(entry.arm, entry.protocol)[0]
    return [m.cohort for m in analysis.members[entry.protocol.name] if (entry.arm, seed) in m.arms]


def _first(run: StudyRun, places: list[Place], name: str) -> bytes | None:
    return next((png for place in places if (png := run.store.read_or_none(place.picture(name)))), None)


def _failures(run: StudyRun, member: Member, arm: str, seed: int) -> bytes | None:
    score = member.arms[arm, seed].score
    tables = [
        require_current(run.store, Place("anomaly_maps", shard), (*COLUMNS, score))[1]
        for shard in SHARDS_BY_COHORT[member.cohort]
    ]
    rows = pa.concat_tables(tables)
    wanted = {"status": "ok", "split": "test", "arm": arm, "seed": seed}
    for name, value in wanted.items():
        rows = rows.filter(pc.equal(rows[name], value))
    worst = worst_failures(rows, score).to_pylist()
    if not worst:
        return None
    arrays = [read_artifact(run.store, row) for row in worst]
    sheet = anomaly_sheet(
        [item["image"].astype(np.float32) / np.float32(255) for item in arrays],
        [item["map"].astype(np.float32) for item in arrays],
        [item["lungs"] for item in arrays],
        [f"{row['label'][:12]} {100 * row['share']:.0f} %" for row in worst],
        [item.get("lesion") for item in arrays],
    )
    return to_png(sheet, PICTURE_BYTES)
