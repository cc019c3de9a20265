"""What all rows of a report share, and what each of them is made from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from assets.pairing.frames import Row
from assets.peers.case import Align, Case
from assets.registration.settings import RefinementSettings
from assets.registration_report.registrations import Asked
from assets.registration_report.settings import ArmName


@dataclass(frozen=True)
class Scene:
    """The reference and the arms.

    Attributes:
        reference: image and lungs of the reference.
        row: its manifest row.
        radiograph: manifest row of the radiograph that is the reference, None for a mean shape.
        phantom: declared settings of a phantom cohort, None for a cohort of files.
        ways: the arms to measure.
        backs: the inverses of those that have their own.
        models: learned arm -> manifest row of its model.
        refinement: how IT-DPR's network is used.
    """

    reference: Case
    row: Row
    radiograph: Row | None
    phantom: dict[str, object] | None
    ways: Mapping[ArmName, Align]
    backs: Mapping[ArmName, Align]
    models: Mapping[ArmName, Row]
    refinement: RefinementSettings

    @property
    def steps(self) -> dict[ArmName, int]:
        """Learned arm -> steps of its training."""
        return {arm: model["steps"] for arm, model in self.models.items()}


def inputs_of(scene: Scene, rows: Asked, arm: ArmName) -> list[str]:
    """Keys and digests of all that one arm's registration of one radiograph is made from."""
    # either arm begins with IT-PR, whose settings are part of this key
    own = [rows.prealigned["key"]] if arm in ("it_pr", "it_dpr") else []
    model = scene.models.get(arm)
    learned = [] if model is None else [model["key"], model["artifact_digest"]]
    return [rows.radiograph["key"], rows.lungs["key"], scene.row["key"], *own, *learned]


def settings_of(scene: Scene, arm: ArmName) -> dict[str, Any]:
    """Settings that change an arm's result and that no key of its inputs stands for."""
    return {"arm": arm} | ({"refinement": scene.refinement.model_dump()} if arm == "it_dpr" else {})
