"""The README's section on the fields of a cohort file, made from the declaration's own model."""

import json
import re
from pathlib import Path

from pydantic import BaseModel

from assets.radiographs.declaration import CohortDeclaration, Columns, schema
from assets.radiographs.declared_masks import CheXmask

SECTION = re.compile(r"(<!-- cohort-fields -->\n).*?(<!-- /cohort-fields -->)", re.DOTALL)


def documented(readme: str) -> str:
    """The README with its section on cohort fields brought up to date."""
    return SECTION.sub(lambda match: f"{match[1]}{cohort_fields()}{match[2]}", readme)


def cohort_fields() -> str:
    """Tables of all fields in Markdown, and the JSON Schema folded away."""
    text = json.dumps(schema(), indent=1)
    return (
        f"{_table(CohortDeclaration, '')}\n{_table(Columns, 'columns.')}\n{_table(CheXmask, 'chexmask.')}\n"
        "<details><summary>JSON Schema (also <code>pseudopair schema</code>)</summary>\n\n"
        f"```json\n{text}\n```\n\n</details>\n"
    )


def _table(model: type[BaseModel], prefix: str) -> str:
    lines = ["| field | default | meaning |", "|---|---|---|"]
    for name, info in model.model_fields.items():
        default = info.get_default(call_default_factory=True)
        shown = "required" if info.is_required() else "none" if default in (None, "", {}, []) else f"`{default}`"
        shown = "see below" if isinstance(default, BaseModel) else shown
        lines.append(f"| `{prefix}{name}` | {shown} | {(info.description or '').replace('|', '&#124;')} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    page = Path(__file__).resolve().parents[1] / "README.md"
    page.write_text(documented(page.read_text(encoding="utf-8")), encoding="utf-8")
