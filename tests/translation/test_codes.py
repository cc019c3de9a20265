import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.translation.codes import codes_of, images_of


@settings(deadline=None)
@given(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=9))
def test_images_come_back_within_half_a_step(values: list[float]) -> None:
    images = torch.tensor(values).reshape(-1, 1, 1, 1)
    back = images_of(codes_of(images))
    assert back.dtype == torch.float32
    assert (back.double() - images.double()).abs().max() <= 1.6e-5
    assert back.abs().max() <= 1


def test_every_code_comes_back_and_the_ends_are_exact() -> None:
    codes = np.arange(65536, dtype=np.uint16).reshape(-1, 1, 1, 1)
    images = images_of(codes)
    assert (codes_of(images) == codes).all()
    assert images[0].item() == -1
    assert images[-1].item() == 1
