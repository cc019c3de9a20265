import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from assets.prealignment.warp import warp_lungs
from assets.registration.deformations import (
    draw_deformations,
    keep_outlines,
    outline_normals,
    random_velocity,
    trust_outlines,
)
from assets.registration.folds import folded_share
from assets.registration.settings import RegistrationSettings
from assets.registration.views import one_hot
from assets.segmentation.quality import dice

Lungs = npt.NDArray[np.uint8]

GRID = (32, 48)

SHARE = 0.03
"""Amplitude of the deformations of these tests, whatever the default becomes."""


def normals_of(lungs: Lungs) -> torch.Tensor:
    return outline_normals(one_hot(torch.from_numpy(lungs)[None]))


def velocity_of(seed: int = 0, **changed: object) -> torch.Tensor:
    settings = RegistrationSettings.model_validate({"deformation": SHARE, "sideways": 0.5, **changed})
    return random_velocity(6, GRID, settings, np.random.default_rng(seed))


def test_shape_and_type() -> None:
    velocity = velocity_of()
    assert velocity.shape == (6, 2, *GRID)
    assert velocity.dtype == torch.float32


def test_seed_decides() -> None:
    assert torch.equal(velocity_of(3), velocity_of(3))
    assert not torch.equal(velocity_of(3), velocity_of(4))


@hypothesis_settings(max_examples=20, deadline=None)
@given(st.floats(0, 0.1), st.floats(0, 2))
def test_amplitude_is_a_share_of_the_height_and_sideways_a_share_of_it(deformation: float, sideways: float) -> None:
    unit = velocity_of(deformation=0.1, sideways=1.0)
    scale = torch.tensor([sideways, 1.0]).view(1, 2, 1, 1) * (deformation / 0.1)
    velocity = velocity_of(deformation=deformation, sideways=sideways)
    torch.testing.assert_close(velocity, unit * scale, atol=1e-5, rtol=1e-4)


def test_the_same_settings_are_the_same_deformation_on_any_grid() -> None:
    settings = RegistrationSettings(deformation=SHARE)
    small, large = (random_velocity(3, (size, size), settings, np.random.default_rng(0)) for size in (33, 65))
    # 33 and 65 points share every second one; amplitudes are shares of 33 and 65 rows
    torch.testing.assert_close(large[..., ::2, ::2] / 65, small / 33, atol=1e-4, rtol=0)


def test_spread_at_the_corners() -> None:
    # a corner is a knot of every grid: a sum of K products of a uniform amplitude up to L = 1.5 d h / sqrt(K) and a
    # normal value, of variance K L^2 / 3; 0.5 times that across
    settings = RegistrationSettings(deformation=SHARE, sideways=0.5)
    velocity = random_velocity(4000, (16, 16), settings, np.random.default_rng(0))
    corners = velocity[..., [0, 0, -1, -1], [0, -1, 0, -1]]
    down = 1.5 * SHARE * 16 / np.sqrt(3)
    np.testing.assert_allclose(corners.std(dim=(0, 2)), [0.5 * down, down], rtol=0.04)
    np.testing.assert_allclose(corners.mean(dim=(0, 2)), 0, atol=0.05 * down)


def test_convention_normals_point_out_of_the_lung(large_reference: Lungs) -> None:
    normals = normals_of(large_reference)[0]
    length = normals.norm(dim=0)
    assert length.max() <= 1 + 1e-5
    rows, columns = np.nonzero(large_reference == 1)
    left, right, middle = columns.min(), columns.max(), int(rows.mean())
    assert normals[0, middle, right] > 0.9
    assert normals[0, middle, left] < -0.9
    top = int(rows.min()), int(columns[rows == rows.min()].mean())
    assert normals[1, top[0], top[1]] < -0.9
    # between apex and corner of the image nothing is near
    assert length[:8, :8].max() < 1e-3


def test_a_missing_lung_has_no_outline(large_reference: Lungs) -> None:
    right, left = (np.where(large_reference == label, large_reference, 0).astype(np.uint8) for label in (1, 2))
    alone = normals_of(right)[0].norm(dim=0)
    assert alone[large_reference == 2].max() < 1e-2
    assert normals_of(left)[0].norm(dim=0)[large_reference == 2].max() > 0.9


def test_nothing_flows_across_an_outline(large_reference: Lungs) -> None:
    normals = normals_of(large_reference)
    length = normals.norm(dim=1, keepdim=True)
    velocity = random_velocity(3, (128, 128), RegistrationSettings(deformation=SHARE), np.random.default_rng(0))
    kept = keep_outlines(velocity, normals)
    across, before = ((field * normals).sum(1, keepdim=True).abs() for field in (kept, velocity))
    near = (length > 0.95).expand_as(across)
    assert before[near].mean() > 0.3
    assert across[near].mean() < 0.1 * before[near].mean()
    far = (length < 1e-4).expand_as(velocity)
    torch.testing.assert_close(kept[far], velocity[far], atol=1e-5, rtol=0)
    # the part along the outline is all there
    along = torch.stack((-normals[:, 1], normals[:, 0]), dim=1)
    torch.testing.assert_close((kept * along).sum(1), (velocity * along).sum(1), atol=1e-5, rtol=0)


def overlaps(lungs: Lungs, outline_kept: float) -> npt.NDArray[np.float64]:
    """Dice of the lungs with themselves deformed, in 30 draws of the same velocities."""
    settings = RegistrationSettings(deformation=SHARE, outline_kept=outline_kept)
    fields = draw_deformations(30, normals_of(lungs), settings, np.random.default_rng(0)).numpy()
    return np.array([dice(warp_lungs(lungs, field), lungs) for field in fields])


def test_outlines_stay_where_they_are(large_reference: Lungs) -> None:
    kept, free = overlaps(large_reference, 1.0), overlaps(large_reference, 0.0)
    assert kept.min() > 0.99
    assert np.median(free) < 0.98
    # the draws with hardly any amplitude keep everything
    assert (free < 0.99).mean() > 0.7


def test_interiors_move_all_the_same(large_reference: Lungs) -> None:
    settings = RegistrationSettings(deformation=SHARE, outline_kept=1.0)
    fields = draw_deformations(30, normals_of(large_reference), settings, np.random.default_rng(0))
    inside = fields.norm(dim=1)[:, torch.from_numpy(large_reference > 0)]
    assert inside.mean() > 1


def test_the_asked_share_keeps_outlines(large_reference: Lungs) -> None:
    normals = normals_of(large_reference[::4, ::4])

    def drawn(outline_kept: float) -> torch.Tensor:
        settings = RegistrationSettings(deformation=SHARE, outline_kept=outline_kept)
        return draw_deformations(400, normals, settings, np.random.default_rng(0))

    some, every, none = drawn(0.7), drawn(1.0), drawn(0.0)
    kept = (some == every).flatten(1).all(1)
    assert ((some == none).flatten(1).all(1) != kept).all()
    assert float(kept.float().mean()) == pytest.approx(0.7, abs=0.08)


@pytest.mark.parametrize("outline_kept", [None, 0.0, 1.0])
def test_default_deformations_do_not_fold(large_reference: Lungs, outline_kept: float | None) -> None:
    changed = {} if outline_kept is None else {"outline_kept": outline_kept}
    settings = RegistrationSettings().model_copy(update=changed)
    everywhere = np.ones(large_reference.shape, bool)
    fields = draw_deformations(50, normals_of(large_reference), settings, np.random.default_rng(1)).numpy()
    assert np.linalg.norm(fields, axis=1).max() > 1
    assert [folded_share(field, everywhere) for field in fields] == [0.0] * 50


def test_no_amplitude_is_no_deformation(large_reference: Lungs) -> None:
    settings = RegistrationSettings(deformation=0)
    assert not draw_deformations(3, normals_of(large_reference), settings, np.random.default_rng(0)).any()


@given(speed=st.floats(0.01, 50), doubt=st.floats(0.1, 10), slide=st.floats(-5, 5))
@hypothesis_settings(deadline=None, max_examples=30)
def test_small_steps_across_an_outline_are_taken_back_large_ones_kept(speed: float, doubt: float, slide: float) -> None:
    normals = torch.tensor([0.6, 0.8]).view(1, 2, 1, 1)
    along = torch.tensor([-0.8, 0.6]).view(1, 2, 1, 1)
    kept = trust_outlines(speed * normals + slide * along, normals, doubt)
    # half is kept where speed and doubt are equal; what slides along the outline is left alone
    expected = speed * speed**2 / (speed**2 + doubt**2)
    torch.testing.assert_close(kept, expected * normals + slide * along, atol=1e-4, rtol=1e-4)


def test_far_from_outlines_and_without_doubt_the_network_is_followed() -> None:
    velocity = velocity_of()
    assert torch.equal(trust_outlines(velocity, torch.zeros(1, 2, *velocity.shape[2:]), 3.0), velocity)
    normals = torch.ones(1, 2, *velocity.shape[2:])
    assert torch.equal(trust_outlines(velocity, normals, 0.0), velocity)
