"""A store with all that the localisation stage reads: a few small phantoms whose maps are their own lesions."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from assets.images import to_uint16
from assets.localisation.asset_rows import localised_tasks
from assets.localisation.settings import LocalisationSettings
from assets.normal_maps.settings import NormalMapsSettings
from assets.normal_maps.stored import FITTED_ON, members_array
from assets.prealignment.lung_coordinates import prealign, reference_frame
from assets.prealignment.settings import PrealignmentSettings
from assets.prealignment.warp import quantize, warp_image, warp_lungs
from assets.radiographs.phantom.cohort import phantom_subject
from assets.radiographs.phantom.settings import PhantomSettings
from assets.registration.settings import RegistrationSettings
from assets.scoring.score import KINDS
from assets.translation.moments import arrays_of, no_moments
from pipelines.forget.schemas import SCHEMAS
from resources.arrays import encode
from resources.manifests import Place, digest_of, publish
from resources.object_store import ObjectStore
from resources.stage_run import StageRun

Row = dict[str, Any]
Arrays = dict[str, npt.NDArray[Any]]
COHORT, SHARD, SIDE = "phantom", "phantom/0", 64
SUBJECTS = 6
PHANTOMS = PhantomSettings(size=SIDE, subjects=SUBJECTS, seed=3)
IT_PR = PrealignmentSettings()
READ = ("radiographs", "lung_masks", "prealigned_radiographs", "registered_radiographs", "anomaly_maps")
MODELS = ("reference_lung", "registration_model", "pseudo_pairs", "normal_maps")
ARMS = ("none/pca", "it_pr/pca", "it_dpr/pca")
FEW = LocalisationSettings(random_sigmas=[6.0], random_draws=2)


class MadeUp:
    """Phantoms 0, 2 and 4 are normal, 1, 3 and 5 have lesions; all are test radiographs of patients of their own.

    Attributes:
        store: where everything lies.
        rows: manifest rows by stage, to be changed before they are written.
    """

    def __init__(self, root: Path) -> None:
        self.store = ObjectStore(str(root))
        self.phantoms = [phantom_subject(index, PHANTOMS.seed, PHANTOMS) for index in range(SUBJECTS)]
        lungs = self.phantoms[0].lungs
        self.frame = reference_frame(lungs, IT_PR)
        self.rows: dict[str, list[Row]] = {stage: [] for stage in (*READ, *MODELS)}
        self._subjects()
        image = to_uint16(self.phantoms[0].image)
        self.rows["reference_lung"] = [
            self._stored("reference_lung", COHORT, "reference", {"lungs": lungs, "image": image})
        ]
        model = {
            "settings": RegistrationSettings().model_dump_json(),
            "roughness_typical": 0.0,
            "roughness_limit": 99.0,
        }
        self.rows["registration_model"] = [{**_row("model"), **model}]
        self.rows["normal_maps"] = [{**_row(arm), "arm": arm, "seed": 0, "threshold": 0.25} for arm in ARMS]

    def _subjects(self) -> None:
        for index, phantom in enumerate(self.phantoms):
            about = _about(index)
            still = np.zeros((2, SIDE // 2, SIDE // 2), np.float16)
            displacement = prealign(self.frame, phantom.lungs, IT_PR)
            arrays: Arrays = {"image": to_uint16(phantom.image)}
            lesion = (phantom.lesion > 0).astype(np.float32)
            if lesion.any():
                arrays["lesion"] = phantom.lesion
            warped = warp_image(lesion, displacement)
            stages: dict[str, tuple[Row, Arrays]] = {
                "radiographs": (_placed(bool(lesion.any())), arrays),
                "lung_masks": ({"window_low": 0.0, "window_high": 1.0}, {"lungs": phantom.lungs}),
                "prealigned_radiographs": ({}, {"displacement": quantize(displacement)}),
                "registered_radiographs": ({}, {"velocity": still, "lungs": warp_lungs(phantom.lungs, displacement)}),
            }
            for stage, (columns, stored) in stages.items():
                self.rows[stage].append({**about, **self._stored(stage, SHARD, f"{stage}{index}", stored), **columns})
            for arm in ARMS:
                alignment, _, method = arm.partition("/")
                frame_map = lesion if alignment == "none" else warped
                lungs = phantom.lungs if alignment == "none" else stages["registered_radiographs"][1]["lungs"]
                scored = self._stored("anomaly_maps", SHARD, f"{arm}{index}", _scored(frame_map, lungs))
                named = {"arm": arm, "alignment": alignment, "method": method, "seed": 0}
                self.rows["anomaly_maps"].append({**about, **scored, **named})

    def radiograph(self, index: int) -> Row:
        """The radiograph's row, to be changed in place; its key is another one then."""
        row = self.rows["radiographs"][index]
        row["key"] += "x"
        return row

    def pairs(self, boxes: list[list[float]], split: str = "train") -> None:
        """Pairs of one training radiograph with boxes in the reference frame."""
        named = [dict(zip(("x", "y", "width", "height", "kind"), [*box, ""], strict=True)) for box in boxes]
        pair = {"abnormal_id": "a" * 32, "abnormal_boxes": named, "split": split}
        self.rows["pseudo_pairs"] = [{**_row(f"pair{number}"), **pair} for number in range(2)]

    def remap(self, index: int, arm: str, values: npt.NDArray[np.float32]) -> None:
        """Another anomaly map."""
        (row,) = [
            each for each in self.rows["anomaly_maps"] if (each["radiograph_id"], each["arm"]) == (_id(index), arm)
        ]
        row |= self._stored("anomaly_maps", SHARD, f"{arm}{index}again", _scored(values, self.phantoms[index].lungs))

    def normals(self, arm: str, usual: npt.NDArray[np.float32]) -> None:
        """Normal maps of an arm: as many normals as are needed, whose maps are all the same and hardly vary."""
        rng, inside = np.random.default_rng(0), np.ones((SIDE, SIDE), np.bool_)
        sums = {kind: no_moments(SIDE) for kind in KINDS}
        for moments in sums.values():
            for _ in range(8):
                moments.add((usual + 0.02 * rng.random(usual.shape)).astype(np.float32), inside)
        arrays: Arrays = {**arrays_of(sums.items()), FITTED_ON: members_array(["0" * 32])}
        stored = self._stored("normal_maps", COHORT, f"normals {arm}", arrays)
        about = {"arm": arm, "seed": 0, "threshold": 0.25, "settings": NormalMapsSettings().model_dump_json()}
        self.rows["normal_maps"] = [{**stored, **about}]

    def without(self, *stages: str) -> None:
        """Leave stages out that never ran."""
        for stage in stages:
            del self.rows[stage]

    def run(self) -> StageRun:
        """A run of the stage on the rows as they are now."""
        for stage, rows in self.rows.items():
            schema = SCHEMAS[stage]
            table = pa.Table.from_pylist(
                [{name: row.get(name) for name in schema.names} for row in rows], schema=schema
            )
            settings = IT_PR.model_dump() if stage == "prealigned_radiographs" else {}
            place = Place(stage, COHORT if stage in MODELS else SHARD)
            publish(self.store, place, table, {"parents": {}, "settings": settings, "version": "1"})
        return StageRun(self.store, "localisation", "1", SHARD, COHORT, {}, {}, "", lambda _: None)

    def measured(self, settings: LocalisationSettings = FEW) -> dict[tuple[int, str, int], Row]:
        """Rows of the stage by number of the radiograph, arm and seed."""
        run = self.run()
        rows = run.refresh(localised_tasks(run, settings)).rows
        return {(int(row["radiograph_id"], 16), row["arm"], row["seed"]): row for row in rows}

    def _stored(self, stage: str, partition: str, name: str, arrays: Arrays) -> Row:
        path, data = Place(stage, partition).artifact(name.replace("/", "_")), encode(arrays, {})
        self.store.write(path, data)
        return {**_row(name), "artifact": path, "artifact_digest": digest_of(data)}


def _row(key: str) -> Row:
    return {"key": key, "status": "ok", "reason": "", "artifact": "", "artifact_digest": ""}


def _id(index: int) -> str:
    return f"{index:032x}"


def _about(index: int) -> Row:
    domain = "abnormal" if index % 2 else "normal"
    return {"radiograph_id": _id(index), "patient": f"{index:024x}", "domain": domain, "label": domain, "split": "test"}


def _scored(values: npt.NDArray[np.float32], lungs: npt.NDArray[np.uint8]) -> Arrays:
    return {
        "map": values.astype(np.float16),
        "positive": np.zeros(values.shape, np.float16),
        "lungs": (lungs > 0).astype(np.uint8),
    }


def _placed(has_lesion: bool) -> Row:
    scales = {"scale_x": 1.0, "scale_y": 1.0, "offset_x": 0.0, "offset_y": 0.0}
    return {"width": SIDE, "height": SIDE, **scales, "boxes": [], "has_lesion": has_lesion}
