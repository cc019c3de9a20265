import inspect

import numpy as np
import numpy.typing as npt
import pytest
import torch
from safetensors.torch import load, save

from assets.registration.fields import warp
from assets.registration.inference import load_network, refine_batch, velocity_displacement
from assets.registration.settings import RegistrationSettings
from assets.registration.state import LOSS_TERMS, TrainingState
from assets.registration.training import Checkpoint, Cohort, Fitted, Progress, TrainingStopped, fit

F32 = npt.NDArray[np.float32]
Lungs = npt.NDArray[np.uint8]


def train(
    cohort: Cohort,
    reference: Lungs,
    settings: RegistrationSettings,
    seed: int = 0,
    progress: Progress | None = None,
    resume: TrainingState | None = None,
    checkpoint: Checkpoint | None = None,
    autocast: bool = False,
) -> Fitted:
    return fit(
        cohort.images,
        cohort.lungs,
        cohort.displacements,
        reference,
        settings,
        seed,
        progress=progress,
        resume=resume,
        checkpoint=checkpoint,
        autocast=autocast,
    )


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_resumed_training_is_bit_equal(toy: Cohort, reference: Lungs, tiny: RegistrationSettings) -> None:
    states: list[TrainingState] = []
    whole = train(toy, reference, tiny, checkpoint=states.append)
    assert len(states) == 3
    for state in states:
        stored = dict(load(save(state)))
        resumed = train(toy, reference, tiny, resume=stored)
        assert same(resumed.state, whole.state)
        assert resumed.history == whole.history


class Killed(Exception):
    pass


def test_interrupted_training_goes_on_from_its_checkpoint(
    toy: Cohort, reference: Lungs, tiny: RegistrationSettings
) -> None:
    def interrupt(step: int, _: dict[str, float]) -> None:
        if step == 4:
            raise Killed

    states: list[TrainingState] = []
    with pytest.raises(Killed):
        train(toy, reference, tiny, progress=interrupt, checkpoint=states.append)
    steps: list[int] = []
    resumed = train(toy, reference, tiny, resume=states[-1], progress=lambda step, _: steps.append(step))
    assert steps == [4, 5]
    assert same(resumed.state, train(toy, reference, tiny).state)


def test_checkpoints_are_copies(toy: Cohort, reference: Lungs, tiny: RegistrationSettings) -> None:
    states: list[TrainingState] = []
    train(toy, reference, tiny, checkpoint=states.append)
    assert not torch.equal(states[0]["network.velocity.weight"], states[1]["network.velocity.weight"])
    assert states[0]["history"].shape == (2, len(LOSS_TERMS))


def test_seed_decides_weights_batches_and_jitter(toy: Cohort, reference: Lungs, tiny: RegistrationSettings) -> None:
    before = torch.get_rng_state()
    assert same(train(toy, reference, tiny, 3).state, train(toy, reference, tiny, 3).state)
    assert not same(train(toy, reference, tiny, 3).state, train(toy, reference, tiny, 4).state)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", ["jitter", "pose_jitter"])
def test_jitter_reaches_the_training(toy: Cohort, reference: Lungs, tiny: RegistrationSettings, name: str) -> None:
    calm = tiny.model_copy(update={name: 0.0})
    assert not same(train(toy, reference, tiny).state, train(toy, reference, calm).state)


@pytest.mark.parametrize("name", ["field", "similarity", "smoothness", "dice"])
def test_every_weight_counts_once(toy: Cohort, reference: Lungs, tiny: RegistrationSettings, name: str) -> None:
    weights = {f"{term}_weight": 0.0 for term in ("field", "similarity", "smoothness", "dice")}
    settings = tiny.model_copy(update={**weights, f"{name}_weight": 3.0, "steps": 2})
    for terms in train(toy, reference, settings).history:
        assert terms["loss"] == pytest.approx(3 * terms[name], rel=1e-5)


def test_labels_cannot_enter() -> None:
    arguments = set(inspect.signature(fit).parameters)
    assert arguments == {
        *("images", "lungs", "displacements", "reference_lungs", "settings", "seed"),
        *("device", "autocast", "progress", "resume", "checkpoint"),
    }


def test_first_field_term_is_the_pre_alignment_itself(
    toy: Cohort, reference: Lungs, tiny: RegistrationSettings
) -> None:
    # an untrained network returns the identity, so the distance (px^2 of the canvas) is the mean of |u_T|^2
    settings = tiny.model_copy(update={"batch_size": 12, "steps": 1, "pose_jitter": 0.0})
    lengths = np.square(toy.displacements).sum(1)[:, reference > 0].mean()
    assert train(toy, reference, settings).history[0]["field"] == pytest.approx(float(lengths), rel=0.05)


def refined(cohort: Cohort, reference: Lungs, fitted: Fitted, settings: RegistrationSettings) -> F32:
    """Displacement fields (N, 2, 32, 32) of a trained network."""
    network = load_network(fitted.state, settings)
    velocities = refine_batch(network, cohort.images, cohort.lungs, cohort.displacements, reference, settings)
    return np.stack([velocity_displacement(v, (32, 32), settings.integration_steps) for v in velocities])


def with_lesion(cohort: Cohort, lesion: Lungs) -> Cohort:
    brighter = np.where(lesion > 0, 0.8, cohort.images).astype(np.float32)
    return Cohort(brighter, cohort.lungs, cohort.displacements)


def misplaced(cohort: Cohort, reference: Lungs, fields: F32) -> float:
    return float(np.linalg.norm(fields - cohort.displacements, axis=1)[:, reference > 0].mean())


def test_training_learns_the_pre_alignment_and_keeps_unseen_lesions(
    toy: Cohort, reference: Lungs, tiny: RegistrationSettings
) -> None:
    settings = tiny.model_copy(update={"steps": 150, "learning_rate": 3e-3, "pose_jitter": 0.0})
    fitted = train(toy, reference, settings)
    unmoved = misplaced(toy, reference, np.zeros_like(toy.displacements))
    assert unmoved > 1.5
    assert misplaced(toy, reference, refined(toy, reference, fitted, settings)) < unmoved / 2

    # a bright disc, absent from every training image, takes the area that the true map gives it
    y, x = np.mgrid[:32, :32]
    lesion = ((x - 9.5) ** 2 + (y - 15.5) ** 2 < 9).astype(np.uint8)
    fields = refined(with_lesion(toy, lesion), reference, fitted, settings)
    soft = torch.from_numpy(lesion[None, None]).float().expand(12, -1, -1, -1)
    kept, true = (warp(soft, torch.from_numpy(field)).sum().item() for field in (fields, toy.displacements))
    assert 0.9 < kept / true < 1.1


def test_training_learns_from_images_alone(toy: Cohort, reference: Lungs, tiny: RegistrationSettings) -> None:
    # the disc of the test above, unseen in training, then is warped to 0.81 and 0.80 of the area that the
    # lesion-free image's field gives it (seeds 0, 1; 0.97 and 0.96 with lungs shown): use_lungs is on by default
    settings = tiny.model_copy(update={"steps": 300, "learning_rate": 3e-3, "pose_jitter": 0.0, "use_lungs": False})
    fields = refined(toy, reference, train(toy, reference, settings), settings)
    assert misplaced(toy, reference, fields) < misplaced(toy, reference, np.zeros_like(toy.displacements)) / 2


def test_bfloat16_follows_float32(toy: Cohort, reference: Lungs, tiny: RegistrationSettings) -> None:
    plain = train(toy, reference, tiny).history[-1]["loss"]
    reduced = train(toy, reference, tiny, autocast=True)
    assert reduced.history[-1]["loss"] == pytest.approx(plain, rel=0.02)
    assert all(value.dtype == torch.float32 for value in reduced.state.values())


def test_fewer_images_than_a_batch(toy: Cohort, reference: Lungs, tiny: RegistrationSettings) -> None:
    one = Cohort(toy.images[:1], toy.lungs[:1], toy.displacements[:1])
    assert len(train(one, reference, tiny).history) == tiny.steps


def test_no_images_is_an_error(toy: Cohort, reference: Lungs, tiny: RegistrationSettings) -> None:
    with pytest.raises(ValueError, match="images is empty"):
        train(Cohort(toy.images[:0], toy.lungs[:0], toy.displacements[:0]), reference, tiny)


def test_misfit_arrays_are_named(toy: Cohort, reference: Lungs, tiny: RegistrationSettings) -> None:
    with pytest.raises(ValueError, match="lungs has shape"):
        train(Cohort(toy.images, toy.lungs[:3], toy.displacements), reference, tiny)
    with pytest.raises(ValueError, match="displacements has shape"):
        train(Cohort(toy.images, toy.lungs, toy.displacements[:, :1]), reference, tiny)
    short = Cohort(toy.images[:, :30], toy.lungs[:, :30], toy.displacements[:, :, :30])
    with pytest.raises(ValueError, match="multiples of 8"):
        train(short, reference[:30], tiny)
    with pytest.raises(ValueError, match="reference_lungs is empty"):
        train(toy, np.zeros_like(reference), tiny)


def test_a_loss_that_is_no_number_stops_the_training(toy: Cohort, reference: Lungs, tiny: RegistrationSettings) -> None:
    images = np.full_like(toy.images, np.nan)
    with pytest.raises(TrainingStopped, match="stopped at step 0: the loss is not finite") as stopped:
        train(Cohort(images, toy.lungs, toy.displacements), reference, tiny)
    assert stopped.value.step == 0


def test_a_foreign_state_is_refused(toy: Cohort, reference: Lungs, tiny: RegistrationSettings) -> None:
    states: list[TrainingState] = []
    train(toy, reference, tiny, checkpoint=states.append)
    wider = tiny.model_copy(update={"final_features": [12]})
    with pytest.raises(ValueError, match="resume doesn't fit"):
        train(toy, reference, wider, resume=states[0])
