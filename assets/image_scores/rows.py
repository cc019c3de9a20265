"""What is told of an image before its maps are looked at: who it is, why it was set aside, what its arms say of it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from assets.evaluation.choice import Decisions
from assets.localisation.rows import SPLITS, boxes_in_source

Row = dict[str, Any]
Arm = tuple[str, int]

IMAGE = ("radiograph_id", "row", "patient", "label", "domain", "split", "width", "height")


@dataclass(frozen=True)
class Told:
    """One row to have.

    Attributes:
        columns: what is told of it without a look at its map.
        status: ok, or that of the stage that set it aside.
        reason: why it was set aside; empty for ok.
        scored: its row of the anomaly maps; None where it was set aside before.
    """

    columns: Row
    status: str
    reason: str
    scored: Row | None = None


@dataclass(frozen=True)
class Shard:
    """A shard's images as the stages left them.

    Attributes:
        radiographs: every row, those that could not be decoded too.
        aside: rows of later stages that are not ok, the stages in their order.
        scored: rows of the anomaly maps.
        peers_aside: rows after peers that are not ok, which name the peer as `arm`.
        arms: all arms of the cohort with their seeds.
    """

    radiographs: Sequence[Row]
    aside: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    scored: Sequence[Row] = ()
    peers_aside: Sequence[Row] = ()
    arms: Sequence[Arm] = ()


def told_rows(shard: Shard, decisions: Decisions, best: Arm | None) -> Iterator[Told]:
    """A row an image of the scored splits and arm, in the order of the images; one for each that was set aside.

    What a peer could not register is set aside for the arms in that peer's frame alone.

    Args:
        shard: its images.
        decisions: which score speaks for a method, and above what.
        best: arm and seed that validation patients prefer.
    """
    ends = {row["radiograph_id"]: (stage, row) for stage, rows in shard.aside.items() for row in rows}
    scored, without = _by_image(shard.scored), _by_image(shard.peers_aside)
    for radiograph in shard.radiographs:
        if radiograph["split"] not in SPLITS:
            continue
        if radiograph["status"] != "ok":
            yield _aside(radiograph, "radiographs", radiograph)
        elif radiograph["radiograph_id"] in ends:
            yield _aside(radiograph, *ends[radiograph["radiograph_id"]])
        else:
            yield from (
                _scored(radiograph, row, decisions, best) for row in scored.get(radiograph["radiograph_id"], [])
            )
            yield from (
                _aside(radiograph, "peer_registered", row, {"arm": arm, "seed": seed, "best": (arm, seed) == best})
                for row in without.get(radiograph["radiograph_id"], [])
                for arm, seed in shard.arms
                if arm.partition("/")[0] == row["arm"]
            )


def preferred(arms: Iterable[Arm], areas: Mapping[Arm, float]) -> Arm | None:
    """The arm and seed with the highest validation area, of equals and without areas the first; None without arms."""
    return max(arms, key=lambda arm: areas.get(arm, float("-inf")), default=None)


def _by_image(rows: Iterable[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row["radiograph_id"], []).append(row)
    return found


def _aside(radiograph: Row, stage: str, row: Row, arm: Row | None = None) -> Told:
    return Told({**_image(radiograph), "stage": stage, **(arm or {})}, row["status"], row["reason"] or "")


def _scored(radiograph: Row, row: Row, decisions: Decisions, best: Arm | None) -> Told:
    name = decisions.score(row["arm"])
    # A manifest may be older than a score.
    score, threshold = row.get(name), decisions.threshold(row["arm"], row["seed"], name)
    columns = {
        "stage": None if row["status"] == "ok" else "anomaly_maps",
        "arm": row["arm"],
        "seed": row["seed"],
        "best": (row["arm"], row["seed"]) == best,
        "score_name": name,
        "score": score,
        "threshold": threshold,
        "above": None if score is None or threshold is None else score > threshold,
    }
    return Told({**_image(radiograph), **columns}, row["status"], row["reason"] or "", row)


def _image(radiograph: Row) -> Row:
    return {**{name: radiograph[name] for name in IMAGE}, "boxes": boxes_in_source(radiograph)}
