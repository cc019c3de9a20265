"""Networks of the registration benchmark: fitted on the training phantoms, or taken from a folder where they lie."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors.numpy import load_file, save_file

from assets.peers.case import Case
from assets.peers.settings import PeerSettings
from assets.peers.synthmorph import fit_synthmorph
from assets.peers.voxelmorph import fit_voxelmorph
from assets.prealignment.lung_coordinates import prealign, reference_frame
from assets.prealignment.settings import PrealignmentSettings
from assets.registration.damaged_copies import damaged_displacements
from assets.registration.inference import refiner
from assets.registration.settings import RegistrationSettings
from assets.registration.training import Fitted, fit
from assets.registration_report.arms import Methods, trained_peer
from tests.benchmarks.registration_data import Cohort, progress, say, training_arrays

Weights = dict[str, npt.NDArray[np.float32]]
ROUGHNESS = "roughness"


@dataclass(frozen=True)
class Bundle:
    """All that the arms are made of, as plain arrays: it travels to the processes that measure memory."""

    reference: Case
    prealignment: PrealignmentSettings
    registration: RegistrationSettings
    peers: PeerSettings
    it_dpr: Weights
    voxelmorph: Weights
    synthmorph: Weights


@dataclass(frozen=True)
class Plan:
    """How the networks are fitted, and where they are kept; without a folder they are not."""

    registration: RegistrationSettings
    peers: PeerSettings
    folder: Path | None = None
    prealignment: PrealignmentSettings = field(default_factory=PrealignmentSettings)


def methods_of(bundle: Bundle) -> Methods:
    """The networks in memory, ready to be used."""
    state = {name: torch.from_numpy(value) for name, value in bundle.it_dpr.items()}
    typical, limit = map(float, state.pop(ROUGHNESS))
    reference = bundle.reference
    ready = refiner(state, bundle.registration, reference.image, reference.lungs, roughness=(typical, limit))
    return Methods(
        bundle.reference,
        reference_frame(bundle.reference.lungs, bundle.prealignment),
        lambda: ready,
        {
            "voxelmorph": trained_peer(bundle.voxelmorph, bundle.peers),
            "synthmorph": trained_peer(bundle.synthmorph, bundle.peers),
        },
    )


def fitted(data: Cohort, name: str, plan: Plan) -> Bundle:
    """Fit IT-DPR, VoxelMorph and SynthMorph on the training subjects, or load what was fitted on the same ones.

    Args:
        data: the phantoms.
        name: tells cohorts apart in the folder.
        plan: settings and folder. A changed setting fits anew, a changed program does not: then empty the folder.
    """
    images, lungs = training_arrays(data.train)
    reference = data.fixed

    def it_dpr() -> Fitted:
        frame = reference_frame(reference.lungs, plan.prealignment)
        settings = plan.registration
        rng = np.random.default_rng(settings.seed)
        damage = partial(damaged_displacements, copies=settings.damaged_copies, settings=plan.prealignment, rng=rng)
        return fit(
            images,
            lungs,
            np.stack([prealign(frame, mask, plan.prealignment) for mask in lungs]),
            reference.lungs,
            settings,
            settings.seed,
            damaged=None if settings.reading == "R1" else np.stack([damage(frame, mask) for mask in lungs]),
            progress=progress("IT-DPR", settings.steps),
        )

    def voxelmorph() -> Fitted:
        speak = progress("VoxelMorph", plan.peers.steps)
        return fit_voxelmorph(images, lungs, reference, plan.peers, progress=speak)

    def synthmorph() -> Fitted:
        speak = progress("SynthMorph", plan.peers.steps)
        return fit_synthmorph(lungs, reference, plan.peers, progress=speak)

    made_of = [name, plan.prealignment.model_dump()]
    own, peers = [*made_of, plan.registration.model_dump()], [*made_of, plan.peers.model_dump()]
    return Bundle(
        reference,
        plan.prealignment,
        plan.registration,
        plan.peers,
        _kept(plan.folder, "it_dpr", own, it_dpr),
        _kept(plan.folder, "voxelmorph", peers, voxelmorph),
        _kept(plan.folder, "synthmorph", peers, synthmorph),
    )


def _kept(folder: Path | None, network: str, made_of: Sequence[object], fit_it: Callable[[], Fitted]) -> Weights:
    key = sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:12]
    path = None if folder is None else folder / f"{network}-{key}.safetensors"
    if path is not None and path.is_file():
        say(f"{network}: taken from {path.name}")
        return dict(load_file(path))
    start = time.perf_counter()
    found = fit_it()
    weights = {name: value.numpy() for name, value in found.state.items()}
    if network == "it_dpr":
        weights[ROUGHNESS] = np.array(found.roughness, dtype=np.float32)
    say(f"{network}: fitted in {time.perf_counter() - start:.0f} s")
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(weights, path)
    return weights
