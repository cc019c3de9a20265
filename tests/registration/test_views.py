import inspect

import pytest
import torch

from assets.registration.views import CHANNELS, FIELD_UNIT, copy_views, one_hot, paired_views, soft_lungs, whole_views


def sided() -> torch.Tensor:
    """Labels (1, 16, 16): patient-right at the image's left."""
    lungs = torch.zeros(1, 16, 16, dtype=torch.uint8)
    lungs[:, 4:12, 2:6], lungs[:, 4:12, 10:14] = 1, 2
    return lungs


def gray(value: float, count: int = 2) -> torch.Tensor:
    return torch.full((count, 1, 8, 8), value)


def test_masks_are_one_a_label() -> None:
    masks = one_hot(sided())
    assert masks.shape == (1, 2, 16, 16)
    assert masks.sum((2, 3)).tolist() == [[32, 32]]
    assert masks[0, 0, 8, 3] == 1
    assert masks[0, 1, 8, 11] == 1


def test_soft_lungs_lie_on_the_half_grid() -> None:
    soft = soft_lungs(sided())
    assert soft.shape == (1, 2, 8, 8)
    assert soft.min() >= 0
    assert soft.max() <= 1
    # 32 of 256 pixels, that is, 8 of 64
    assert float(soft[0, 0].sum()) == pytest.approx(8, rel=0.15)


def test_channels_of_every_reading() -> None:
    lungs = soft_lungs(sided())
    shown = {
        "R1": whole_views(gray(0.1), gray(0.2), torch.zeros(2, 2, 8, 8), lungs.expand(2, -1, -1, -1), lungs),
        "R2": paired_views(gray(0.1), gray(0.2), lungs),
        "R3": copy_views(gray(0.1), lungs),
    }
    assert {reading: views.shape for reading, views in shown.items()} == {
        reading: (2, channels, 8, 8) for reading, channels in CHANNELS.items()
    }


def test_the_network_of_r2_and_r3_is_not_given_the_radiographs_own_lungs() -> None:
    # warped by a map made from them they fit the reference whether the map is right or not
    assert list(inspect.signature(copy_views).parameters) == ["prealigned", "reference"]
    assert list(inspect.signature(paired_views).parameters) == ["moving", "fixed", "reference"]


def test_convention_right_lung_is_positive() -> None:
    lungs = soft_lungs(sided())
    for views in (copy_views(gray(0.5), lungs), paired_views(gray(0.5), gray(0.5), lungs)):
        assert views[0, -1, 4, :4].max() > 0.9
        assert views[0, -1, 4, 4:].min() < -0.9


def test_convention_copy_then_fixed_image() -> None:
    lungs = soft_lungs(sided())
    assert (copy_views(gray(0.2), lungs)[:, 0] == 0.2).all()
    views = paired_views(gray(0.2), gray(0.4, count=1), lungs)
    assert (views[:, 0] == 0.2).all()
    assert (views[:, 1] == 0.4).all()


def test_convention_whole_views_are_image_copy_field_own_and_reference_lungs() -> None:
    lungs = soft_lungs(sided())
    own = torch.zeros(2, 2, 8, 8)
    own[:, 1] = 1
    field = torch.zeros(2, 2, 8, 8)
    field[:, 0], field[:, 1] = 4, -8
    views = whole_views(gray(0.2), gray(0.4), field, own, lungs)
    expected = torch.tensor([0.2, 0.4, 4 / FIELD_UNIT, -8 / FIELD_UNIT, -1]).view(1, 5, 1, 1).expand(2, 5, 8, 8)
    torch.testing.assert_close(views[:, :5], expected)
    torch.testing.assert_close(views[1, 5], lungs[0, 0] - lungs[0, 1])
