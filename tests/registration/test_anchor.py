import numpy as np
import pytest
import torch

from assets.registration.anchor import anchor_velocity
from assets.registration.deformations import draw_deformations, outline_normals
from assets.registration.settings import RegistrationSettings

SIZE = 32


def lungs() -> torch.Tensor:
    soft = torch.zeros(1, 2, SIZE, SIZE)
    soft[:, 0, 8:24, 4:12], soft[:, 1, 8:24, 20:28] = 1, 1
    return soft


IMAGE = torch.rand(1, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(0))


def across(images: torch.Tensor) -> torch.Tensor:
    """A network that would move everything by 1.5 px across."""
    velocity = torch.zeros(len(images), 2, SIZE, SIZE)
    velocity[:, 0] = 1.5
    return velocity


def still(images: torch.Tensor) -> torch.Tensor:
    return torch.zeros(len(images), 2, SIZE, SIZE)


def test_no_copies_is_one_look_at_the_reference_itself(tiny: RegistrationSettings) -> None:
    def look(images: torch.Tensor) -> torch.Tensor:
        return images.expand(-1, 2, -1, -1)

    assert torch.equal(anchor_velocity(look, IMAGE, lungs(), tiny, 0), IMAGE.expand(-1, 2, -1, -1))


@pytest.mark.parametrize("pairs", [1, 5, 20])
def test_what_all_copies_show_is_the_anchor(tiny: RegistrationSettings, pairs: int) -> None:
    seen = []

    def look(images: torch.Tensor) -> torch.Tensor:
        seen.append(len(images))
        return across(images)

    settings = tiny.model_copy(update={"deformation": 0.0})
    torch.testing.assert_close(anchor_velocity(look, IMAGE, lungs(), settings, pairs), across(IMAGE))
    assert sum(seen) == 2 * pairs


def test_settings_seed_decides(tiny: RegistrationSettings) -> None:
    first, same, other = (
        anchor_velocity(still, IMAGE, lungs(), tiny.model_copy(update={"seed": seed}), 8) for seed in (0, 0, 1)
    )
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_a_blind_network_gives_no_anchor(tiny: RegistrationSettings) -> None:
    # it undoes no deformation, but each copy has a twin that was deformed the other way
    drawn = draw_deformations(8, outline_normals(lungs()), tiny, np.random.default_rng(0))
    assert drawn.mean(0).norm(dim=0).mean() > 0.1
    assert anchor_velocity(still, IMAGE, lungs(), tiny, 8).norm(dim=1).mean() < 0.02
