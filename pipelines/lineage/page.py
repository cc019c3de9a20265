"""Lineage as one HTML page that needs nothing else: pictures first, then every key."""

import base64
import json
from collections.abc import Iterable
from html import escape
from itertools import groupby
from typing import Any

from assets.evaluation.report_style import STYLE
from pipelines.lineage.item import OK, Item, Lineage
from pipelines.lineage.pictures import Shown, pair_picture, way_pictures
from resources.object_store import ObjectStore

NOTICE = (
    "Research software, not a medical device: nothing on this page may guide the care of a patient. It shows "
    "radiographs; keep it where they may be kept."
)
OWN_STYLE = """
.lineage { list-style: none; margin: 4px 0; padding-left: 18px; border-left: 1px solid var(--line); }
.lineage > li { margin: 8px 0; } .lineage p, .lineage details { margin: 0; }
.name, dd { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: 12.5px; overflow-wrap: anywhere; }
.bad { color: var(--warn-line); font-weight: 600; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 14px; margin: 6px 0; font-size: 13px; }
dt { color: var(--faint); } dd { margin: 0; }
td.name { text-align: left; }
.pictures { gap: 12px; } .pictures figure { max-width: 196px; } figure.whole { max-width: 392px !important; }
.scroll td.text, .scroll th.text { overflow-wrap: normal; }
"""
HEAD = f"<tr>{''.join(f'<th class=text>{name}</th>' for name in ('key', 'state', 'how', 'artefact'))}</tr>"
# Of what was reached, as many rows of a kind are shown.
ROWS = 200


def page(lineage: Lineage, store: ObjectStore) -> str:
    """The page, light or dark as the reader's system is; scripts and requests are forbidden to it.

    Args:
        lineage: the answer.
        store: where its pictures' artefacts are.
    """
    body = (
        f"<header><h1>Lineage of a {escape(lineage.asked.partition(' ')[0])}</h1>"
        f'<p class="when name">{escape(lineage.asked.partition(" ")[2])}</p></header>\n'
        f"<p class=notice>{escape(NOTICE)}</p>\n"
        + "".join(_pictured(item, lineage, store) for item in lineage.items)
        + _section("Made from", f"<ul class=lineage>{''.join(map(_tree, lineage.items))}</ul>")
        + _section("Reached", _reached(lineage.reached))
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\n"
        f"<title>{escape(lineage.asked)}</title>\n<style>{STYLE}{OWN_STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"{body}</main>\n</body>\n</html>\n"
    )


def _pictured(item: Item, lineage: Lineage, store: ObjectStore) -> str:
    if item.kind != "pair":
        return _section(_title(item), _figures(way_pictures(store, item, lineage.reached)))
    both = pair_picture(store, item)
    sides = "".join(
        _section(
            f"{side.capitalize()} side: {item.columns[f'{side}_label']}",
            _figures(way_pictures(store, each, lineage.reached)),
        )
        for side, each in zip(("abnormal", "normal"), item.made_from, strict=True)
    )
    return sides + (_section("The pair", _figures([both], "whole")) if both else "")


def _title(item: Item) -> str:
    return f"{item.columns.get('label', 'radiograph')} {item.columns.get('radiograph_id', item.name)[:12]}"


def _figures(shown: Iterable[Shown], kind: str = "step") -> str:
    figures = "".join(
        f'<figure class={kind}><img alt="{escape(each.caption)}" src="{_embedded(each.png)}">'
        f"<figcaption>{escape(each.caption)}</figcaption></figure>"
        for each in shown
    )
    return f"<div class=pictures>{figures}</div>" if figures else "<p>There is no picture of it in the store.</p>"


def _embedded(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def _section(title: str, inner: str) -> str:
    return f"<section><h2>{escape(title)}</h2>\n{inner}</section>\n"


def _tree(item: Item) -> str:
    before = "".join(_tree(each) for each in item.made_from)
    below = f"<ul class=lineage>{before}</ul>" if before else ""
    return f"<li><details><summary>{_headline(item)}</summary>{_facts(item)}</details>{_made(item)}{below}</li>"


def _headline(item: Item) -> str:
    state = "" if item.state == OK else f" <span class=bad>{escape(item.state)}</span>"
    why = f" {escape(item.why)}" if item.why else ""
    return f"<b>{escape(item.kind)}</b> <span class=name>{escape(item.name)}</span>{state}{why}"


def _made(item: Item) -> str:
    """By what and when, in one line."""
    told = item.manifest
    if not told:
        where = ", ".join(f"{name} {item.columns[name]}" for name in ("shard", "row") if name in item.columns)
        return f"<p class=when>{escape(where)}</p>"
    made = f"{told['stage']}@{told['partition']}, version {told['version']}, {told['created_at']}, run {told['run_id']}"
    return f"<p class=when>{escape(made)}</p>"


def _facts(item: Item) -> str:
    facts = {**item.columns, **{f"manifest: {name}": value for name, value in item.manifest.items()}}
    pairs = "".join(f"<dt>{escape(name)}</dt><dd>{escape(_spoken(value))}</dd>" for name, value in facts.items())
    return f"<dl>{pairs}</dl>"


def _spoken(value: Any) -> str:  # noqa: ANN401 (cells and settings)
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else json.dumps(value)


def _reached(items: tuple[Item, ...]) -> str:
    if not items:
        return "<p>Nothing that is in the store.</p>"
    tables: list[str] = []
    for kind, members in groupby(items, key=lambda item: item.kind):
        some = list(members)
        rows = "".join(
            f"<tr><td class=name>{escape(item.name)}</td><td class=text>{escape(item.state)}</td>"
            f"<td class=text>{escape(item.why)}</td><td class=name>{escape(item.columns.get('artifact', ''))}</td></tr>"
            for item in some[:ROWS]
        )
        more = f"<p>and {len(some) - ROWS} more; --format json has all</p>" if len(some) > ROWS else ""
        tables.append(f"<h3>{len(some)} x {escape(kind)}</h3><div class=scroll><table>{HEAD}{rows}</table></div>{more}")
    return "".join(tables)
