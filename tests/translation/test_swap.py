"""The exchange on batches is that of the frame, drawn from the step's generator and for both domains alike."""

import numpy as np
import pytest
import torch

from assets.pairing.frames import Frame
from assets.pairing.lung_swap import lung_swap, swapped
from assets.radiographs.phantom.cohort import phantom_subject
from assets.radiographs.phantom.settings import PhantomSettings
from assets.translation.arms import Arm
from assets.translation.compute import Compute
from assets.translation.domain import BACKGROUND, prepare, support
from assets.translation.runs import arm_digest
from assets.translation.sampling import Batch, generator_for
from assets.translation.settings import TranslationSettings
from assets.translation.swap import SwapGrid, exchanged, swap_choices, swap_grid, with_swapped
from assets.translation.training import Trained, train
from assets.translation.training_data import TrainingData

SIZE = 64
PHANTOMS = PhantomSettings(size=SIZE, subjects=4, seed=1)
SUBJECT = phantom_subject(1, PHANTOMS.seed, PHANTOMS)


def batch_of(images: np.ndarray, size: int = SIZE) -> Batch:
    tensors, masks = prepare(images, np.repeat(SUBJECT.lungs[None], len(images), axis=0), size)
    return Batch(tensors, support(masks))


@pytest.fixture
def grid() -> SwapGrid:
    return swap_grid(SUBJECT.lungs, SIZE)


def test_a_batch_is_exchanged_as_the_frame_is(grid: SwapGrid) -> None:
    batch = batch_of(np.clip(SUBJECT.image, 0, 1)[None].astype(np.float32))
    images, inside = exchanged(batch, grid)
    whole = Frame(batch.images[0, 0].numpy(), SUBJECT.lungs, None)
    expected = swapped(whole, lung_swap(SUBJECT.lungs)).image
    shown = (SUBJECT.lungs > 0) & inside[0, 0].numpy()
    assert shown.sum() > 0.99 * (SUBJECT.lungs > 0).sum()
    np.testing.assert_allclose(images[0, 0].numpy()[shown], expected[shown], atol=0.02)
    assert (images[~inside] == BACKGROUND).all()
    assert not inside[~grid.lungs].any()


def test_each_image_is_exchanged_or_left_alone_with_even_odds(grid: SwapGrid) -> None:
    batch = batch_of(np.repeat(np.clip(SUBJECT.image, 0, 1)[None].astype(np.float32), 400, axis=0))
    found = with_swapped(batch, grid, swap_choices(len(batch), generator_for(1, "step", 3)))
    other, inside = exchanged(batch.rows(torch.tensor([0])), grid)
    as_it_was = (found.images == batch.images).flatten(1).all(1)
    turned = (found.images == other).flatten(1).all(1) & (found.inside == inside).flatten(1).all(1)
    assert bool((as_it_was ^ turned).all())
    # Of 400 even draws all but one in 10,000 lie here.
    assert 160 < int(turned.sum()) < 240
    again = with_swapped(batch, grid, swap_choices(len(batch), generator_for(1, "step", 3)))
    assert torch.equal(found.images, again.images)


def _settings(**numbers: object) -> TranslationSettings:
    small = {"checkpoint_minutes": 0, "size": SIZE, "steps": 6, "batch": 2, "generator_width": 4, "generator_blocks": 2}
    sizes = {"discriminator_width": 4, "nce_patches": 8, "nce_width": 4, "arms": ["it_pr/cut", "it_dpr/cyclegan"]}
    return TranslationSettings.model_validate({**small, **sizes, **numbers})


def _trained(settings: TranslationSettings, **given: object) -> Trained:
    rng = np.random.default_rng(0)
    abnormal, normal = (batch_of(rng.random((3, SIZE, SIZE)).astype(np.float32)) for _ in range(2))
    compute = Compute(torch.device("cpu"))
    return train("cut", TrainingData(abnormal, normal), settings, 1, compute=compute, **given)  # type: ignore[arg-type]


def _same(one: Trained, other: Trained) -> bool:
    return all(torch.equal(one.weights[name], other.weights[name]) for name in one.weights)


def test_a_training_with_exchanges_goes_on_from_a_checkpoint_bit_for_bit() -> None:
    settings = _settings(lung_swap=True)
    kept: list[dict[str, torch.Tensor]] = []
    whole = _trained(settings, reference_lungs=SUBJECT.lungs, checkpoint=kept.append)
    assert kept
    resumed = _trained(settings, reference_lungs=SUBJECT.lungs, resume=kept[0])
    assert _same(whole, resumed)
    assert whole.history == resumed.history
    assert not _same(whole, _trained(_settings(), reference_lungs=SUBJECT.lungs))


def test_switched_off_it_changes_nothing() -> None:
    assert _same(_trained(_settings()), _trained(_settings(), reference_lungs=SUBJECT.lungs))


def test_it_needs_the_references_lungs() -> None:
    with pytest.raises(ValueError, match="there are no reference_lungs"):
        _trained(_settings(lung_swap=True))


@pytest.mark.parametrize("arm", ["none/cut", "lung_box/cyclegan"])
def test_other_frames_are_refused_by_name(arm: str) -> None:
    with pytest.raises(ValueError, match=f"{arm} leaves it elsewhere; take it_pr or it_dpr"):
        _settings(lung_swap=True, arms=["it_dpr/cut", arm])
    assert _settings(lung_swap=True, arms=["it_dpr/cut", "none/pca", "lung_box/pca"]).lung_swap


def test_only_where_it_is_on_it_is_part_of_a_gans_digest() -> None:
    arms = [Arm("it_dpr", method) for method in ("cut", "cyclegan", "pca")]
    off, on = ([arm_digest(arm, 0, _settings(**given)) for arm in arms] for given in ({}, {"lung_swap": True}))
    assert [one == other for one, other in zip(off, on, strict=True)] == [False, False, True]
