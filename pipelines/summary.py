"""What `pseudopair run` ends with: stages, arms, and where report and pictures lie."""

from typing import Any

from rich.console import Console
from rich.table import Table

from pipelines.stages import STAGES
from resources.home import store_url
from resources.manifests import Place, read_manifest, read_pointer
from resources.object_store import ObjectStore


def print_summary(cohort: str, tag: str, console: Console) -> None:
    """Print the tables and paths of a cohort's latest state."""
    store = ObjectStore(store_url())
    console.print(_stage_table(store, cohort))
    arms = _arm_table(store, cohort)
    if arms is not None:
        console.print(arms)
        console.print(f"report: {store.uri(Place('evaluation', cohort).folder)}/report.html")
    console.print(f"pictures: {store.uri('stages')}/<stage>/{cohort}*/pictures/")
    console.print(f"runs in the UI: tag pseudopair/run={tag}   (start it with `pseudopair ui`)")


def _stage_table(store: ObjectStore, cohort: str) -> Table:
    table = Table("stage", "ok", "set aside", "computed", "reused", "seconds", title=f"{cohort}: stages")
    for stage in STAGES:
        pointers = [read_pointer(store, Place(stage.name, key)) for key in stage.partitions(cohort)]
        there = [pointer for pointer in pointers if pointer]
        if there:
            table.add_row(stage.name, *_totals(there))
    return table


def _totals(pointers: list[dict[str, Any]]) -> list[str]:
    def total(*names: str) -> int:
        return sum(pointer[name] for pointer in pointers for name in names)

    seconds = sum(pointer["seconds"] for pointer in pointers)
    aside = total("needs_review", "rejected", "failed")
    return [str(total("ok")), str(aside), str(total("computed")), str(total("reused", "resumed")), f"{seconds:.1f}"]


def _arm_table(store: ObjectStore, cohort: str) -> Table | None:
    manifest = read_manifest(store, Place("evaluation", cohort))
    if manifest is None:
        return None
    table = Table("arm", "seed", "AUC on test patients", "normal", "abnormal", title=f"{cohort}: headline score by arm")
    for row in manifest.to_pylist():
        if row["headline"] and row["split"] == "test":
            interval = "" if row["auc_low"] is None else f"  [{row['auc_low']:.3f}, {row['auc_high']:.3f}]"
            area = row["reason"] if row["auc"] is None else f"{row['auc']:.3f}{interval}"
            table.add_row(row["arm"], str(row["seed"]), area, str(row["normals"]), str(row["abnormals"]))
    return table
