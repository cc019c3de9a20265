"""Random views: what each change may and may not do to an image and its masks."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from assets.segmenter.intensity import expose, tone_curve
from assets.segmenter.opacity import add_opacities
from assets.segmenter.random_fields import blur, cloud, smooth_noise
from assets.segmenter.settings import SegmenterSettings
from assets.segmenter.spatial import deform
from assets.segmenter.training import training_views

SIZE = 64
seeds = st.integers(0, 10_000)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _pair(count: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    """A dark pair of rectangular lungs in gray tissue."""
    lungs = torch.zeros(count, 2, SIZE, SIZE)
    lungs[:, 0, 12:48, 10:28] = 1
    lungs[:, 1, 12:48, 36:54] = 1
    images = 0.7 - 0.5 * lungs.sum(1, keepdim=True)
    return images + 0.02 * torch.rand(images.shape, generator=generator(0)), lungs


def test_no_deformation_is_the_identity() -> None:
    images, lungs = _pair()
    views, masks = deform(images, lungs, 0.0, generator(1), mirror=False)
    torch.testing.assert_close(views, images, atol=1e-5, rtol=0)
    assert torch.equal(masks, lungs)


@given(seeds)
@settings(max_examples=20)
def test_image_and_masks_follow_the_same_map(seed: int) -> None:
    _, lungs = _pair(4)
    views, masks = deform(lungs.sum(1, keepdim=True), lungs, 1.0, generator(seed))
    assert ((views[:, 0] > 0.5).float() - masks.sum(1)).abs().mean() < 0.002


def test_a_mirrored_view_exchanges_the_lungs() -> None:
    images, lungs = _pair(1)
    lungs[:, 1] = 0
    seen = {
        (bool(masks[0, 0].any()), bool(masks[0, 1].any()))
        for _, masks in (deform(images, lungs, 0.0, generator(seed)) for seed in range(20))
    }
    assert seen == {(True, False), (False, True)}
    for seed in range(20):
        _, masks = deform(images, lungs, 0.0, generator(seed))
        right, left = masks[0, 0].sum(0).nonzero(), masks[0, 1].sum(0).nonzero()
        assert right.numel() == 0 or right.max() < SIZE / 2
        assert left.numel() == 0 or left.min() >= SIZE / 2


@given(seeds)
@settings(max_examples=20)
def test_views_hardly_fold(seed: int) -> None:
    """A folded map would show one place of the original twice: columns and rows would run backwards there."""
    rows, columns = torch.meshgrid(torch.linspace(0, 1, SIZE), torch.linspace(0, 1, SIZE), indexing="ij")
    ramps = torch.stack((columns, rows, torch.ones(SIZE, SIZE)))[None].expand(4, 3, SIZE, SIZE).contiguous()
    found, _ = deform(ramps, torch.zeros(4, 2, SIZE, SIZE), 1.0, generator(seed), mirror=False)
    x, y = found[:, 0], found[:, 1]
    areas = x.diff(dim=2)[:, :-1] * y.diff(dim=1)[:, :, :-1] - x.diff(dim=1)[:, :, :-1] * y.diff(dim=2)[:, :-1]
    # where the last channel is 1, nothing from beyond the original's border is mixed in
    seen = found[:, 2] > 1 - 1e-6
    inside = seen[:, :-1, :-1] & seen[:, 1:, :-1] & seen[:, :-1, 1:]
    # 7 of 6,000 views fold, on less than a thousandth of their area
    assert (areas[inside] <= 0).float().mean() < 0.002


def test_opaque_pixels_are_those_that_were_painted_on() -> None:
    images, lungs = _pair(8)
    sick, opaque = add_opacities(images, lungs, 1.0, generator(5))
    assert opaque.min() >= 0
    assert opaque.max() <= 1
    assert torch.equal(sick[opaque == 0], images[opaque == 0])
    assert opaque[sick > images + 0.1].min() > 0.1


def test_lung_under_an_opacity_weighs_more() -> None:
    images, lungs = _pair(8)
    chosen = SegmenterSettings(opacity_probability=1.0, boundary_weight=0.0, opacity_weight=4.0)
    _, masks, weights = training_views(images, lungs, chosen, generator(1))
    assert torch.all(weights[masks.sum(1) == 0] == 1)
    assert 3 < weights.max() <= 5
    _, _, control = training_views(images, lungs, chosen.model_copy(update={"opacity_probability": 0.0}), generator(1))
    assert torch.all(control == 1)


@given(seeds)
@settings(max_examples=20)
def test_opacities_only_brighten_lungs_and_stay_near_them(seed: int) -> None:
    images, lungs = _pair(4)
    sick = add_opacities(images, lungs, 1.0, generator(seed))[0]
    inside = lungs.sum(1, keepdim=True) > 0
    assert torch.all(sick[inside] >= images[inside])
    assert sick.min() >= 0
    assert sick.max() <= 1
    # 3.5 pixels of blur at half the resolution, stretched sixfold, die away within 18 of the image
    far = torch.nn.functional.max_pool2d(lungs.sum(1, keepdim=True), 37, stride=1, padding=18) == 0
    torch.testing.assert_close(sick[far], images[far], atol=0.03, rtol=0)


def test_opacities_hide_the_border_of_a_lung() -> None:
    """Where the tissue round a lung is even, its border has to be gone wherever the lung is wholly opaque."""
    lungs = torch.zeros(60, 2, SIZE, SIZE)
    lungs[:, 0, 12:48, 10:28] = 1
    images = 0.7 - 0.5 * lungs.sum(1, keepdim=True)
    sick, opaque = add_opacities(images, lungs, 1.0, generator(2))
    step = (sick[..., 30, 27] - sick[..., 30, 28]).abs()[opaque[..., 30, 27] > 0.7]
    assert len(step) >= 4
    # untouched, the step is 0.5
    assert step.median() < 0.2


def test_opacities_reach_all_kinds_of_share_of_a_lung() -> None:
    images, lungs = _pair(200)
    change = add_opacities(images, lungs, 1.0, generator(0))[0] - images
    opaque = ((change > 0.2).float() * lungs.sum(1, keepdim=True)).sum((1, 2, 3)) / lungs[0].sum()
    assert (opaque > 0.05).float().mean() > 0.5
    assert opaque.max() > 0.45
    assert opaque.median() < 0.4


def test_the_probability_of_opacities_is_the_share_of_views_painted_on() -> None:
    images, lungs = _pair(400)
    assert torch.equal(add_opacities(images, lungs, 0.0, generator(0))[0], images)
    every = (add_opacities(images, lungs, 1.0, generator(0))[0] - images).amax((1, 2, 3)) > 0.02
    third = (add_opacities(images, lungs, 0.3, generator(0))[0] - images).amax((1, 2, 3)) > 0.02
    # binomial, 400 draws: 0.3 +- 4 standard deviations of 0.023
    assert abs(float(third.sum() / every.sum()) - 0.3) < 0.095


def test_opacities_over_an_absent_lung_do_nothing_there() -> None:
    images, lungs = _pair(8)
    lungs[:, 1] = 0
    change = add_opacities(images, lungs, 1.0, generator(3))[0] - images
    assert change[..., 40:].max() < 0.02


@given(seeds, st.floats(0.1, 1.0))
@settings(max_examples=20)
def test_exposed_views_stay_in_range_and_finite(seed: int, strength: float) -> None:
    views = expose(_pair()[0], strength, generator(seed))
    assert torch.isfinite(views).all()
    assert views.min() >= 0
    assert views.max() <= 1


def test_no_exposure_change_is_the_identity() -> None:
    images, _ = _pair()
    assert torch.equal(expose(images, 0.0, generator(0)), images)


@given(seeds)
def test_tone_curves_rise_from_black_to_white(seed: int) -> None:
    ramp = torch.linspace(0, 1, SIZE).expand(3, 1, 4, SIZE).contiguous()
    toned = tone_curve(ramp, 1.0, generator(seed))
    assert torch.all(toned.diff(dim=-1) >= -1e-6)
    torch.testing.assert_close(toned[..., -1], torch.ones(3, 1, 4), atol=1e-5, rtol=0)
    assert toned[..., 0].max() < 0.05


def test_views_are_the_generators_alone() -> None:
    images, lungs = _pair()

    def view(seed: int) -> torch.Tensor:
        draws = generator(seed)
        return expose(deform(add_opacities(images, lungs, 1.0, draws)[0], lungs, 1.0, draws)[0], 1.0, draws)

    assert torch.equal(view(7), view(7))
    assert not torch.equal(view(7), view(8))


def test_clouds_have_zero_mean_and_unit_spread() -> None:
    field = cloud(generator(0), 3, (SIZE, SIZE), (4, 8))
    torch.testing.assert_close(field.mean((2, 3)), torch.zeros(3, 1), atol=1e-4, rtol=0)
    torch.testing.assert_close(field.std((2, 3)), torch.ones(3, 1), atol=1e-3, rtol=0)


def test_coarser_noise_is_smoother() -> None:
    slopes = [smooth_noise(generator(0), 4, (SIZE, SIZE), cells).diff(dim=-1).abs().mean() for cells in (3, 6, 12)]
    assert slopes[0] < slopes[1] < slopes[2]


def test_blur_is_scipys() -> None:
    image = torch.rand((1, 2, 20, 24), generator=generator(0), dtype=torch.float64)
    expected = [gaussian_filter(plane, 2.0, mode="nearest", radius=6) for plane in image[0].numpy()]
    torch.testing.assert_close(blur(image, 2.0)[0], torch.from_numpy(np.stack(expected)), atol=1e-9, rtol=0)
