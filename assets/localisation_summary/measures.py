"""All measures of one arm over the same radiographs and the same resamples of their patients."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from assets.localisation.boxes import box_rows
from assets.localisation.measured import SHARES
from assets.localisation.rows import corners
from assets.localisation_summary.curves import RATES, Detections, average_precision, froc
from assets.localisation_summary.matching import Found, Outcomes, matched
from assets.localisation_summary.resampling import ratio
from assets.localisation_summary.settings import SummarySettings
from assets.tables.localisation import LOCALISED

F64 = npt.NDArray[np.float64]
Index = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]

LEVELS = (0.1, 0.3, 0.5)
# Column of overlaps -> name of the share of boxes that reach a level.
BOXED = {"iou": "cl", "iou_any": "cl_any", "iobb": "iobb"}
AS_THEY_ARE = tuple(name for name in LOCALISED if name != "dice")


@dataclass(frozen=True)
class Cohort:
    """What all arms of a cohort are measured on.

    Attributes:
        ids: (N,) radiographs, sorted.
        patients: (N,) the patient of each, a column of the weights.
        drawn: (N,) whether the radiograph's findings are drawn.
        weights: (R + 1, P) of `patient_weights`.
    """

    ids: pa.Array
    patients: Index
    drawn: Mask
    weights: F64

    def of_arm(self, rows: pa.Table) -> pa.Table:
        """An arm's rows of these radiographs, in their order."""
        return rows.take(pc.index_in(self.ids, value_set=rows["radiograph_id"].combine_chunks())).combine_chunks()


def measured(rows: pa.Table, cohort: Cohort, settings: SummarySettings) -> dict[str, F64]:
    """Each measure of an arm on all patients and on each resample, (R + 1,); NaN where it is not defined.

    `cl_10` is the share of the boxes that the surest region of their radiograph's map overlaps by 0.1 or more, whatever
    the threshold; `cl_10_area` is its mean over thresholds from 0.1 to 0.9 of each map's own maximum, `cl_10_variation`
    its standard deviation over them by its mean: low is steady. `iobb_10` asks for the share of that region that lies
    in the box. All others hold the threshold: `cl_any_10` is the share of the boxes that any detection overlaps,
    `ap_10` and `froc_1` (false detections a radiograph) are of all detections together, `false_positives` are
    detections a radiograph that overlap no box. `dice_all` counts normal radiographs, too. The others are means over
    radiographs.

    Args:
        rows: of one arm and seed, in the order of the cohort.
        cohort: what all arms are measured on.
        settings: of the stage.
    """
    by_box = {
        f"{name}_{round(100 * level)}": _share_of_boxes(rows[column], level, cohort)
        for column, name in BOXED.items()
        for level in LEVELS
    }
    means = {name: _mean(rows[name], cohort.drawn, cohort) for name in AS_THEY_ARE}
    overlap = {
        "dice": _mean(rows["dice"], cohort.drawn, cohort),
        "dice_all": _mean(rows["dice"], np.ones_like(cohort.drawn), cohort),
    }
    return {
        **by_box,
        **_steadiness(rows["iou_by_share"], cohort),
        **means,
        **overlap,
        **_together(rows, cohort, settings),
    }


def _share_of_boxes(overlaps: pa.ChunkedArray, level: float, cohort: Cohort) -> F64:
    lists = overlaps.combine_chunks()
    parents = pc.list_parent_indices(lists).to_numpy()
    reached = pc.list_flatten(lists).to_numpy() >= level
    hits, boxes = (_summed(parents, each, len(lists)) for each in (reached, np.ones(len(parents))))
    return ratio(hits, boxes, cohort.patients, cohort.weights)


def _steadiness(overlaps: pa.ChunkedArray, cohort: Cohort) -> dict[str, F64]:
    lists = overlaps.combine_chunks()
    parents = pc.list_parent_indices(lists).to_numpy()
    reached = pc.list_flatten(pc.list_flatten(lists)).to_numpy().reshape(-1, len(SHARES)) >= LEVELS[0]
    boxes = _summed(parents, np.ones(len(parents)), len(lists))
    by_share = [_summed(parents, column, len(lists)) for column in reached.T]
    curve = np.stack([ratio(hits, boxes, cohort.patients, cohort.weights) for hits in by_share], axis=1)
    mean, spread = curve.mean(axis=1), curve.std(axis=1)
    area = np.trapezoid(curve, SHARES, axis=1) / (SHARES[-1] - SHARES[0])
    variation = np.divide(spread, mean, out=np.full(len(mean), np.nan), where=mean > 0)
    return {"cl_10_area": area, "cl_10_variation": variation}


def _mean(values: pa.ChunkedArray, counted: Mask, cohort: Cohort) -> F64:
    numbers = pc.fill_null(values, np.nan).to_numpy()
    known = counted & np.isfinite(numbers)
    return ratio(np.where(known, numbers, 0.0), known.astype(np.float64), cohort.patients, cohort.weights)


def _together(rows: pa.Table, cohort: Cohort, settings: SummarySettings) -> dict[str, F64]:
    by_level = {level: _detections(rows, cohort, level) for level in {*LEVELS, settings.froc_iou}}
    precision = {f"ap_{round(100 * level)}": average_precision(by_level[level], cohort.weights) for level in LEVELS}
    free = by_level[settings.froc_iou]
    shares = froc(free, cohort.weights)
    curve = {f"froc_{rate:g}": shares[:, column] for column, rate in enumerate(RATES)}
    false = _summed(free.patients, free.outcomes == Found.NOTHING, len(free.images))
    patients = np.arange(len(free.images))
    return {**precision, **curve, "false_positives": ratio(false, free.images, patients, cohort.weights)}


def _detections(rows: pa.Table, cohort: Cohort, level: float) -> Detections:
    lists, count = rows["detections"].combine_chunks(), cohort.weights.shape[1]
    parents = pc.list_parent_indices(lists).to_numpy()
    boxes = pc.fill_null(pc.list_value_length(rows["boxes"]), 0).to_numpy().astype(np.float64)
    return Detections(
        scores=pc.list_flatten(lists).field("score").to_numpy(),
        outcomes=_outcomes(rows, cohort.drawn, level),
        patients=cohort.patients[parents],
        boxes=_summed(cohort.patients, boxes, count),
        images=_summed(cohort.patients, np.ones(len(cohort.patients)), count),
    )


def _outcomes(rows: pa.Table, drawn: Mask, level: float) -> Outcomes:
    """Outcomes of all detections in the order of the rows; those of normal radiographs are all false."""
    lengths = pc.list_value_length(rows["detections"]).to_numpy()
    outcomes = np.full(int(lengths.sum()), Found.NOTHING, np.int8)
    first = np.cumsum(lengths) - lengths
    chosen = np.flatnonzero(drawn)
    for position, row in zip(chosen, rows.select(["detections", "boxes"]).take(chosen).to_pylist(), strict=True):
        found, boxes = (box_rows(corners(row[name])) for name in ("detections", "boxes"))
        outcomes[first[position] : first[position] + len(found)] = matched(found, boxes, level)
    return outcomes


def _summed(groups: npt.NDArray[np.integer], values: npt.ArrayLike, count: int) -> F64:
    """Sum of the values of each of `count` groups."""
    return np.bincount(groups, np.asarray(values, dtype=np.float64), count).astype(np.float64)
