"""Training and use of the segmenter on phantoms."""

import numpy as np
import numpy.typing as npt
import pytest
import torch

from assets.radiographs.phantom.cohort import phantom_subject
from assets.radiographs.phantom.settings import PhantomSettings
from assets.segmentation.quality import dice
from assets.segmenter.inference import labels_of, load_network, predict
from assets.segmenter.settings import SegmenterSettings
from assets.segmenter.training import TrainingStopped, fit

SMALL = SegmenterSettings(
    working_size=32, channels=[4, 8, 16], residual_units=1, steps=6, batch_size=2, checkpoint_every=2
)
Cohort = tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]


@pytest.fixture(scope="module")
def phantoms() -> Cohort:
    subjects = [phantom_subject(index, 0, PhantomSettings(size=64)) for index in range(12)]
    return np.stack([one.image for one in subjects]), np.stack([one.lungs for one in subjects])


def test_the_same_seed_trains_the_same_network(phantoms: Cohort) -> None:
    first, second, other = (fit(*phantoms, SMALL, seed) for seed in (1, 1, 2))
    assert first.history == second.history
    assert all(torch.equal(value, second.state[name]) for name, value in first.state.items())
    assert any(not torch.equal(value, other.state[name]) for name, value in first.state.items())


def test_a_resumed_training_ends_with_the_same_weights(phantoms: Cohort) -> None:
    kept: list[dict[str, torch.Tensor]] = []
    whole = fit(*phantoms, SMALL, 3, checkpoint=kept.append)
    assert len(kept) == 2
    for state in kept:
        resumed = fit(*phantoms, SMALL, 3, resume=state)
        assert resumed.history == whole.history
        assert all(torch.equal(value, resumed.state[name]) for name, value in whole.state.items())


def test_progress_is_told_every_step(phantoms: Cohort) -> None:
    told: list[tuple[int, float]] = []
    fitted = fit(*phantoms, SMALL, 0, progress=lambda step, entry: told.append((step, entry["loss"])))
    assert told == [(step + 1, entry["loss"]) for step, entry in enumerate(fitted.history)]


def test_a_short_training_finds_the_lungs_of_unseen_phantoms(phantoms: Cohort) -> None:
    settings = SMALL.model_copy(update={"steps": 250, "batch_size": 6, "exposure": 0.3, "deformation": 0.3})
    network = load_network(fit(*phantoms, settings, 0).state, settings)
    unseen = [phantom_subject(index, 1, PhantomSettings(size=64)) for index in range(8)]
    overlaps = [dice(labels_of(predict(network, one.image, settings)), one.lungs) for one in unseen]
    assert np.mean(overlaps) > 0.85


def test_a_loss_that_is_no_number_stops_the_training(phantoms: Cohort) -> None:
    settings = SMALL.model_copy(update={"learning_rate": 1e30})
    with pytest.raises(TrainingStopped, match="loss of step 2 is not finite"):
        fit(*phantoms, settings, 0)


def test_arrays_that_do_not_fit_are_refused(phantoms: Cohort) -> None:
    images, lungs = phantoms
    with pytest.raises(ValueError, match="images hold values that are not finite"):
        fit(np.full_like(images, np.nan), lungs, SMALL, 0)
    with pytest.raises(ValueError, match="expected at least one radiograph"):
        fit(images[:0], lungs[:0], SMALL, 0)
    with pytest.raises(ValueError, match=r"lungs has shape .*; expected that of images"):
        fit(images, lungs[:, :32], SMALL, 0)


def test_weights_of_another_network_are_refused(phantoms: Cohort) -> None:
    state = fit(*phantoms, SMALL.model_copy(update={"steps": 1}), 0).state
    with pytest.raises(ValueError, match="state doesn't fit the network"):
        load_network(state, SMALL.model_copy(update={"channels": [4, 8, 8]}))


def test_a_mirrored_radiograph_exchanges_passes_and_lungs(phantoms: Cohort) -> None:
    network = load_network(fit(*phantoms, SMALL, 0).state, SMALL)
    image = phantoms[0][0]
    straight, mirrored = predict(network, image, SMALL), predict(network, image[:, ::-1], SMALL)
    np.testing.assert_allclose(mirrored, straight[::-1, ::-1, :, ::-1], atol=1e-5)
    assert straight.shape == (2, 2, 64, 64)
    assert straight.min() >= 0
    assert straight.sum(1).max() <= 1 + 1e-5


def test_without_averaging_both_passes_are_the_image_as_it_is(phantoms: Cohort) -> None:
    network = load_network(fit(*phantoms, SMALL, 0).state, SMALL)
    passes = predict(network, phantoms[0][0], SMALL.model_copy(update={"average_flips": False}))
    assert np.array_equal(passes[0], passes[1])
    np.testing.assert_allclose(passes[0], predict(network, phantoms[0][0], SMALL)[0], atol=1e-5)


def test_an_image_of_another_shape_is_refused(phantoms: Cohort) -> None:
    network = load_network(fit(*phantoms, SMALL, 0).state, SMALL)
    with pytest.raises(ValueError, match=r"expected \(H, W\)"):
        predict(network, phantoms[0], SMALL)


def test_labels_are_the_likeliest_of_three() -> None:
    probabilities = np.zeros((2, 2, 1, 4), dtype=np.float32)
    probabilities[0, :, 0] = [[0.8, 0.1, 0.2, 0.3], [0.1, 0.9, 0.2, 0.45]]
    probabilities[1, :, 0] = [[0.6, 0.1, 0.3, 0.3], [0.3, 0.9, 0.2, 0.45]]
    assert labels_of(probabilities).tolist() == [[1, 2, 0, 2]]
