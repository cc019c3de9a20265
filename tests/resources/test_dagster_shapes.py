import base64

import dagster as dg
import pyarrow as pa
import pytest

from resources.dagster_shapes import SHOWN_REASONS, checked, column_schema, picture, set_aside_table, table

Row = dict[str, str]


def rows(**counts: int) -> list[Row]:
    return [{"status": status, "reason": status} for status, count in counts.items() for _ in range(count)]


def test_the_column_schema_names_every_column_and_its_type() -> None:
    schema = column_schema(pa.schema([("key", pa.string()), ("areas", pa.list_(pa.float64()))]))[
        "dagster/column_schema"
    ]
    assert [(column.name, column.type) for column in schema.columns] == [
        ("key", "string"),
        ("areas", "list<item: double>"),
    ]
    assert [column.constraints.unique for column in schema.columns] == [True, False]


def test_keys_repeat_where_a_row_stands_for_an_arm() -> None:
    schema = column_schema(pa.schema([("arm", pa.string()), ("key", pa.string())]))["dagster/column_schema"]
    assert not any(column.constraints.unique for column in schema.columns)


def test_a_picture_is_embedded() -> None:
    text = picture(b"\x89PNG").md_str
    assert text is not None
    assert text.startswith("![](data:image/png;base64,")
    assert base64.b64decode(text[len("![](data:image/png;base64,") : -1]) == b"\x89PNG"


def test_a_table_keeps_order_types_and_gaps() -> None:
    found = table(
        [{"arm": "it_pr/pca", "auc": 0.5, "other": 1}, {"arm": "none/pca"}], {"arm": "string", "auc": "float"}
    )
    assert [record.data for record in found.records] == [
        {"arm": "it_pr/pca", "auc": 0.5},
        {"arm": "none/pca", "auc": None},
    ]
    assert [(column.name, column.type) for column in found.schema.columns] == [("arm", "string"), ("auc", "float")]


def test_reasons_of_set_aside_rows_most_frequent_first() -> None:
    records = set_aside_table(rows(ok=5, failed=1, rejected=3)).records
    assert [record.data for record in records] == [
        {"status": "rejected", "reason": "rejected", "rows": 3},
        {"status": "failed", "reason": "failed", "rows": 1},
    ]


def test_long_and_many_reasons_are_cut() -> None:
    many = [{"status": "failed", "reason": f"{number}" + "x" * 999} for number in range(99)]
    records = set_aside_table(many).records
    assert len(records) == SHOWN_REASONS
    assert max(len(str(record.data["reason"])) for record in records) == 300


@pytest.mark.parametrize(
    ("found", "limit", "passed", "severity"),
    [
        (rows(ok=8, rejected=2), 0.2, True, dg.AssetCheckSeverity.WARN),
        (rows(ok=7, rejected=3), 0.2, False, dg.AssetCheckSeverity.WARN),
        (rows(ok=1), 0.0, True, dg.AssetCheckSeverity.WARN),
        (rows(rejected=3), 0.2, False, dg.AssetCheckSeverity.ERROR),
        ([], 0.2, False, dg.AssetCheckSeverity.ERROR),
    ],
)
def test_a_check_on_the_share_of_set_aside_rows(
    found: list[Row], limit: float, passed: bool, severity: dg.AssetCheckSeverity
) -> None:
    result = checked("masks_plausible", found, limit)
    assert (result.check_name, result.passed, result.severity) == ("masks_plausible", passed, severity)
    assert result.metadata["rows"].value == len(found)
    assert result.metadata["limit"].value == limit
