import math

import numpy as np
import pytest
import torch

from assets.translation.classifier import Classifier, features, fit_classifier, judged, probabilities
from assets.translation.panel import Imaged, Panel, Translations, no_planted

SIDE = 32
STEPS = 25


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def radiographs(count: int, seed: int, *, disc: bool) -> Imaged:
    """Noise in a square lung, with a bright disc somewhere or none."""
    generator = torch.Generator().manual_seed(seed)
    images = 0.3 * torch.rand((count, 1, SIDE, SIDE), generator=generator) - 0.6
    places = torch.randint(9, SIDE - 9, (count, 2), generator=generator)
    rows, columns = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    for image, (y, x) in zip(images, places.tolist(), strict=True):
        image[0] += 0.8 * ((rows - y) ** 2 + (columns - x) ** 2 < 16) * disc
    return Imaged(images, torch.ones_like(images))


@pytest.fixture(scope="module")
def judge() -> Classifier:
    torch.set_num_threads(1)
    return fit_classifier(radiographs(12, 0, disc=True), radiographs(10, 1, disc=False), steps=STEPS)


def panel(abnormal: int = 8, normal: int = 9) -> Panel:
    return Panel(radiographs(abnormal, 2, disc=True), radiographs(normal, 3, disc=False), no_planted(SIDE))


def test_a_judge_sees_a_disc_and_that_it_is_gone(judge: Classifier) -> None:
    whole = panel()
    healed = radiographs(8, 5, disc=False).images
    found = judged(judge, whole, Translations(healed, whole.normal.images, whole.planted.images))
    assert found["classifier_auc"] > 0.95
    assert found["classifier_drop"] > 0.3
    same = judged(judge, whole, Translations(whole.abnormal.images, whole.normal.images, whole.planted.images))
    assert same["classifier_drop"] == 0
    assert same["kid"] > same["kid_floor"]
    assert found["kid"] < found["kid_floor"]


def test_a_judge_is_the_same_bit_for_bit_whatever_torch_drew_before(judge: Classifier) -> None:
    torch.rand(3)
    again = fit_classifier(radiographs(12, 0, disc=True), radiographs(10, 1, disc=False), steps=STEPS)
    for name, value in judge.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def test_torch_s_random_state_is_left_alone() -> None:
    before = torch.get_rng_state()
    fit_classifier(radiographs(2, 0, disc=True), radiographs(1, 1, disc=False), steps=1)
    assert torch.equal(torch.get_rng_state(), before)


def test_an_image_s_probability_does_not_depend_on_the_others(judge: Classifier) -> None:
    images = panel().abnormal.images
    one_by_one = np.concatenate([probabilities(judge, image[None]) for image in images])
    assert probabilities(judge, images) == pytest.approx(one_by_one, abs=1e-5)
    assert ((one_by_one >= 0) & (one_by_one <= 1)).all()


def test_features_are_what_the_last_layer_reads(judge: Classifier) -> None:
    images = panel().normal.images
    logits = judge.head(torch.from_numpy(features(judge, images)).float())[:, 0]
    assert torch.allclose(logits, judge(images), atol=1e-5)


@pytest.mark.parametrize(
    ("abnormal", "normal", "names"),
    [
        (0, 0, set()),
        (1, 0, {"classifier_drop"}),
        (0, 5, set()),
        (1, 1, {"classifier_drop", "classifier_auc"}),
        (4, 4, {"classifier_drop", "classifier_auc", "kid", "kid_floor"}),
    ],
)
def test_what_cannot_be_judged_is_absent(judge: Classifier, abnormal: int, normal: int, names: set[str]) -> None:
    whole = panel(abnormal, normal)
    found = judged(judge, whole, Translations(whole.abnormal.images, whole.normal.images, whole.planted.images))
    assert found.keys() == names
    assert all(math.isfinite(value) for value in found.values())


def test_one_image_a_domain_is_enough_and_none_is_not() -> None:
    fit_classifier(radiographs(1, 0, disc=True), radiographs(1, 1, disc=False), steps=1)
    with pytest.raises(ValueError, match="0 abnormal and 1 normal"):
        fit_classifier(radiographs(0, 0, disc=True), radiographs(1, 1, disc=False), steps=1)
