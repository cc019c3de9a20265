import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.radiographs.identity import pseudonym, radiograph_id

KEY = bytes(range(32))


def test_pseudonym_golden() -> None:
    # RFC 4231 test case 2: key "Jefe", data "what do ya want for nothing?"
    assert pseudonym("what do ya want for nothing?", b"Jefe") == "5bdcc146bf60754e6a042426"


def test_pseudonyms_depend_on_patient_and_key_and_nothing_else() -> None:
    assert pseudonym("MRN 1", KEY) == pseudonym(" MRN 1 ", KEY)
    assert len({pseudonym("MRN 1", KEY), pseudonym("MRN 2", KEY), pseudonym("MRN 1", KEY[:-1])}) == 3
    assert "MRN" not in pseudonym("MRN 1", KEY)


def test_pseudonyms_need_an_id_and_a_key() -> None:
    with pytest.raises(ValueError, match="patient_id"):
        pseudonym("  ", KEY)
    with pytest.raises(ValueError, match="key"):
        pseudonym("MRN 1", b"")


def test_the_depth_of_storage_does_not_change_the_identity() -> None:
    stored = np.arange(256, dtype=np.uint8).reshape(16, 16)
    shallow = stored.astype(np.float32) / np.float32(255)
    deep = (stored.astype(np.float32) * 257) / np.float32(65535)
    assert radiograph_id(shallow) == radiograph_id(deep.astype(np.float32))


@given(row=st.integers(0, 7), column=st.integers(0, 5), step=st.integers(1, 65535))
@settings(max_examples=20, deadline=None)
def test_one_gray_level_changes_the_identity(row: int, column: int, step: int) -> None:
    image = np.zeros((8, 6), dtype=np.float32)
    changed = image.copy()
    changed[row, column] = np.float32(step / 65535)
    assert radiograph_id(image) != radiograph_id(changed)


def test_the_shape_is_part_of_the_identity() -> None:
    flat = np.zeros((4, 9), dtype=np.float32)
    assert radiograph_id(flat) != radiograph_id(flat.reshape(6, 6))
    assert len(radiograph_id(flat)) == 32
    assert radiograph_id(np.asfortranarray(flat)) == radiograph_id(flat)


@pytest.mark.parametrize("value", [1.5, -0.5, float("nan")])
def test_values_outside_the_unit_range_have_no_identity(value: float) -> None:
    with pytest.raises(ValueError, match="within"):
        radiograph_id(np.full((4, 4), value, dtype=np.float32))
