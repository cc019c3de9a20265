"""Radiographs in the frames of peers, affine, VoxelMorph and SynthMorph: only where they are asked for."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial

import dagster as dg
import numpy as np
import pyarrow as pa

from assets.alignments import LEARNED, PeerAlignment
from assets.images import from_uint16
from assets.peer_registered.brought import brought, peer_ways, why_aside
from assets.peer_registered.settings import PeerFrameSettings
from assets.peers.case import Align, Case
from assets.peers.settings import PeerSettings
from assets.peers.stored import PEERS, weights_of
from assets.pictures import to_png
from assets.prealignment.asset_stored import MASK_COLUMNS, STORED, windowed
from assets.prealignment.preview import alignment_sheet
from assets.registration_report.arms import TrainedPeer, trained_peer
from assets.tables.alignment import PEER_REGISTERED
from assets.tables.common import CARRIED
from resources.dagster_shapes import PICTURE_BYTES, checked, column_schema, set_aside_table
from resources.incremental import Outcome, row_keys
from resources.manifests import read_artifact
from resources.partitions import SHARDS, cohort_model
from resources.planned import Brought, Planned, once, row_at, row_of
from resources.stage_config import config_schema
from resources.stage_run import StageRun, Store, stage_run
from resources.unchanged import unchanged

VERSION = "2"
SHEET_ROWS = 6
Ready = Callable[[], tuple[Case, dict[PeerAlignment, Align]]]


@dataclass(frozen=True)
class _Known:
    """A radiograph as its peers are given it, and its lesion where one is known."""

    case: Case
    lesion: np.ndarray[tuple[int, ...], np.dtype[np.bool_]] | None


@dg.asset(
    partitions_def=SHARDS,
    deps=["radiographs", "lung_masks", cohort_model("reference_lung"), cohort_model("registration_peers")],
    group_name="registration",
    kinds={"pytorch", "parquet"},
    owners=["team:imaging"],
    code_version=VERSION,
    config_schema=config_schema(PeerFrameSettings),
    metadata=column_schema(PEER_REGISTERED),
    check_specs=[dg.AssetCheckSpec("peers_registered", asset="peer_registered", description="Few registrations fail")],
)
def peer_registered(context: dg.AssetExecutionContext, store: Store) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Every radiograph in the frame of every peer that is asked for; by default none is, and nothing is read."""
    with stage_run(context, store, VERSION) as run:
        settings = run.settings(PeerFrameSettings)
        done = unchanged(run, PEER_REGISTERED) or _refreshed(run, settings)
        rows = done.columns("status", "reason", "arm")
        return run.finish(
            done,
            PEER_REGISTERED,
            {"set_aside": set_aside_table(rows)},
            partial(_pictures, run, done),
            [_check(rows, settings)],
        )


def _refreshed(run: StageRun, settings: PeerFrameSettings) -> Brought:
    if not settings.peers:
        return Brought(PEER_REGISTERED.empty_table(), 0, 0, 0)
    return run.refresh_planned(planned_frames(run, settings), PEER_REGISTERED)


def planned_frames(run: StageRun, settings: PeerFrameSettings) -> Planned:
    """The rows that a shard is to have, radiograph by radiograph, by what masks, reference and peers are now."""
    radiographs = run.ok_table("radiographs", run.partition, STORED)
    masks = run.ok_table("lung_masks", run.partition, MASK_COLUMNS)
    reference = run.model("reference_lung")
    model = run.model("registration_peers") if settings.learned else {}
    trained = [str(model.get(name, "")) for name in ("key", "artifact_digest")]
    ready = _ready(run, settings)
    count = len(settings.peers)
    names = settings.peers * masks.num_rows
    of_model = [[value if name in LEARNED else "" for name in names] for value in trained]
    masked = [key for key in masks["key"].to_pylist() for _ in settings.peers]
    decisive = settings.model_dump(include={"largest_folded_share"})

    @lru_cache(maxsize=1)
    def known(position: int) -> _Known:
        mask = row_at(masks, position)
        return _known(run, row_of(radiographs, mask["radiograph_id"]), mask)

    def work(position: int) -> Outcome:
        return _outcome(ready, names[position], known(position // count), settings)

    places = pa.array(np.repeat(np.arange(masks.num_rows), count))
    carried = masks.select(CARRIED).take(places).append_column("arm", pa.array(names, pa.string()))
    keys = row_keys(run.stage, run.version, decisive, [names, masked, reference["key"], *of_model])
    return Planned(keys, carried, work)


def _ready(run: StageRun, settings: PeerFrameSettings) -> Ready:
    """The reference and the peers, made ready where there is a radiograph to be registered."""

    def build() -> tuple[Case, dict[PeerAlignment, Align]]:
        stored = read_artifact(run.store, run.model("reference_lung"))
        reference = Case(from_uint16(stored["image"]), stored["lungs"])
        if not settings.learned:
            return reference, peer_ways(reference, {})
        row = run.model("registration_peers")
        weights, chosen = read_artifact(run.store, row), PeerSettings.model_validate_json(row["settings"])
        learned: dict[PeerAlignment, TrainedPeer] = {
            name: trained_peer(weights_of(weights, name), chosen) for name in PEERS
        }
        return reference, peer_ways(reference, learned)

    return once(build, f"{run.cohort}: the peers cannot be used; run registration_peers again")


def _known(run: StageRun, radiograph: dict[str, object], mask: dict[str, object]) -> _Known:
    lesion = read_artifact(run.store, radiograph).get("lesion")
    case = Case(windowed(run, radiograph, mask), read_artifact(run.store, mask)["lungs"])
    return _Known(case, None if lesion is None else lesion > 0)


def _outcome(ready: Ready, peer: PeerAlignment, known: _Known, settings: PeerFrameSettings) -> Outcome:
    reference, ways = ready()
    columns, arrays = brought(ways[peer](known.case), known.case, known.lesion, reference)
    reason = why_aside(columns["folded_share"], arrays["lungs"], settings.largest_folded_share)
    return Outcome(dict(columns), arrays, "needs_review" if reason else "ok", reason and f"{peer}: {reason}")


def _check(rows: list[dict[str, object]], settings: PeerFrameSettings) -> dg.AssetCheckResult:
    if settings.peers:
        return checked("peers_registered", rows, settings.share_set_aside)
    return dg.AssetCheckResult(check_name="peers_registered", passed=True, metadata={"note": "no peer is asked for"})


def _pictures(run: StageRun, done: Brought) -> dict[str, bytes]:
    """Of each peer the first radiographs by id, before and after."""
    by_peer: dict[str, list[dict[str, object]]] = {}
    for row in sorted(done.rows, key=lambda row: str(row["radiograph_id"])):
        if row["status"] == "ok":
            by_peer.setdefault(row["arm"], []).append(row)
    if not by_peer:
        return {}
    radiographs = run.ok_table("radiographs", run.partition, STORED)
    masks = run.ok_table("lung_masks", run.partition, MASK_COLUMNS)
    stored = read_artifact(run.store, run.model("reference_lung"))

    def sheet(rows: list[dict[str, object]]) -> bytes:
        names = [str(row["radiograph_id"]) for row in rows]
        chosen = [row_of(masks, name) for name in names]
        drawn = alignment_sheet(
            [windowed(run, row_of(radiographs, name), mask) for name, mask in zip(names, chosen, strict=True)],
            [read_artifact(run.store, mask)["lungs"] for mask in chosen],
            [from_uint16(read_artifact(run.store, row)["image"]) for row in rows],
            stored["lungs"],
            from_uint16(stored["image"]),
            [name[:6] for name in names],
        )
        return to_png(drawn, PICTURE_BYTES)

    return {f"frame {peer}": sheet(rows[:SHEET_ROWS]) for peer, rows in by_peer.items()}
