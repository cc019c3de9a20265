"""What trainings are made from, by frame: a peer's frame has only the radiographs that the peer could register."""

from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from assets.alignments import USUAL, Alignment, PeerAlignment, is_peer, peers_among
from assets.pairing.asset_frames import FRAME_COLUMNS, FRAME_STAGES, PEER_STAGE, peer_table
from assets.peer_registered.settings import PeerFrameSettings
from assets.translation.arms import parse_arm, unmade_frames
from resources.stage_run import StageRun
from resources.stage_settings import upstream_settings


@dataclass(frozen=True)
class Basis:
    """What the trainings of some frames are made from.

    Attributes:
        tables: of the stages of `FRAME_STAGES`, with `FRAME_COLUMNS`.
        pairs: training pairs, columns abnormal_id and normal_id.
        peers: rows after the peer whose frame it is, None for the usual frames.
        refusal: why nothing can be trained in it; empty where it can.
    """

    tables: list[pa.Table]
    pairs: pa.Table
    peers: pa.Table | None = None
    refusal: str = ""


def bases(run: StageRun, arms: Sequence[str]) -> list[tuple[Sequence[Alignment], Basis]]:
    """Frames with what the trainings in them are made from; the usual frames share theirs.

    Args:
        run: of the stage that trains.
        arms: as written in settings.

    Raises:
        Failure: no training pair, or a frame that is not made in this cohort.
    """
    alignments = [parse_arm(arm).alignment for arm in arms]
    whole = peer_table(run, _made(run, arms, alignments))
    usual = Basis(
        pairs=_training_pairs(run), tables=[run.ok_table(stage, columns=FRAME_COLUMNS[stage]) for stage in FRAME_STAGES]
    )
    found: list[tuple[Sequence[Alignment], Basis]] = []
    if not all(map(is_peer, alignments)):
        found.append((USUAL, usual))
    if whole is not None:
        found += [((peer,), _within(run, usual, whole, peer)) for peer in peers_among(alignments)]
    return found


def _made(run: StageRun, arms: Sequence[str], alignments: Sequence[Alignment]) -> list[PeerAlignment]:
    """The peers' frames among some, all of which must be made here."""
    peers = peers_among(alignments)
    made = upstream_settings(run, PEER_STAGE, PeerFrameSettings).peers if peers else []
    if problem := unmade_frames(arms, made):
        raise dg.Failure(f"{run.cohort}: translator.arms: {problem}", allow_retries=False)
    return peers


def _within(run: StageRun, usual: Basis, peers: pa.Table, peer: PeerAlignment) -> Basis:
    """Of the radiographs that a peer could register, and pairs where it could both."""
    own = peers.filter(pc.equal(peers["arm"], peer))
    mine = own["radiograph_id"].combine_chunks()
    radiographs, *others = usual.tables
    both = (pc.is_in(usual.pairs[name], value_set=mine) for name in ("abnormal_id", "normal_id"))
    pairs = usual.pairs.filter(pc.and_(*both))
    if lost := usual.pairs.num_rows - pairs.num_rows:
        run.progress(f"{peer}: {lost} of {usual.pairs.num_rows} training pairs are left out, see {PEER_STAGE}")
    known = radiographs.filter(pc.is_in(radiographs["radiograph_id"], value_set=mine))
    nothing = (
        f"{peer} registered both sides of no training pair; see the reasons in {PEER_STAGE}, or leave its arms out of "
        "translator.arms"
    )
    return Basis([known, *others], pairs, own, "" if pairs.num_rows else nothing)


def _training_pairs(run: StageRun) -> pa.Table:
    pairs = run.ok_table("pseudo_pairs", run.cohort, ["split", "abnormal_id", "normal_id"])
    pairs = pairs.filter(pc.equal(pairs["split"], "train"))
    if not pairs.num_rows:
        raise dg.Failure(
            f"{run.cohort}: no training pair, so nothing to train on; a cohort needs normal and abnormal rows in its "
            "training part (see normal_labels and abnormal_labels of its declaration)",
            allow_retries=False,
        )
    return pairs
