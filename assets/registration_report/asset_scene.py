"""What radiographs are registered with, and how, from what a cohort has stored."""

import dagster as dg
import pyarrow as pa
import torch

from assets.images import from_uint16
from assets.pairing.chosen_frames import rows_of
from assets.pairing.frames import Row
from assets.peers.case import Align, Case
from assets.peers.settings import PeerSettings
from assets.peers.stored import PEERS, weights_of
from assets.prealignment.lung_coordinates import reference_frame
from assets.prealignment.settings import PrealignmentSettings
from assets.radiographs.declaration import parse_declaration
from assets.registration.asset_rows import trained_refiner
from assets.registration.inference import Refiner
from assets.registration.settings import RefinementSettings
from assets.registration_report.arms import Methods, arms, chosen, inverses, trained_peer
from assets.registration_report.scene import Scene
from assets.registration_report.settings import ArmName, ReportSettings
from resources.arrays import Arrays
from resources.manifests import read_artifact
from resources.planned import once
from resources.stage_run import StageRun
from resources.stage_settings import upstream_settings


def scene_of(run: StageRun, settings: ReportSettings, radiographs: pa.Table) -> Scene:
    """The reference, and every way that is asked for to register radiographs with it.

    Args:
        run: of the stage.
        settings: of the stage.
        radiographs: of the cohort, the reference's among them.

    Raises:
        Failure: the settings name a way that is not installed.
    """
    row, model, learned = (run.model(stage) for stage in ("reference_lung", "registration_model", "registration_peers"))
    stored = read_artifact(run.store, row)
    refinement = upstream_settings(run, "registered_radiographs", RefinementSettings)
    methods = _methods(run, stored, (row, model, learned), refinement)
    itself = next(iter(rows_of(radiographs, [row["radiograph_id"]])), None)
    declaration = parse_declaration(run.mapping)
    phantom = (declaration.phantom or {}) if declaration.kind == "phantom" else None
    models: dict[ArmName, Row] = {**dict.fromkeys(PEERS, learned), "it_dpr": model}
    ways = _chosen(arms(methods), settings)
    return Scene(methods.reference, row, itself, phantom, ways, inverses(methods), models, refinement)


def _methods(run: StageRun, stored: Arrays, rows: tuple[Row, Row, Row], refinement: RefinementSettings) -> Methods:
    row, model, learned = rows
    prealignment = upstream_settings(run, "prealigned_radiographs", PrealignmentSettings)

    def bound() -> Refiner:
        return trained_refiner(model, read_artifact(run.store, model), row, stored, refinement, torch.device("cpu"))

    peers, their = read_artifact(run.store, learned), PeerSettings.model_validate_json(learned["settings"])
    return Methods(
        Case(from_uint16(stored["image"]), stored["lungs"]),
        reference_frame(stored["lungs"], prealignment),
        once(bound, f"{run.cohort}: the registration network cannot be used; run registration_model again"),
        {peer: trained_peer(weights_of(peers, peer), their) for peer in PEERS},
    )


def _chosen(ways: dict[ArmName, Align], settings: ReportSettings) -> dict[ArmName, Align]:
    try:
        return chosen(ways, settings.arms)
    except ValueError as error:
        raise dg.Failure(f"registration_report.arms: {error}", allow_retries=False) from None
