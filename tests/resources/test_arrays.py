import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from resources.arrays import CorruptArtifact, decode, decode_columns, encode

DTYPES = st.sampled_from([np.uint8, np.int16, np.uint16, np.int32, np.float16, np.float32, np.float64, np.bool_])
ARRAYS = st.dictionaries(
    st.text("abc_.", min_size=1, max_size=6),
    DTYPES.flatmap(lambda dtype: nps.arrays(dtype, nps.array_shapes(max_dims=3, max_side=5))),
    min_size=1,
    max_size=4,
)
COLUMNS = st.dictionaries(
    st.text(max_size=8), st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
)


@given(arrays=ARRAYS, columns=COLUMNS)
@settings(max_examples=40, deadline=None)
def test_arrays_and_columns_come_back(arrays: dict[str, np.ndarray], columns: dict[str, object]) -> None:
    data = encode(arrays, columns)
    found = decode(data)
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)
    assert decode_columns(data) == columns


@given(arrays=ARRAYS, columns=COLUMNS)
@settings(max_examples=20, deadline=None)
def test_equal_content_gives_equal_bytes_in_whatever_order(
    arrays: dict[str, np.ndarray], columns: dict[str, object]
) -> None:
    turned = dict(reversed(arrays.items())), dict(reversed(columns.items()))
    assert encode(*turned) == encode(arrays, columns)


def test_a_transposed_array_keeps_its_meaning(rng: np.random.Generator) -> None:
    array = rng.random((3, 5)).T
    np.testing.assert_array_equal(decode(encode({"a": array}, {}))["a"], array)


def test_columns_are_read_from_the_header_alone() -> None:
    data = encode({"a": np.zeros(1000, np.float32)}, {"status": "ok", "area": 0.25})
    assert decode_columns(data[:400]) == {"status": "ok", "area": 0.25}


@pytest.mark.parametrize("keep", [0, 4, 20, -1])
def test_a_cut_off_artefact_is_refused_with_a_remedy(keep: int) -> None:
    data = encode({"a": np.arange(10)}, {"x": 1})
    with pytest.raises(CorruptArtifact, match="run its stage again"):
        decode(data[:keep])


@pytest.mark.parametrize(
    "data", [b"", b"\xff" * 8, b"\x02\0\0\0\0\0\0\0{}", b"\x02\0\0\0\0\0\0\0[]", b"not one at all"]
)
def test_a_header_without_columns_is_refused_with_a_remedy(data: bytes) -> None:
    with pytest.raises(CorruptArtifact, match="run its stage again"):
        decode_columns(data)
