import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.images import to_uint16
from assets.radiographs.phantom.cohort import phantom_subject
from assets.radiographs.phantom.settings import PhantomSettings
from assets.translation.panel import Imaged, no_planted
from assets.translation.planted import lesion_free, planted_opacities
from assets.translation.quality import lesion_drop, psnr

SIDE = 48
PHANTOMS = PhantomSettings(size=64, subjects=20, seed=1)


def normal(count: int, level: float = -0.6) -> Imaged:
    """Two soft-edged lungs of one gray value, prepared as `prepare` does it."""
    mask = torch.zeros(1, 1, SIDE, SIDE)
    mask[..., 8:40, 6:20] = mask[..., 8:40, 28:42] = 1
    mask = torch.nn.functional.avg_pool2d(mask, 3, stride=1, padding=1).expand(count, -1, -1, -1)
    return Imaged(mask * (level + 1) - 1, mask)


def names(count: int) -> list[str]:
    return [f"{index:04x}" for index in range(count)]


@settings(deadline=None, max_examples=25)
@given(name=st.text(min_size=1), level=st.floats(-1, 0.6))
def test_an_opacity_brightens_a_spot_of_a_lung_and_nothing_else(name: str, level: float) -> None:
    known = planted_opacities(normal(1, level), [name])
    added = known.images - known.twins
    assert (added >= 0).all()
    assert (added[known.masks == 0] == 0).all()
    assert known.images.abs().max() <= 1
    # Never brighter than white behind the soft mask.
    assert (known.images <= 2 * known.masks - 1 + 1e-6).all()
    share = float(((known.lesions >= 0.5) & (known.masks >= 0.5)).sum() / (known.masks >= 0.5).sum())
    assert 0 < share < 0.5
    assert lesion_drop(known, known.twins) == 1


def test_twins_are_the_images_as_they_were() -> None:
    plain = normal(3)
    known = planted_opacities(plain, names(3))
    assert torch.equal(known.twins, plain.images)
    assert torch.equal(known.masks, plain.masks)
    assert len(known) == 3
    # What is to be removed can be seen.
    assert (psnr(known.images, known) < 40).all()


def test_an_opacity_depends_on_its_image_s_id_alone() -> None:
    torch.rand(1)
    known = planted_opacities(normal(4), names(4))
    backwards = planted_opacities(normal(4), names(4)[::-1])
    assert torch.equal(known.images, backwards.images.flip(0))
    assert not torch.equal(known.images[0], known.images[1])
    assert torch.equal(planted_opacities(normal(1), names(1)).images, known.images[:1])


def test_no_image_and_too_few_ids() -> None:
    assert len(planted_opacities(normal(0), [])) == 0
    assert len(no_planted(SIDE)) == 0
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        planted_opacities(normal(2), ["a"])


@pytest.mark.parametrize("index", [1, 3, 5, 9])
def test_a_phantom_s_twin_is_itself_without_the_lesion(index: int) -> None:
    sick = phantom_subject(index, PHANTOMS.seed, PHANTOMS)
    twin = lesion_free(index, PHANTOMS, to_uint16(sick.image))
    assert twin is not None
    lesion = sick.lesion > 0
    assert (sick.image - twin)[lesion].mean() > 0.01
    assert np.abs(sick.image - twin)[sick.lungs == 0].mean() < 0.01


def test_a_phantom_of_other_settings_has_no_known_twin() -> None:
    stored = to_uint16(phantom_subject(1, PHANTOMS.seed, PHANTOMS).image)
    other = PHANTOMS.model_copy(update={"seed": 2})
    assert lesion_free(1, other, stored) is None
    assert lesion_free(1, PHANTOMS.model_copy(update={"size": 128}), stored) is None
    assert lesion_free(3, PHANTOMS, stored) is None
    assert lesion_free(1, PHANTOMS.model_copy(update={"subjects": 1}), stored) is None
