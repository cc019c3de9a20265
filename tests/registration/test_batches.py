from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
import torch

from assets.registration.batches import Batch, Cohort, draw_batch, half_cohort
from assets.registration.fields import halve, resize_displacement, warp
from assets.registration.settings import RegistrationSettings
from assets.registration.views import CHANNELS, FIELD_UNIT, copy_views, soft_lungs

Lungs = npt.NDArray[np.uint8]
CPU = torch.device("cpu")


def batch_of(cohort: Cohort, reference: Lungs, settings: RegistrationSettings, **changed: object) -> Batch:
    return draw_batch(half_cohort(cohort, reference), settings.model_copy(update=changed), 0, 0, CPU)


def everything(cohort: Cohort, reference: Lungs, settings: RegistrationSettings, **changed: object) -> Batch:
    """A batch of all radiographs in their order, nothing random but what is asked for."""
    calm = {"batch_size": len(cohort.images), "jitter": 0.0, "pose_jitter": 0.0, "deformation": 0.0, "damaged": 0.0}
    return batch_of(cohort, reference, settings, **{**calm, **changed})


def same(first: Batch, second: Batch) -> bool:
    return all(torch.equal(value, vars(second)[name]) for name, value in vars(first).items())


def test_half_cohort_is_the_cohort_on_the_half_grid(spoilt: Cohort, reference: Lungs) -> None:
    half = half_cohort(spoilt, reference)
    torch.testing.assert_close(half.images, halve(torch.from_numpy(spoilt.images)[:, None]))
    torch.testing.assert_close(half.lungs, soft_lungs(torch.from_numpy(spoilt.lungs)))
    torch.testing.assert_close(half.reference, soft_lungs(torch.from_numpy(reference)[None]))
    fields = resize_displacement(torch.from_numpy(spoilt.displacements), (16, 16))
    torch.testing.assert_close(half.displacements, fields)
    # in the first round the pre-alignment is what is to be reached
    assert half.known is half.displacements
    assert half.damaged is not None
    assert half.damaged.shape == (12, 2, 2, 16, 16)
    assert half.normals.shape == (1, 2, 16, 16)


def test_shapes(spoilt: Cohort, reference: Lungs, each: RegistrationSettings) -> None:
    batch = batch_of(spoilt, reference, each)
    assert {name: tuple(value.shape) for name, value in vars(batch).items()} == {
        "views": (4, CHANNELS[each.reading], 16, 16),
        "image": (4, 1, 16, 16),
        "lungs": (4, 2, 16, 16),
        "start": (4, 2, 16, 16),
        "known": (4, 2, 16, 16),
    }
    assert all(value.dtype == torch.float32 for value in vars(batch).values())


def test_seed_and_step_alone_decide(spoilt: Cohort, reference: Lungs, each: RegistrationSettings) -> None:
    half = half_cohort(spoilt, reference)
    drawn = {step: draw_batch(half, each, 7, step, CPU) for step in (3, 0, 5)}
    np.random.default_rng(1).random(5)
    torch.rand(3, generator=torch.Generator().manual_seed(9))
    for step in (0, 3, 5):
        assert same(draw_batch(half_cohort(spoilt, reference), each, 7, step, CPU), drawn[step])
    assert not same(drawn[0], drawn[3])
    assert not same(draw_batch(half, each, 8, 3, CPU), drawn[3])


def test_a_batch_leaves_the_cohort_alone(spoilt: Cohort, reference: Lungs, each: RegistrationSettings) -> None:
    half = half_cohort(spoilt, reference)
    before = {name: value.clone() for name, value in vars(half).items()}
    draw_batch(half, each, 0, 0, CPU)
    assert all(torch.equal(value, before[name]) for name, value in vars(half).items())


def test_no_radiograph_twice_and_no_more_than_there_are(
    toy: Cohort, reference: Lungs, each: RegistrationSettings
) -> None:
    batch = batch_of(toy, reference, each, batch_size=50, pose_jitter=0.0)
    torch.testing.assert_close(batch.image, half_cohort(toy, reference).images)


def test_the_copy_is_the_radiograph_at_its_start(
    spoilt: Cohort, reference: Lungs, composed: RegistrationSettings
) -> None:
    batch = batch_of(spoilt, reference, composed, jitter=0.0)
    seen = warp(batch.image, batch.start)
    torch.testing.assert_close(batch.views[:, :1], seen, atol=1e-5, rtol=0)
    # it is not where it belongs yet
    assert (seen - warp(batch.image, batch.known)).abs().mean() > 0.005


def test_r3_sees_nothing_but_the_copy_and_the_references_lungs(
    spoilt: Cohort, reference: Lungs, tiny: RegistrationSettings
) -> None:
    half, batch = half_cohort(spoilt, reference), batch_of(spoilt, reference, tiny)
    torch.testing.assert_close(batch.views, copy_views(batch.views[:, :1], half.reference))


def test_r2_shows_the_radiograph_where_it_belongs_beside_it(
    spoilt: Cohort, reference: Lungs, tiny: RegistrationSettings
) -> None:
    batch = batch_of(spoilt, reference, tiny, reading="R2", jitter=0.0)
    torch.testing.assert_close(batch.views[:, 1:2], warp(batch.image, batch.known), atol=1e-5, rtol=0)


def test_copies_are_of_the_same_radiograph_as_lungs_and_known_map(
    toy: Cohort, reference: Lungs, each: RegistrationSettings
) -> None:
    half = half_cohort(toy, reference)
    batch = batch_of(toy, reference, each, pose_jitter=0.0)
    for image, lungs, known in zip(batch.image, batch.lungs, batch.known, strict=True):
        (row,) = torch.nonzero((half.images - image).abs().amax((1, 2, 3)) < 1e-5)[:, 0].tolist()
        torch.testing.assert_close(lungs, half.lungs[row], atol=1e-5, rtol=0)
        torch.testing.assert_close(known, half.displacements[row], atol=1e-4, rtol=0)


def test_without_deformation_and_damage_copies_start_at_the_pre_alignment(
    spoilt: Cohort, reference: Lungs, composed: RegistrationSettings
) -> None:
    batch = everything(spoilt, reference, composed)
    torch.testing.assert_close(batch.start, batch.known, atol=1e-6, rtol=0)
    moved = everything(spoilt, reference, composed, deformation=0.03, sideways=0.4)
    distance = (moved.start - moved.known).norm(dim=1)
    assert distance.mean() > 0.1
    torch.testing.assert_close(moved.known, batch.known)


def test_known_maps_are_the_cohorts_own_while_starts_are_the_pre_alignment(
    toy: Cohort, reference: Lungs, composed: RegistrationSettings
) -> None:
    half = half_cohort(toy, reference)
    later = replace(half, known=half.displacements + 1)
    calm = composed.model_copy(update={"batch_size": 12, "deformation": 0.0})
    batch = draw_batch(later, calm, 0, 0, CPU)
    torch.testing.assert_close(batch.known, half.displacements + 1)
    torch.testing.assert_close(batch.start, half.displacements, atol=1e-6, rtol=0)


def test_damaged_starts(spoilt: Cohort, reference: Lungs, composed: RegistrationSettings) -> None:
    assert spoilt.damaged is not None
    batch = everything(spoilt, reference, composed, damaged=1.0)
    copies = torch.from_numpy(spoilt.damaged).float()
    found = (batch.start[:, None] - copies).abs().amax((2, 3, 4)) < 1e-5
    # each starts at one of its own two, and both are drawn
    assert found.sum(1).tolist() == [1] * 12
    assert found.any(0).all()
    torch.testing.assert_close(batch.known, half_cohort(spoilt, reference).displacements)


def test_a_share_of_starts_is_damaged(spoilt: Cohort, reference: Lungs, tiny: RegistrationSettings) -> None:
    half = half_cohort(spoilt, reference)
    settings = tiny.model_copy(update={"batch_size": 12, "deformation": 0.0, "damaged": 0.4})
    batches = [draw_batch(half, settings, 0, step, CPU) for step in range(50)]
    share = np.mean([(batch.start - batch.known).abs().amax((1, 2, 3)).gt(0.5).float().mean() for batch in batches])
    # 600 draws: standard deviation 0.02
    assert share == pytest.approx(0.4, abs=0.08)


def test_a_cohort_may_have_no_damaged_copies(toy: Cohort, reference: Lungs, composed: RegistrationSettings) -> None:
    batch = everything(toy, reference, composed, damaged=1.0)
    torch.testing.assert_close(batch.start, batch.known, atol=1e-6, rtol=0)


def test_r1_shows_the_radiograph_its_copy_and_the_map_between_them(
    spoilt: Cohort, reference: Lungs, imitating: RegistrationSettings
) -> None:
    # damage and deformation are not for R1
    batch = batch_of(spoilt, reference, imitating, jitter=0.0, damaged=1.0)
    assert not batch.start.any()
    torch.testing.assert_close(batch.views[:, :1], batch.image, atol=1e-5, rtol=0)
    torch.testing.assert_close(batch.views[:, 2:4] * FIELD_UNIT, batch.known)
    torch.testing.assert_close(batch.views[:, 4:5], batch.lungs[:, :1] - batch.lungs[:, 1:])
    # the copy is made before the pose, and the map followed it: bilinear reading twice differs a little from once
    copy, through_pose = batch.views[:, 1:2], warp(batch.image, batch.known)
    assert (copy - through_pose)[..., 3:-3, 3:-3].abs().mean() < 0.02
    assert (copy - batch.image)[..., 3:-3, 3:-3].abs().mean() > 0.04


def test_r1_poses_image_lungs_and_map_together(toy: Cohort, reference: Lungs, imitating: RegistrationSettings) -> None:
    still, posed = (everything(toy, reference, imitating, pose_jitter=spread) for spread in (0.0, 0.05))
    half = half_cohort(toy, reference)
    torch.testing.assert_close(still.known, half.displacements, atol=1e-4, rtol=0)
    assert (posed.known - still.known).norm(dim=1).mean() > 0.3
    assert (posed.lungs - still.lungs).abs().mean() > 0.01
    # warped by its map a posed lung is where an unposed one would be, but for edges that are read twice
    there, through_pose, unfollowed = (
        warp(batch.lungs, known) for batch, known in ((still, still.known), (posed, posed.known), (posed, still.known))
    )
    assert (through_pose - there).abs().mean() < 0.4 * (unfollowed - there).abs().mean()


@pytest.mark.parametrize("name", ["views", "image"])
def test_jitter_changes_what_is_seen_and_not_what_is_compared(
    toy: Cohort, reference: Lungs, each: RegistrationSettings, name: str
) -> None:
    calm, changed = (getattr(everything(toy, reference, each, jitter=spread), name) for spread in (0.0, 0.3))
    assert torch.allclose(calm, changed, atol=1e-5) is (name == "image")


def test_jitter_is_drawn_for_each_view(toy: Cohort, reference: Lungs, tiny: RegistrationSettings) -> None:
    # without deformation copy and fixed image of R2 are the same picture, but for the exposure
    calm, jittered = (everything(toy, reference, tiny, reading="R2", jitter=spread).views for spread in (0.0, 0.3))
    torch.testing.assert_close(calm[:, 0], calm[:, 1], atol=1e-5, rtol=0)
    assert (jittered[:, 0] - jittered[:, 1]).abs().mean((1, 2)).min() > 0.002
