"""A cohort's radiographs as the audit sees them, read from the stages."""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from assets.evaluation.patients import How
from assets.evaluation.scored import KNOWN
from assets.evaluation.settings import patient_score_of
from assets.images import from_uint16
from assets.pairing.asset_frames import FRAME_COLUMNS, FRAME_STAGES
from assets.pairing.chosen_frames import common_ids, join_chosen
from assets.pairing.frames import U8, FrameRows, Read, Row
from assets.registration.settings import RegistrationSettings
from assets.shortcuts.audit import Described
from assets.shortcuts.described import PICTURED, coded, curved, pictured
from assets.shortcuts.plain import lung_area_ratio, mean_jacobian_deviation, mean_lung_intensity
from assets.shortcuts.settings import ShortcutSettings
from assets.translation.frame_maps import Registration, frame_displacement
from resources.arrays import Arrays, CorruptArtifact
from resources.manifests import read_artifact
from resources.stage_run import StageRun

_READERS = 4
_OWN_COLUMNS = {
    "radiographs": ("width", "height", "scale_x", "scale_y"),
    "lung_masks": ("mask_source", "quality"),
}
_RECORDED = ("view", "sex", "age")


@dataclass(frozen=True)
class Seen:
    """One radiograph: its manifest rows, features of `PICTURED`, and plain quantities."""

    rows: FrameRows
    features: dict[str, npt.NDArray[np.float32]]
    quantities: dict[str, float]


def described(run: StageRun, settings: ShortcutSettings) -> Described:
    """Normal and abnormal radiographs of training and test that every frame can be made of."""
    columns = {stage: (*FRAME_COLUMNS[stage], *_OWN_COLUMNS.get(stage, ())) for stage in FRAME_STAGES}
    tables = [run.ok_table(stage, columns=columns[stage]) for stage in FRAME_STAGES]
    rows = list(join_chosen(tables, chosen_ids(tables, ("train", "test"), settings.radiographs)).values())
    reference: U8 = read_artifact(run.store, run.model("reference_lung"))["lungs"]
    model = run.model("registration_model")
    registration = Registration(
        RegistrationSettings.model_validate_json(model["settings"]),
        (model["roughness_typical"], model["roughness_limit"]),
    )
    look = partial(_seen, partial(read_artifact, run.store), reference, registration, settings)
    with ThreadPoolExecutor(_READERS) as readers:
        found = _without_problems(run, list(readers.map(partial(_seen_or_why, look), rows)))
    seen = _gathered(found, patient_score_of(run.mapping))
    several = radiographs_of_patients(tables, seen.patients)
    return replace(seen, quantities={**seen.quantities, "radiographs_of_patient": several})


def radiographs_of_patients(tables: Sequence[pa.Table], patients: npt.NDArray[np.str_]) -> npt.NDArray[np.float64]:
    """How many normal and abnormal radiographs in every table each patient has, whether looked at here or not.

    Args:
        tables: the first one has patient and domain.
        patients: (N,) identifiers; one may be there more than once.

    Returns:
        (N,) float64.
    """
    ids = pa.array(common_ids(tables), pa.string())
    counted = tables[0].filter(pc.is_in(tables[0]["radiograph_id"], value_set=ids))
    counted = counted.filter(pc.is_in(counted["domain"], value_set=pa.array(KNOWN)))
    by_patient = {row["values"]: row["counts"] for row in pc.value_counts(counted["patient"]).to_pylist()}
    return np.array([by_patient[patient] for patient in patients.tolist()], dtype=np.float64)


def chosen_ids(tables: Sequence[pa.Table], splits: Sequence[str], at_most: int) -> list[str]:
    """Ids of the first radiographs of each class and split that are in every table.

    Args:
        tables: the first one has domain and split.
        splits: which to take.
        at_most: so many of each class of each split.
    """
    radiographs, *others = tables
    chosen: list[str] = []
    for split in splits:
        for domain in ("abnormal", "normal"):
            wanted = pc.and_(pc.equal(radiographs["split"], split), pc.equal(radiographs["domain"], domain))
            chosen += common_ids([radiographs.filter(wanted), *others])[:at_most]
    return chosen


def _seen_or_why(look: Callable[[FrameRows], Seen], rows: FrameRows) -> Seen | str:
    try:
        return look(rows)
    except (OSError, CorruptArtifact, MemoryError):
        # The machine's fault and not the radiograph's.
        raise
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def _without_problems(run: StageRun, found: Sequence[Seen | str]) -> list[Seen]:
    for why, count in Counter(item for item in found if isinstance(item, str)).most_common():
        run.progress(f"{run.place}: {count} of {len(found)} radiographs cannot be looked at: {why}")
    return [item for item in found if not isinstance(item, str)]


def _seen(read: Read, reference: U8, registration: Registration, settings: ShortcutSettings, rows: FrameRows) -> Seen:
    arrays: dict[str, Arrays] = {}

    def once(row: Row) -> Arrays:
        return arrays[row["key"]] if row["key"] in arrays else arrays.setdefault(row["key"], read(row))

    image, lungs = from_uint16(once(rows.radiograph)["image"]), once(rows.lungs)["lungs"]
    warps: dict[str, float] = {}
    for alignment in ("it_pr", "it_dpr"):
        field = frame_displacement(alignment, rows, reference, once, registration)
        warps[alignment] = np.nan if field is None else mean_jacobian_deviation(field, reference)
    quality = rows.lungs["quality"]
    quantities = {
        "lung_area_ratio": lung_area_ratio(lungs),
        "mean_lung_intensity": mean_lung_intensity(image, lungs),
        "jacobian_deviation_it_pr": warps["it_pr"],
        "jacobian_deviation_it_dpr": warps["it_dpr"],
        "mask_quality": np.nan if quality is None else float(quality),
    }
    return Seen(rows, pictured(image, lungs, once(rows.prealigned)["lungs"], settings), quantities)


def _gathered(seen: Sequence[Seen], how: How) -> Described:
    sources = [item.rows.radiograph for item in seen]
    features = {name: _stacked([item.features[name] for item in seen]) for name in PICTURED}
    quantities = {
        name: np.array([item.quantities[name] for item in seen], dtype=np.float64)
        for name in (seen[0].quantities if seen else ())
    }
    recorded = {name: _recorded(name, sources) for name in _RECORDED}
    # What nobody recorded would make the rest unknown, too.
    known = [values for values in recorded.values() if np.isfinite(values).any()]
    every = np.concatenate([np.zeros((len(sources), 0)), *known], axis=1)
    return Described(
        np.array([row["patient"] for row in sources], dtype=np.str_),
        np.array([row["domain"] == "abnormal" for row in sources], dtype=np.bool_),
        np.array([row["split"] == "train" for row in sources], dtype=np.bool_),
        {
            **features,
            "aspect": curved([_aspect(row) for row in sources]),
            "mask_source": _categories([item.rows.lungs["mask_source"] for item in seen]),
            **recorded,
            "view_sex_age": every,
        },
        quantities,
        how,
    )


def _aspect(row: Row) -> float:
    """Logarithm of width over height as the radiograph lies on the canvas."""
    return float(np.log(row["width"] * row["scale_x"] / (row["height"] * row["scale_y"])))


def _recorded(name: str, rows: Sequence[Row]) -> npt.NDArray[np.float64]:
    values = [row[name] for row in rows]
    return curved(values) if name == "age" else _categories(values)


def _categories(values: Sequence[str | None]) -> npt.NDArray[np.float64]:
    return coded(values, sorted({value for value in values if value is not None}))


def _stacked(features: Sequence[npt.NDArray[np.float32]]) -> npt.NDArray[np.float64]:
    return np.array(features, dtype=np.float64).reshape(len(features), -1) if features else np.zeros((0, 0))
