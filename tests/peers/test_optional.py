import importlib
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from assets.peers import optional
from assets.peers.elastix_process import THREADS
from assets.peers.optional import elastix, installed, syn

F32 = npt.NDArray[np.float32]
Method = Callable[[F32, F32], F32]
REPOSITORY = Path(__file__).resolve().parents[2]
METHODS = {"syn": syn, "elastix": elastix}
method = pytest.mark.parametrize("name", METHODS)


def smooth_noise(seed: int) -> F32:
    noise = np.random.default_rng(seed).random((96, 96), np.float32)
    return np.asarray(cv2.GaussianBlur(noise, (0, 0), 5), np.float32)


def shifted(moving: F32) -> F32:
    # fixed(p) = moving(p + (3, -2))
    shift = np.array([[1, 0, 3], [0, 1, -2]], np.float32)
    inverse_map = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    fixed = cv2.warpAffine(moving, shift, (96, 96), flags=inverse_map, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(fixed, np.float32)


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    asked: list[str] = []

    def absent(name: str, package: str | None = None) -> ModuleSpec | None:
        asked.append(name)
        return None

    monkeypatch.setattr(optional, "find_spec", absent)
    return asked


def test_nothing_is_found_nor_imported_where_nothing_is_installed(
    nothing_installed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    imported: list[str] = []
    monkeypatch.setattr(optional, "import_module", imported.append)
    assert installed() == frozenset()
    assert sorted(nothing_installed) == ["ants", "itk"]
    for align in METHODS.values():
        with pytest.raises(ModuleNotFoundError):
            align(smooth_noise(0), smooth_noise(1))
    assert imported == []


def test_an_absent_method_names_the_package_to_install(nothing_installed: list[str]) -> None:
    with pytest.raises(ModuleNotFoundError, match="pip install antspyx"):
        syn(smooth_noise(0), smooth_noise(1))
    with pytest.raises(ModuleNotFoundError, match="pip install itk-elastix"):
        elastix(smooth_noise(0), smooth_noise(1))


def test_itk_without_elastix_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "itk"
    package.mkdir()
    (package / "__init__.py").write_text("raise AssertionError('imported')")
    found = importlib.util.spec_from_file_location(
        "itk", package / "__init__.py", submodule_search_locations=[str(package)]
    )
    monkeypatch.setattr(optional, "find_spec", lambda name: found if name == "itk" else None)
    assert installed() == frozenset()
    (package / "ElastixPython.py").write_text("raise AssertionError('imported')")
    importlib.invalidate_caches()
    assert installed() == {"elastix"}


def test_asking_what_is_installed_imports_no_package() -> None:
    code = (
        "import json, sys\nfrom assets.peers.optional import installed\n"
        "known = sorted(installed())\nprint(json.dumps([known, [n for n in ('ants', 'itk') if n in sys.modules]]))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    known, loaded = json.loads(done.stdout)
    assert set(known) == installed()
    assert loaded == []


@method
def test_two_sizes_are_refused_before_any_package_is_loaded(name: str, nothing_installed: list[str]) -> None:
    with pytest.raises(ValueError, match="two \\(H, W\\) images of one size"):
        METHODS[name](smooth_noise(0), smooth_noise(1)[:64])
    assert nothing_installed == []


@method
def test_a_known_shift_is_found_as_a_backward_field_without_a_trace(
    name: str, capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name not in installed():
        pytest.skip(f"{optional.PACKAGES[name]} is not installed")
    monkeypatch.chdir(tmp_path)
    threads = os.environ.get(THREADS)
    moving = smooth_noise(0)
    first, second = (METHODS[name](shifted(moving), moving) for _ in range(2))
    assert capfd.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []
    assert os.environ.get(THREADS) == threads
    assert first.shape == (2, 96, 96)
    assert first.dtype == np.float32
    assert first[:, 24:72, 24:72].mean(axis=(1, 2)) == pytest.approx([3, -2], abs=0.3)
    np.testing.assert_allclose(second, first, atol=1e-3)


def test_what_elastix_refuses_comes_back_as_an_error() -> None:
    if "elastix" not in installed():
        pytest.skip("itk-elastix is not installed")
    with pytest.raises(RuntimeError, match=r"elastix: expected to register a pair of \(3, 3\), it answered"):
        elastix(smooth_noise(0)[:3, :3], smooth_noise(1)[:3, :3])
