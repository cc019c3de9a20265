"""A cohort's scores as one documented Parquet file, on any fsspec URL."""

from pipelines.mask_sources import other_masks
from pipelines.outside.export_files import lies_in
from pipelines.outside.export_notice import ExportError, Mark, readme, require_own
from pipelines.outside.scores import MEANING, score_table
from resources.manifests import table_bytes
from resources.object_store import ObjectStore
from resources.taken_models import taken

SCORES = "scores.parquet"


def export_scores(
    store: ObjectStore,
    target: ObjectStore,
    cohort: str,
    split: str | None = None,
    citation: str = "",
) -> dict[str, int]:
    """Write scores.parquet, what its columns mean and what it was made from; an earlier one is replaced.

    Args:
        store: the object store.
        target: the folder.
        cohort: the cohort's name.
        split: validation or test; both by default.
        citation: what the README tells to cite.

    Returns:
        How many rows and images there are, and how many of these have a score.

    Raises:
        ExportError: the folder holds something else, or lies in the store.
        FileNotFoundError: the stage `image_scores` has not run yet.
        ValueError: the split is not scored, or what the scores were made from has changed.
    """
    if lies_in(target, store):
        raise ExportError("the folder lies in the store, where only stages write; give another one")
    mark = Mark(cohort=cohort, format="scores", alignment="none", split=split)
    require_own(target, mark, target.find(""))
    table, manifests = score_table(store, cohort, split)
    rows = table.select(["row", "status"]).to_pylist()
    counts = {
        "rows": table.num_rows,
        "images": len({row["row"] for row in rows}),
        "scored_images": len({row["row"] for row in rows if row["status"] == "ok"}),
    }
    mark.write(target)
    target.write(SCORES, table_bytes(table))
    mark = mark.model_copy(update={"manifests": manifests, "counts": counts, "complete": True})
    noted = taken(cohort)
    models = f"Models of {noted.model}. {other_masks(store, cohort, noted.model)}".strip() if noted else ""
    columns = "\n".join(f"{name:<14} {meaning}" for name, meaning in MEANING.items())
    target.write("README.txt", f"{readme(mark, citation)}\n{models}\nColumns of {SCORES}:\n{columns}\n".encode())
    mark.write(target)
    return counts
