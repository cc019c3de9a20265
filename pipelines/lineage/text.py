"""Lineage as a tree for the terminal."""

import io
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from pipelines.lineage.item import OK, Item, Lineage

# Of what was reached, as many of a kind are listed; a normal may stand in hundreds of pairs.
SHOWN = 12
# Of a file, and of a pipe.
WIDTH = 400
# What the tree says of a row itself; everything is in the other formats.
TOLD = (
    *("cohort", "shard", "row", "split", "domain", "label", "patient", "radiograph_id", "file_digest", "arm", "policy"),
    *("mask_source", "quality", "dice_reference", "folded_share", "similarity_before", "similarity_after"),
    *("abnormal_flags", "normal_flags", "abnormal_id", "normal_id", "kind", "trained_on", "borrowed_from"),
    *("trained_normal", "trained_abnormal", "score_mean", "score_top5", "auc", "auc_low", "auc_high", "run_id"),
)


def tree(lineage: Lineage) -> Tree:
    """The answer as a tree: what it was made from, then what it reached."""
    root = Tree(Text(lineage.asked, style="bold"))
    told: set[tuple[str, str]] = set()
    for item in lineage.items:
        _backwards(root, item, told)
    after = root.add(Text("reached" if lineage.reached else "reached nothing", style="bold"))
    for kind, members in groupby(lineage.reached, key=lambda item: item.kind):
        some = list(members)
        branch = after.add(Text(f"{len(some)} x {kind}", style="bold"))
        for item in some[:SHOWN]:
            _leaf(branch.add(headline(item)), item)
        if len(some) > SHOWN:
            branch.add(f"and {len(some) - SHOWN} more; --format json has all")
    return root


def plain(lineage: Lineage) -> str:
    """The tree without colors, for a file."""
    page = io.StringIO()
    Console(file=page, width=WIDTH, highlight=False, soft_wrap=True).print(tree(lineage))
    return page.getvalue()


def headline(item: Item) -> Text:
    """Kind, id and state of an item."""
    text = Text.assemble((item.kind, "bold"), f" {item.name}")
    if item.state != OK:
        text.append(f"  {item.state}", style="bold red")
    return text.append(f"  {item.why}", style="yellow" if item.state != OK else "dim") if item.why else text


def details(item: Item) -> Iterator[str]:
    """Lines on an item: its artefact, its columns, its manifest and the settings it was made with."""
    if item.columns.get("artifact"):
        yield f"{item.columns['artifact']}  sha256 {item.columns['artifact_digest']}"
    told = [f"{name} {_spoken(item.columns[name])}" for name in TOLD if name in item.columns]
    if told:
        yield ", ".join(told)
    manifest = item.manifest
    if manifest:
        yield (
            f"{manifest['stage']}@{manifest['partition']} version {manifest['version']}, manifest "
            f"{manifest['digest'][:16]}, run {manifest['run_id']}, {manifest['created_at']}"
        )
        yield "settings " + ", ".join(f"{name}={_spoken(value)}" for name, value in manifest["settings"].items())


def _backwards(branch: Tree, item: Item, told: set[tuple[str, str]]) -> None:
    known = (item.kind, item.name) in told
    told.add((item.kind, item.name))
    node = branch.add(headline(item).append("  (as above)" if known else "", style="dim"))
    if known:
        return
    _leaf(node, item)
    for each in item.made_from:
        _backwards(node, each, told)


def _leaf(node: Tree, item: Item) -> None:
    for line in details(item):
        node.add(Text(line, style="dim"))


def _spoken(value: Any) -> str:  # noqa: ANN401 (cells and settings)
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return " ".join(_spoken(each) for each in value) or "none"
    return str(value)
