"""What stands beside the areas of a fold cohort: localisation, leak control, registration, images set aside."""

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from assets.alignments import peers_among
from assets.study.asset_reading import ok, problem_of, read
from assets.study.localised import LOCALISATION_COLUMNS
from assets.study.member import Aside
from assets.study.quality import REGISTRATION
from resources.manifests import Place, read_pointer
from resources.study_run import StudyRun

PEER_STAGE = "peer_registered"
ASIDE_STAGES = ("radiographs", "lung_masks", "prealigned_radiographs", "registered_radiographs")
# Frames in which lungs are registered, and the stage that tells how well; a peer's rows name it as their arm.
REGISTERED_BY = {"it_pr": "prealigned_radiographs", "it_dpr": "registered_radiographs"}


def leaks(run: StudyRun, cohort: str) -> pa.Table | str:
    """The leak control, or why it does not count."""
    place = Place("leak_control", cohort)
    problem = problem_of(run, place)
    return f"{place}: {problem}" if problem else read(run, place)


def localised(run: StudyRun, shards: Sequence[str]) -> pa.Table | str:
    """Rows of every shard, or why they don't count, as where one is of other maps than those of now."""
    places = [Place("localisation", shard) for shard in shards]
    problems = [f"{place}: {problem}" for place in places if (problem := problem_of(run, place))]
    if problems:
        return problems[0]
    tables = [read(run, place, LOCALISATION_COLUMNS) for place in places]
    # Between two shards of an upgrade, one lacks columns.
    return pa.concat_tables(tables, promote_options="default")


def registration(run: StudyRun, shards: Sequence[str]) -> dict[str, dict[str, float]]:
    """Means of `REGISTRATION` over the test radiographs that a frame has, by frame."""
    columns = ("split", *REGISTRATION)
    found = {
        alignment: pa.concat_tables([ok(run, Place(stage, key), columns) for key in shards])
        for alignment, stage in REGISTERED_BY.items()
    }
    made = _peer_places(run, shards)
    if made:
        peers = pa.concat_tables([ok(run, place, (*columns, "arm")) for place in made])
        found |= {name: peers.filter(pc.equal(peers["arm"], name)) for name in peers_among(peers["arm"].to_pylist())}
    return {alignment: _test_means(rows) for alignment, rows in found.items()}


def _test_means(rows: pa.Table) -> dict[str, float]:
    tested = rows.filter(pc.equal(rows["split"], "test"))
    means = {name: pc.mean(tested[name]).as_py() for name in REGISTRATION}
    return {name: mean for name, mean in means.items() if mean is not None}


def _peer_places(run: StudyRun, shards: Sequence[str]) -> list[Place]:
    """Where peers' frames lie; nothing is read, nor recorded as read, where the cohort makes none."""
    places = [Place(PEER_STAGE, key) for key in shards]
    pointers = [(place, read_pointer(run.store, place)) for place in places]
    return [place for place, pointer in pointers if pointer and pointer["rows"]]


def tested(run: StudyRun, shards: Sequence[str]) -> dict[str, int]:
    """Test radiographs by class that every frame but a peer's has."""
    tables = [ok(run, Place("registered_radiographs", key), ("domain", "split")) for key in shards]
    return dict(_by_domain(pa.concat_tables(tables)))


def aside(run: StudyRun, shards: Sequence[str]) -> Iterator[Aside]:
    """Test radiographs that were set aside, by stage and class."""
    for stage in ASIDE_STAGES:
        tables = [read(run, Place(stage, key), ("domain", "split", "status")) for key in shards]
        rows = pa.concat_tables(tables)
        found = _by_domain(rows.filter(pc.not_equal(rows["status"], "ok")))
        yield from (Aside(stage, domain, count) for domain, count in found)
    yield from _aside_by_peers(run, shards)


def _aside_by_peers(run: StudyRun, shards: Sequence[str]) -> Iterator[Aside]:
    made = _peer_places(run, shards)
    if not made:
        return
    rows = pa.concat_tables([read(run, place, ("domain", "split", "status", "arm")) for place in made])
    left_out = rows.filter(pc.not_equal(rows["status"], "ok"))
    for peer in peers_among(left_out["arm"].to_pylist()):
        found = _by_domain(left_out.filter(pc.equal(left_out["arm"], peer)))
        yield from (Aside(PEER_STAGE, domain, count, peer) for domain, count in found)


def _by_domain(rows: pa.Table) -> list[tuple[str, int]]:
    """Test radiographs by class."""
    counted = rows.filter(pc.equal(rows["split"], "test")).group_by("domain").aggregate([([], "count_all")])
    return sorted((row["domain"], row["count_all"]) for row in counted.to_pylist())
