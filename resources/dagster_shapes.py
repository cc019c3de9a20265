"""What stages show in Dagster: column schemas, pictures, tables of set-aside rows, quality checks."""

import base64
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
import pyarrow as pa

SHOWN_REASONS = 20
PICTURE_BYTES = 100_000


def column_schema(schema: pa.Schema) -> dict[str, Any]:
    """Definition metadata with the manifest's columns."""
    unique = {"key"} if "arm" not in schema.names else set()
    columns = [
        dg.TableColumn(field.name, str(field.type), constraints=dg.TableColumnConstraints(unique=field.name in unique))
        for field in schema
    ]
    return {"dagster/column_schema": dg.TableSchema(columns)}


def picture(png: bytes) -> dg.MarkdownMetadataValue:
    """A PNG that the UI shows when its metadata entry is opened; pictures are kept small, every event stores them."""
    return dg.MetadataValue.md(f"![](data:image/png;base64,{base64.b64encode(png).decode()})")


def table(rows: Sequence[Mapping[str, Any]], types: Mapping[str, str]) -> dg.TableMetadataValue:
    """A small table; cells are strings, numbers, booleans or null."""
    records = [dg.TableRecord({name: row.get(name) for name in types}) for row in rows]
    columns = [dg.TableColumn(name, kind) for name, kind in types.items()]
    return dg.MetadataValue.table(records, schema=dg.TableSchema(columns))


def set_aside_table(rows: Sequence[Mapping[str, Any]]) -> dg.TableMetadataValue:
    """Reasons of rows that don't go on, most frequent first."""
    reasons = Counter((row["status"], row["reason"]) for row in rows if row["status"] != "ok")
    shown = [
        {"status": status, "reason": reason[:300], "rows": count}
        for (status, reason), count in reasons.most_common(SHOWN_REASONS)
    ]
    return table(shown, {"status": "string", "reason": "string", "rows": "int"})


def checked(name: str, rows: Sequence[Mapping[str, Any]], limit: float) -> dg.AssetCheckResult:
    """A check that at most a share of the rows was set aside.

    Args:
        name: the check's name.
        rows: all rows of the stage.
        limit: largest acceptable share in [0, 1].
    """
    aside = sum(row["status"] != "ok" for row in rows)
    share = aside / len(rows) if rows else 1.0
    return dg.AssetCheckResult(
        check_name=name,
        passed=share <= limit,
        severity=dg.AssetCheckSeverity.WARN if 0 < len(rows) != aside else dg.AssetCheckSeverity.ERROR,
        metadata={"set_aside": aside, "rows": len(rows), "share": round(share, 4), "limit": limit},
    )
