import pytest

from assets.radiographs.cells import parse_age, parse_aspect, parse_boxes, parse_sex, text_of


@pytest.mark.parametrize("cell", [None, "", "  ", float("nan")])
def test_empty_cells(cell: object) -> None:
    assert text_of(cell) is None
    assert parse_boxes(cell) == ((), None)
    assert parse_sex(cell) is None
    assert parse_age(cell) is None
    assert parse_aspect(cell) == (None, None)


def test_boxes_from_json_and_from_lists() -> None:
    expected = ((1.0, 2.0, 3.5, 4.0, "Infiltrate"), (5.0, 6.0, 7.0, 8.0, ""))
    assert parse_boxes('[[1, 2, 3.5, 4, "Infiltrate"], [5, 6, 7, 8]]') == (expected, None)
    assert parse_boxes([[1, 2, 3.5, 4, "Infiltrate"], [5, 6, 7, 8]]) == (expected, None)
    assert parse_boxes("[]") == ((), None)


@pytest.mark.parametrize(
    "cell",
    [
        "[[1, 2, 3]]",
        "[1, 2, 3, 4]",
        "{}",
        "[[1, 2,",
        "[[1, 2, 0, 4]]",
        "[[1, 2, 3, -4]]",
        '[["a", 2, 3, 4]]',
        "[[1, 2, NaN, 4]]",
    ],
)
def test_boxes_that_cannot_be_read(cell: str) -> None:
    boxes, problem = parse_boxes(cell)
    assert boxes == ()
    assert problem is not None
    assert "expected a JSON list" in problem


@pytest.mark.parametrize(("cell", "sex"), [("M", "M"), ("female", "F"), (" f ", "F"), ("O", None), (1, None)])
def test_sex(cell: object, sex: str | None) -> None:
    assert parse_sex(cell) == sex


@pytest.mark.parametrize(
    ("cell", "age"), [(54, 54), ("54.5", 54.5), ("045Y", 45), ("018M", 1.5), ("411", None), ("old", None), (-3, None)]
)
def test_age(cell: object, age: float | None) -> None:
    assert parse_age(cell) == age


def test_aspect() -> None:
    assert parse_aspect("1.0277") == (1.0277, None)
    for cell in ("wide", 0, 17, "nan"):
        aspect, problem = parse_aspect(cell)
        assert aspect is None
        assert problem is not None
        assert "true_aspect_wh" in problem
