"""Pieces of a self-contained HTML report: every text is escaped, pictures are embedded, nothing is requested."""

import base64
from collections.abc import Mapping, Sequence
from html import escape

from assets.evaluation.report_model import Picture
from assets.evaluation.report_style import STYLE

NOTICE = (
    "Research software. Not a medical device: not validated for, and not to be used for, diagnosis or any decision "
    "about a patient. A translated radiograph is a computed image and shows no patient."
)
MISSING = "-"


def document(title: str, parts: Sequence[str]) -> str:
    """A whole document, light or dark as the reader's system is; its content policy forbids scripts and requests.

    Args:
        title: of the window, escaped here.
        parts: HTML; empty ones are left out.
    """
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\n"
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(part for part in parts if part)
        + "\n</main>\n</body>\n</html>\n"
    )


def heading(title: str, created: str, summary: Sequence[str], notes: Sequence[str] = ()) -> str:
    """Title, research-use notice, the finding in sentences, and limits as a list."""
    listed = "".join(f"<li>{escape(note)}</li>" for note in notes)
    said = "\n".join(f"<p class=summary>{escape(sentence)}</p>" for sentence in summary)
    return (
        f"<header><h1>{escape(title)}</h1><p class=when>{escape(created)}</p></header>\n"
        f"<p class=notice>{escape(NOTICE)}</p>\n{said}" + (f"\n<ul class=notes>{listed}</ul>" if listed else "")
    )


def section(title: str, body: str) -> str:
    """A section with its heading; empty without a body (HTML)."""
    return f"<section><h2>{escape(title)}</h2>{body}</section>" if body else ""


def paragraph(text: str) -> str:
    """A paragraph of escaped text."""
    return f"<p>{escape(text)}</p>"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], text: int, marked: Sequence[bool] | None = None) -> str:
    """A table of escaped texts, the first `text` columns to the left, numbers to the right; empty without rows."""
    if not rows:
        return ""
    names = "".join(f"<th{_side(i, text)}>{escape(name)}</th>" for i, name in enumerate(head))
    lines = []
    for row, best in zip(rows, marked or [False] * len(rows), strict=True):
        cells = "".join(f"<td{_side(i, text)}>{escape(cell)}</td>" for i, cell in enumerate(row))
        lines.append(f"<tr{' class=best' if best else ''}>{cells}</tr>")
    return f"<div class=scroll><table><thead><tr>{names}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"


def gallery(pictures: Sequence[Picture]) -> str:
    """Pictures with headings and captions; empty without any."""
    figures = []
    for picture in pictures:
        data = base64.b64encode(picture.png).decode("ascii")
        figures.append(
            f'<figure class="{"wide" if picture.wide else "half"}"><h3>{escape(picture.title)}</h3>'
            f'<img src="data:image/png;base64,{data}" alt="{escape(picture.caption)}">'
            f"<figcaption>{escape(picture.caption)}</figcaption></figure>"
        )
    return f"<div class=pictures>{''.join(figures)}</div>" if figures else ""


def provenance(settings: str, digests: Mapping[str, str], versions: Mapping[str, str]) -> str:
    """Settings, folded up, and tables of manifests read and software used."""
    folded = f"<details><summary>Settings</summary><pre>{escape(settings)}</pre></details>" if settings else ""
    return (
        folded
        + table(("manifest", "digest"), list(digests.items()), text=2)
        + table(("software", "version"), list(versions.items()), text=2)
    )


def number(value: float | None, digits: int = 3) -> str:
    """A number, `-` where there is none."""
    return MISSING if value is None else f"{value:.{digits}f}"


def bounded(value: float | None, low: float | None, high: float | None, *, signed: bool = False) -> str:
    """A value with its interval where it has one, `-` where there is none."""
    sign = "+" if signed else ""
    if value is None:
        return MISSING
    if low is None or high is None:
        return f"{value:{sign}.3f}"
    return f"{value:{sign}.3f} [{low:{sign}.3f}, {high:{sign}.3f}]"


def percent(share: float) -> str:
    """A share in [0, 1] as `95 %`."""
    return f"{100 * share:g} %"


def p_value(value: float | None) -> str:
    """A p value as it is usually written, `-` where there is none."""
    if value is None:
        return MISSING
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _side(column: int, text: int) -> str:
    return " class=text" if column < text else ""
