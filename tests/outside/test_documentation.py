import re
from pathlib import Path

import pytest
import torch

from resources.object_store import ObjectStore
from tests.outside.synthetic import synthetic

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = ("README.md", "pipelines/outside/README.md")


def blocks() -> list[str]:
    """Every Python block that tells of the data sets."""
    texts = [(REPOSITORY / page).read_text(encoding="utf-8") for page in PAGES]
    found = [block for text in texts for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL)]
    return [block for block in found if "pipelines.outside" in block]


def test_the_data_sets_are_documented() -> None:
    assert blocks()


@pytest.mark.parametrize("code", blocks())
def test_the_documented_lines_run(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len([line for line in code.splitlines() if line]) <= 10
    synthetic(ObjectStore(str(tmp_path / ".pseudopair" / "store")), radiographs=16, name="phantom")
    monkeypatch.chdir(tmp_path)
    left: dict[str, torch.Tensor] = {}
    exec(compile(code, "README", "exec"), left)
    assert left["abnormal"].shape[1:] == left["normal"].shape[1:] == left["lungs"].shape[1:] == (1, 16, 16)
    assert left["abnormal"].dtype == left["normal"].dtype == torch.float32
    assert 0 <= left["abnormal"].min() < left["abnormal"].max() <= 1
    assert set(left["lungs"].flatten().tolist()) == {0, 1, 2}
