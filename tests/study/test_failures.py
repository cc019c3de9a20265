import pyarrow as pa
import pytest

from assets.study.failures import worst_failures


def rows(normals: list[float | None], abnormals: list[float | None]) -> pa.Table:
    values = [*normals, *abnormals]
    domains = ["normal"] * len(normals) + ["abnormal"] * len(abnormals)
    return pa.table(
        {
            "radiograph_id": [f"{i:02d}" for i in range(len(values))],
            "domain": pa.array(domains, pa.string()),
            "score_mean": pa.array(values, pa.float64()),
        }
    )


def test_the_lowest_abnormal_and_the_highest_normal_ones_are_shown() -> None:
    found = worst_failures(rows([1, 2, 3, 9], [0, 8, 5]), "score_mean", count=2).to_pylist()
    assert [(row["domain"], row["score_mean"]) for row in found] == [
        ("abnormal", 0),
        ("abnormal", 5),
        ("normal", 9),
        ("normal", 3),
    ]
    # above 0 lie all normal ones, above 5 one of four; below 9 all abnormal ones, below 3 one of three
    assert [row["share"] for row in found] == pytest.approx([1, 1 / 4, 1, 1 / 3])


def test_equals_are_in_the_order_of_their_ids_and_do_not_count_as_misjudged() -> None:
    found = worst_failures(rows([4, 4], [4, 4]), "score_mean").to_pylist()
    assert [row["radiograph_id"] for row in found] == ["02", "03", "00", "01"]
    assert [row["share"] for row in found] == [0, 0, 0, 0]


def test_what_has_no_score_is_left_out_and_a_class_may_be_missing() -> None:
    found = worst_failures(rows([None, float("nan"), 3], []), "score_mean").to_pylist()
    assert [(row["radiograph_id"], row["share"]) for row in found] == [("02", 0)]
    assert worst_failures(rows([], []), "score_mean").num_rows == 0
