import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.images import from_uint16, to_uint16


@settings(deadline=None)
@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=20))
def test_sixteen_bits_keep_an_image_to_half_a_gray_step(values: list[float]) -> None:
    image = np.array([values], dtype=np.float32)
    assert np.abs(from_uint16(to_uint16(image)) - image).max() <= 0.5 / 65535 + 1e-7


def test_every_gray_value_survives_the_round_trip() -> None:
    stored = np.arange(65536, dtype=np.uint16)[None]
    assert np.array_equal(to_uint16(from_uint16(stored)), stored)


def test_values_outside_the_range_are_clipped() -> None:
    assert to_uint16(np.array([[-0.5, 1.5]], dtype=np.float32)).tolist() == [[0, 65535]]
