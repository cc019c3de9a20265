"""The network's input, its resizing and its construction."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from assets.segmenter.network import BLACK, build_network, empty_network, lungs_tensor, network_input, resized
from assets.segmenter.settings import SegmenterSettings

SMALL = SegmenterSettings(working_size=32, channels=[4, 8, 8], residual_units=1)


def _image(seed: int, size: int = 32) -> torch.Tensor:
    return 0.3 + 0.4 * torch.rand((1, 1, size, size), generator=torch.Generator().manual_seed(seed))


@settings(deadline=None)
@given(st.floats(0.6, 1.2), st.floats(-0.1, 0.15))
def test_a_linear_change_of_exposure_does_not_reach_the_network(gain: float, offset: float) -> None:
    image = _image(0)
    changed = image * gain + offset
    assert changed.min() > BLACK
    torch.testing.assert_close(network_input(changed), network_input(image), atol=2e-4, rtol=1e-3)


def test_a_black_border_leaves_the_rest_of_the_input_as_it_was() -> None:
    image = _image(1)
    bordered = torch.nn.functional.pad(image, (6, 6, 0, 0))
    torch.testing.assert_close(network_input(bordered)[..., 6:-6], network_input(image))


def test_a_black_image_gives_a_finite_input() -> None:
    assert torch.isfinite(network_input(torch.zeros(1, 1, 8, 8))).all()


@given(st.integers(33, 80), st.integers(33, 80))
def test_resizing_keeps_positions_relative_to_the_extent(height: int, width: int) -> None:
    rows = (torch.arange(height) + 0.5) / height
    columns = (torch.arange(width) + 0.5) / width
    ramps = torch.stack((rows[:, None].expand(height, width), columns.expand(height, width)))[None]
    small = resized(ramps, (16, 16))
    middle = (torch.arange(16) + 0.5) / 16
    # the outermost rows average over fewer pixels than their filter is wide
    torch.testing.assert_close(small[0, 0, 2:-2, 8], middle[2:-2], atol=2e-3, rtol=0)
    torch.testing.assert_close(small[0, 1, 8, 2:-2], middle[2:-2], atol=2e-3, rtol=0)


def test_masks_have_the_patients_right_lung_first() -> None:
    masks = lungs_tensor(np.array([[[0, 1], [2, 2]]], dtype=np.uint8))
    assert masks.tolist() == [[[[0.0, 1.0], [0.0, 0.0]], [[0.0, 0.0], [1.0, 1.0]]]]


def test_weights_depend_on_the_generator_alone() -> None:
    torch.manual_seed(1)
    first = build_network(SMALL, torch.Generator().manual_seed(5))
    before = torch.get_rng_state()
    torch.manual_seed(2)
    second = build_network(SMALL, torch.Generator().manual_seed(5))
    third = build_network(SMALL, torch.Generator().manual_seed(6))
    for name, value in first.state_dict().items():
        torch.testing.assert_close(second.state_dict()[name], value)
    assert any(not torch.equal(third.state_dict()[name], value) for name, value in first.state_dict().items())
    torch.manual_seed(1)
    empty_network(SMALL)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_network_answers_on_its_own_grid_for_three_classes() -> None:
    network = build_network(SMALL, torch.Generator().manual_seed(0))
    assert network(torch.zeros(2, 1, 32, 32)).shape == (2, 3, 32, 32)


def test_a_working_size_that_the_levels_cannot_halve_is_refused() -> None:
    with pytest.raises(ValidationError, match="working_size is 100; 6 levels need a multiple of 32"):
        SegmenterSettings(working_size=100)


def test_channels_must_be_positive() -> None:
    with pytest.raises(ValidationError, match="channels must each be at least 1"):
        SegmenterSettings(channels=[8, 0], working_size=32)


def test_a_shape_model_needs_three_masks() -> None:
    with pytest.raises(ValidationError, match="smallest_cohort"):
        SegmenterSettings(smallest_cohort=2)
    assert SegmenterSettings(smallest_cohort=3).smallest_cohort == 3
