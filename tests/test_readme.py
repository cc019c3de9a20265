import re
from pathlib import Path

from pipelines.cohort_docs import documented
from pipelines.stages import STAGE_NAMES

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_cohort_fields_are_those_of_the_declaration() -> None:
    assert documented(README) == README, "run `python -m pipelines.cohort_docs`"


def test_the_first_two_shell_blocks_install_with_the_pinned_versions() -> None:
    first, second = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)[:2]
    for block in (first, second):
        assert "python3 -m venv .venv" in block
        assert "-c constraints.txt" in block
    assert "pseudopair run phantom" in first
    assert "pytest" in second


def test_constraints_pin_versions_and_hold_no_address() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").split()
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", line) for line in lines)
    assert "torch==2.13.0" in lines


def test_the_stage_table_lists_every_asset_in_order() -> None:
    table = (ROOT / "assets" / "README.md").read_text(encoding="utf-8")
    named = [name for name in re.findall(r"`(\w+)`", table) if name in STAGE_NAMES]
    assert tuple(named) == STAGE_NAMES
