import inspect
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
import torch
from safetensors.torch import load, save

from assets.registration.batches import Cohort, draw_batch, half_cohort
from assets.registration.deformations import keep_outlines, outline_normals, random_velocity
from assets.registration.fields import compose, integrate, resize_displacement, warp
from assets.registration.inference import load_network, refine, refiner, registered_displacement
from assets.registration.losses import field_distance
from assets.registration.network import predict_velocity
from assets.registration.settings import RefinementSettings, RegistrationSettings
from assets.registration.state import LOSS_TERMS, TrainingState
from assets.registration.training import Checkpoint, Fitted, Progress, TrainingStopped, fit
from assets.registration.views import one_hot

F32 = npt.NDArray[np.float32]
Lungs = npt.NDArray[np.uint8]
# one look at the reference as it is, so that it is mapped onto itself; the network is followed all the way
FOLLOWED = RefinementSettings(anchor_pairs=0, outline_doubt=0)


def train(
    cohort: Cohort,
    reference: Lungs,
    settings: RegistrationSettings,
    seed: int = 0,
    progress: Progress | None = None,
    resume: TrainingState | None = None,
    checkpoint: Checkpoint | None = None,
) -> Fitted:
    return fit(
        cohort.images,
        cohort.lungs,
        cohort.displacements,
        reference,
        settings,
        seed,
        damaged=cohort.damaged,
        progress=progress,
        resume=resume,
        checkpoint=checkpoint,
    )


def registered(
    cohort: Cohort,
    reference: Lungs,
    reference_image: F32 | None,
    weights: dict[str, torch.Tensor],
    settings: RegistrationSettings,
) -> F32:
    """Whole maps (N, 2, H, W) of a trained network."""
    ready = refiner(weights, settings, reference_image, reference, FOLLOWED)
    rows = zip(cohort.images, cohort.lungs, cohort.displacements, strict=True)
    return np.stack(
        [registered_displacement(refine(ready, image, lungs, start), start, settings) for image, lungs, start in rows]
    )


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_resumed_training_is_bit_equal(spoilt: Cohort, reference: Lungs, each: RegistrationSettings) -> None:
    # rounds change at step 3: before it, at it, just after it, at the end
    settings = each.model_copy(update={"checkpoint_every": 1})
    states: list[TrainingState] = []
    whole = train(spoilt, reference, settings, checkpoint=states.append)
    assert len(states) == 6
    for done in (2, 3, 4, 6):
        stored = dict(load(save(states[done - 1])))
        resumed = train(spoilt, reference, settings, resume=stored)
        assert same(resumed.state, whole.state)
        assert resumed.history == whole.history


class Killed(Exception):
    pass


def test_interrupted_training_goes_on_from_its_checkpoint(
    spoilt: Cohort, reference: Lungs, tiny: RegistrationSettings
) -> None:
    def interrupt(step: int, _: dict[str, float]) -> None:
        if step == 4:
            raise Killed

    states: list[TrainingState] = []
    with pytest.raises(Killed):
        train(spoilt, reference, tiny, progress=interrupt, checkpoint=states.append)
    steps: list[int] = []
    resumed = train(spoilt, reference, tiny, resume=states[-1], progress=lambda step, _: steps.append(step))
    assert steps == [4, 5]
    assert same(resumed.state, train(spoilt, reference, tiny).state)


def test_checkpoints_are_copies(toy: Cohort, reference: Lungs, tiny: RegistrationSettings) -> None:
    states: list[TrainingState] = []
    train(toy, reference, tiny, checkpoint=states.append)
    assert not torch.equal(states[0]["network.velocity.weight"], states[1]["network.velocity.weight"])
    assert states[0]["history"].shape == (2, len(LOSS_TERMS))


def test_seed_decides_weights_batches_and_jitter(toy: Cohort, reference: Lungs, each: RegistrationSettings) -> None:
    before = torch.get_rng_state()
    assert same(train(toy, reference, each, 3).state, train(toy, reference, each, 3).state)
    assert not same(train(toy, reference, each, 3).state, train(toy, reference, each, 4).state)
    assert torch.equal(torch.get_rng_state(), before)


def test_readings_differ(toy: Cohort, reference: Lungs, tiny: RegistrationSettings) -> None:
    losses = {
        reading: train(toy, reference, tiny.model_copy(update={"reading": reading, "steps": 1})).history[0]["loss"]
        for reading in ("R1", "R2", "R3")
    }
    # R2 and R3 draw the same deformations, but see different things: untrained, they move nothing
    assert losses["R2"] == pytest.approx(losses["R3"], rel=1e-3)
    assert losses["R1"] != pytest.approx(losses["R3"], rel=0.1)


REACHES = {
    "R1": {"jitter", "weight_decay", "pose_jitter"},
    "R2": {"jitter", "weight_decay", "deformation", "sideways", "outline_kept", "damaged"},
    "R3": {"jitter", "weight_decay", "deformation", "sideways", "outline_kept", "damaged", "rounds"},
}
"""Settings that each reading's training depends on."""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("jitter", 0.0),
        ("pose_jitter", 0.0),
        ("deformation", 0.01),
        ("sideways", 0.9),
        ("outline_kept", 0.0),
        ("damaged", 0.9),
        ("rounds", 3),
        ("weight_decay", 0.5),
    ],
)
def test_a_setting_reaches_the_readings_that_it_is_for(
    spoilt: Cohort, reference: Lungs, each: RegistrationSettings, name: str, value: float
) -> None:
    plain = each.model_copy(update={"outline_kept": 1.0, "damaged": 0.1})
    changed = plain.model_copy(update={name: value})
    equal = same(train(spoilt, reference, plain).state, train(spoilt, reference, changed).state)
    assert equal is (name not in REACHES[each.reading])


@pytest.mark.parametrize("name", ["field", "similarity", "smoothness", "dice"])
def test_every_weight_counts_once(toy: Cohort, reference: Lungs, each: RegistrationSettings, name: str) -> None:
    weights = {f"{term}_weight": 0.0 for term in ("field", "similarity", "smoothness", "dice")}
    settings = each.model_copy(update={**weights, f"{name}_weight": 3.0, "steps": 2})
    for terms in train(toy, reference, settings).history:
        assert terms["loss"] == pytest.approx(3 * terms[name], rel=1e-5)


def test_labels_cannot_enter() -> None:
    arguments = set(inspect.signature(fit).parameters)
    assert arguments == {
        *("images", "lungs", "displacements", "reference_lungs", "settings", "seed", "damaged"),
        *("device", "progress", "resume", "checkpoint"),
    }


def test_first_field_term_of_r1_is_the_pre_alignment_itself(
    toy: Cohort, reference: Lungs, imitating: RegistrationSettings
) -> None:
    # an untrained network returns the identity, so the distance (px^2 of the canvas) is the mean of |u_T|^2
    settings = imitating.model_copy(update={"batch_size": 12, "steps": 1, "pose_jitter": 0.0})
    lengths = np.square(toy.displacements).sum(1)[:, reference > 0].mean()
    assert train(toy, reference, settings).history[0]["field"] == pytest.approx(float(lengths), rel=0.05)


def test_first_field_term_of_the_others_is_the_error_of_the_damaged_mask(
    spoilt: Cohort, reference: Lungs, composed: RegistrationSettings
) -> None:
    # wrong by one pixel of the half grid everywhere: 31 / 15 px of the canvas
    assert spoilt.damaged is not None
    settings = composed.model_copy(update={"batch_size": 12, "steps": 1, "damaged": 1.0, "deformation": 0.0})
    across = replace(spoilt, damaged=spoilt.damaged[:, :1])
    first = train(across, reference, settings).history[0]
    assert first["field"] == pytest.approx((31 / 15) ** 2, rel=0.01)
    # whole masks undeformed have nothing to be undone
    assert train(across, reference, settings.model_copy(update={"damaged": 0.0})).history[0]["field"] < 1e-3


def lively(settings: RegistrationSettings) -> RegistrationSettings:
    """Six steps in two rounds of three that move something, their checkpoints after every step."""
    return settings.model_copy(update={"learning_rate": 0.02, "checkpoint_every": 1, "damaged": 0.0})


def test_a_second_round_changes_nothing_before_it_begins(
    toy: Cohort, reference: Lungs, tiny: RegistrationSettings
) -> None:
    settings = lively(tiny)
    one, two = (train(toy, reference, settings.model_copy(update={"rounds": rounds})) for rounds in (1, 2))
    assert one.history[:3] == two.history[:3]
    assert one.history[3]["field"] != pytest.approx(two.history[3]["field"], rel=1e-3)
    assert not same(one.state, two.state)


def test_known_maps_of_the_second_round_are_the_teachers(
    toy: Cohort, reference: Lungs, tiny: RegistrationSettings
) -> None:
    settings = lively(tiny)
    states: list[TrainingState] = []
    fitted = train(toy, reference, settings, checkpoint=states.append)
    assert all(torch.equal(states[3][f"teacher.{name}"], states[2][f"network.{name}"]) for name in fitted.state)
    weights = {name: states[2][f"network.{name}"] for name in fitted.state}
    network = load_network(weights, settings)
    known = torch.from_numpy(registered(toy, reference, None, weights, settings))
    half = half_cohort(toy, reference)

    def field_term(known: torch.Tensor) -> float:
        """Of step 3, had its known maps been these."""
        batch = draw_batch(replace(half, known=known), settings, 0, 3, torch.device("cpu"))
        with torch.inference_mode():
            velocity = predict_velocity(network, batch.views)
        ours = compose(batch.start, integrate(velocity, settings.integration_steps))
        error = (ours - batch.known) * (31 / 15)
        return field_distance(error, torch.zeros_like(error), half.reference.sum(1, keepdim=True)).item()

    taught = field_term(resize_displacement(known, (16, 16)))
    found = fitted.history[3]["field"]
    assert found == pytest.approx(taught, rel=0.02)
    assert found != pytest.approx(field_term(half.known), rel=0.1)


def with_lesion(cohort: Cohort, lesion: Lungs) -> Cohort:
    brighter = np.where(lesion > 0, 0.8, cohort.images).astype(np.float32)
    return replace(cohort, images=brighter)


def misplaced(cohort: Cohort, reference: Lungs, fields: F32) -> float:
    return float(np.linalg.norm(fields - cohort.displacements, axis=1)[:, reference > 0].mean())


def test_r1_learns_the_pre_alignment_and_keeps_unseen_lesions(
    toy: Cohort, reference: Lungs, imitating: RegistrationSettings
) -> None:
    settings = imitating.model_copy(update={"steps": 150, "learning_rate": 3e-3, "pose_jitter": 0.0})
    weights = train(toy, reference, settings).state
    unmoved = misplaced(toy, reference, np.zeros_like(toy.displacements))
    assert unmoved > 1.5
    assert misplaced(toy, reference, registered(toy, reference, None, weights, settings)) < unmoved / 2

    # the reference has no anchor here: it is mapped onto itself as well as the network has learned it
    y, x = np.mgrid[:32, :32].astype(np.float32) / 31
    itself = (np.where(reference > 0, 0.3, 0.7) + 0.1 * np.sin(20 * x) * np.cos(15 * y)).astype(np.float32)
    still = Cohort(itself[None], reference[None], np.zeros((1, 2, 32, 32), np.float32))
    assert misplaced(still, reference, registered(still, reference, None, weights, settings)) < unmoved / 2

    # a bright disc, absent from every training image, takes the area that the true map gives it
    lesion = ((31 * x - 9.5) ** 2 + (31 * y - 15.5) ** 2 < 9).astype(np.uint8)
    fields = registered(with_lesion(toy, lesion), reference, None, weights, settings)
    soft = torch.from_numpy(lesion[None, None]).float().expand(12, -1, -1, -1)
    kept, true = (warp(soft, torch.from_numpy(field)).sum().item() for field in (fields, toy.displacements))
    assert 0.9 < kept / true < 1.1


def slid(reference: Lungs, settings: RegistrationSettings, count: int) -> tuple[F32, Cohort, F32]:
    """A body whose lungs' content slides along their outlines, which show nothing of it.

    Returns:
        The body itself, (H, W), radiographs of it, whose pre-alignment by outlines is the identity, and the true maps
        (count, 2, H, W), body -> radiograph.
    """
    size = reference.shape[0], reference.shape[1]
    y, x = np.mgrid[: size[0], : size[1]] / (size[0] - 1)
    texture = 0.2 * np.sin(18 * x) * np.cos(22 * y)
    body = torch.from_numpy((np.where(reference > 0, 0.3, 0.7) + texture).astype(np.float32))
    normals = outline_normals(one_hot(torch.from_numpy(reference)[None]))
    velocity = keep_outlines(random_velocity(count, size, settings, np.random.default_rng(1)), normals)
    images = warp(body.expand(count, 1, -1, -1), integrate(-velocity, 7))[:, 0].clamp(0, 1).numpy()
    starts = np.zeros((count, 2, *size), np.float32)
    cohort = Cohort(images, np.repeat(reference[None], count, axis=0), starts)
    return body.numpy(), cohort, integrate(velocity, 7).numpy()


def test_r3_finds_in_the_interior_what_outlines_do_not_show(large_reference: Lungs, tiny: RegistrationSettings) -> None:
    changed = {"encoder_features": [16, 24, 32], "decoder_features": [32, 24, 16], "final_features": []}
    pairs = {"deformation": 0.04, "sideways": 0.3, "knots": [2, 3, 4], "outline_kept": 1.0, "jitter": 0.1}
    weights = {"field_weight": 1.0, "similarity_weight": 0.0, "smoothness_weight": 0.5}
    schedule = {"steps": 300, "batch_size": 8, "learning_rate": 4e-3, "checkpoint_every": 1000}
    settings = tiny.model_copy(update={**changed, **pairs, **weights, **schedule})
    reference = large_reference[::2, ::2]
    body, whole, true = slid(reference, settings, 40)
    seen = Cohort(whole.images[:32], whole.lungs[:32], whole.displacements[:32])
    fitted = train(seen, reference, settings)
    # eight radiographs that were not in the training
    found = registered(whole, reference, body, fitted.state, settings)[32:]
    inside = reference > 0
    before, after = (np.linalg.norm(error, axis=1)[:, inside].mean() for error in (true[32:], found - true[32:]))
    assert before > 1
    assert after < 0.75 * before


def test_fewer_images_than_a_batch(toy: Cohort, reference: Lungs, each: RegistrationSettings) -> None:
    one = Cohort(toy.images[:1], toy.lungs[:1], toy.displacements[:1])
    assert len(train(one, reference, each).history) == each.steps


def test_more_radiographs_than_the_teacher_sees_at_once(
    toy: Cohort, reference: Lungs, tiny: RegistrationSettings
) -> None:
    twice = Cohort(*(np.concatenate([value, value]) for value in (toy.images, toy.lungs, toy.displacements)))
    assert len(train(twice, reference, tiny).history) == tiny.steps


def test_no_images_is_an_error(toy: Cohort, reference: Lungs, tiny: RegistrationSettings) -> None:
    with pytest.raises(ValueError, match="images is empty"):
        train(Cohort(toy.images[:0], toy.lungs[:0], toy.displacements[:0]), reference, tiny)


def test_misfit_arrays_are_named(spoilt: Cohort, reference: Lungs, tiny: RegistrationSettings) -> None:
    assert spoilt.damaged is not None
    for misfit, message in (
        (replace(spoilt, lungs=spoilt.lungs[:3]), "lungs has shape"),
        (replace(spoilt, displacements=spoilt.displacements[:, :1]), "displacements has shape"),
        (replace(spoilt, damaged=spoilt.damaged[:5]), "damaged has shape"),
        (replace(spoilt, damaged=spoilt.damaged[..., :8]), "damaged has shape"),
    ):
        with pytest.raises(ValueError, match=message):
            train(misfit, reference, tiny)
    short = Cohort(spoilt.images[:, :24], spoilt.lungs[:, :24], spoilt.displacements[:, :, :24])
    with pytest.raises(ValueError, match="multiples of 16"):
        train(short, reference[:24], tiny)
    with pytest.raises(ValueError, match="reference_lungs is empty"):
        train(spoilt, np.zeros_like(reference), tiny)


def test_a_loss_that_is_no_number_stops_the_training(toy: Cohort, reference: Lungs, each: RegistrationSettings) -> None:
    images = np.full_like(toy.images, np.nan)
    with pytest.raises(TrainingStopped, match="stopped at step 0: the loss is not finite") as stopped:
        train(Cohort(images, toy.lungs, toy.displacements), reference, each)
    assert stopped.value.step == 0


def test_a_foreign_state_is_refused(toy: Cohort, reference: Lungs, tiny: RegistrationSettings) -> None:
    states: list[TrainingState] = []
    train(toy, reference, tiny, checkpoint=states.append)
    for changed in ({"final_features": [12]}, {"reading": "R2"}):
        with pytest.raises(ValueError, match="resume doesn't fit"):
            train(toy, reference, tiny.model_copy(update=changed), resume=states[0])
