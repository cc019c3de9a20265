"""The pairs of a cohort planned as their asset plans them; what it would read of pixels is a stand-in."""

from unittest import mock

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from assets.pairing.asset import VERSION as VERSION
from assets.pairing.asset import checks_of
from assets.pairing.asset_pairs import brought, usable_tables
from assets.pairing.asset_pixels import PairedCohort
from assets.pairing.pair_table import boxes_before
from assets.pairing.settings import PairingSettings
from assets.tables.common import BOX
from assets.tables.translation import PSEUDO_PAIRS
from resources.stage_run import StageRun


def pair(run: StageRun) -> int:
    """Bring a cohort's pairs up to date; how many were made now."""
    settings = run.settings(PairingSettings)
    with (
        mock.patch.object(PairedCohort, "similarities", _similarities),
        mock.patch.object(PairedCohort, "boxes", _boxes),
    ):
        tables = usable_tables(run)
        done = brought(run, tables, settings)
    run.finish(done, PSEUDO_PAIRS, {}, checks=checks_of(done.rows, tables))
    return done.counts()["computed"]


def _similarities(cohort: PairedCohort, pairs: npt.NDArray[np.int64]) -> dict[str, npt.NDArray[np.float64]]:
    return {"before": np.zeros(len(pairs)), "after": np.ones(len(pairs))}


def _boxes(cohort: PairedCohort, needed: npt.NDArray[np.int64]) -> pa.Array:
    """Boxes that were carried before, and for a radiograph that is new, its own where they are."""
    known = boxes_before(cohort.before)
    keys, boxes = cohort.rows["key"].to_pylist(), cohort.rows["canvas_boxes"].to_pylist()
    return pa.array([known.get(key, own) for key, own in zip(keys, boxes, strict=True)], pa.list_(BOX))
