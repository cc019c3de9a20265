import json
import sys
from pathlib import Path

import pytest
import torch

from pipelines.outside.datasets import PseudoPairs
from resources.object_store import ObjectStore
from tests.benchmarks.loader import as_png, main
from tests.outside.synthetic import synthetic


def test_the_peer_reads_the_same_pixels(tmp_path: Path) -> None:
    cohort = synthetic(ObjectStore(str(tmp_path / "store")))
    pairs, peer = PseudoPairs(str(tmp_path / "store"), cohort.name, None), as_png(cohort, tmp_path)
    assert len(pairs) == len(peer) > 0
    for item, other in zip(pairs, (peer[index] for index in range(len(peer))), strict=True):
        assert set(other) == {"abnormal", "normal", "abnormal_lungs", "normal_lungs"}
        for name, tensor in other.items():
            assert torch.equal(item[name], tensor), name


def test_the_last_line_is_the_figures(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--radiographs", "32", "--size", "64", "--workers", "1", "--repeats", "1"]
    monkeypatch.setattr(sys, "argv", ["loader", *options])
    main()
    lines = capsys.readouterr().out.splitlines()
    figures = json.loads(lines[-1])
    assert set(figures) == {
        *("pairs_s", "pairs_s_0", "pairs_s_1", "pairs_s_unchecked", "png_pairs_s"),
        *("cpu_ms", "ratio", "workers"),
    }
    assert figures["pairs_s"] == max(figures["pairs_s_0"], figures["pairs_s_1"])
    assert all(value > 0 for value in figures.values())
    assert figures["ratio"] == pytest.approx(figures["pairs_s"] / figures["png_pairs_s"], abs=0.01)
    assert figures["workers"] == 1
    assert any("page cache is warm" in line for line in lines)
