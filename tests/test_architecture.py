import ast
import json
import subprocess
import sys
from pathlib import Path

import assets

REPOSITORY = Path(__file__).resolve().parents[1]
SLOW_TO_LOAD = ("monai", "sklearn", "scipy.stats", "scipy.spatial", "matplotlib", "torch._dynamo")
FORBIDDEN = ("dagster", "s3fs", "fsspec", "resources", "pipelines")
# Where an adapter may not reach: layers import downwards only.
BELOW = {"resources": {"assets", "pipelines"}, "assets": {"pipelines"}}


def modules(package: str) -> list[Path]:
    return sorted((REPOSITORY / package).rglob("*.py"))


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")


def is_adapter(path: Path) -> bool:
    """`asset.py`, and the parts of one that is too long for one module: `asset_*.py`."""
    return path.stem.partition("_")[0] == "asset"


def imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(f"{'.' * node.level}{node.module or ''}")
    return found


def test_pure_modules_load_no_framework_storage_or_upper_layer() -> None:
    pure = [name_of(path) for path in modules("assets") if not is_adapter(path)]
    assert len(pure) > 50
    assert {"assets.segmenter.network", "assets.segmentation.selection"} <= set(pure)
    code = (
        "import importlib, json, sys\n"
        f"for name in {pure!r}: importlib.import_module(name)\n"
        f"print(json.dumps([name for name in {FORBIDDEN!r} if name in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


def test_no_stage_loads_a_library_that_takes_seconds_before_it_needs_it() -> None:
    code = f"import sys, pipelines.definitions\nprint([name for name in {SLOW_TO_LOAD!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_layers_import_only_downwards() -> None:
    wrong = [
        f"{name_of(path)} imports {name}"
        for package, upper in BELOW.items()
        for path in modules(package)
        for name in imported(path)
        if name.split(".")[0] in upper
    ]
    assert wrong == []


def test_imports_are_absolute() -> None:
    relative = [
        name_of(path)
        for package in ("assets", "pipelines", "resources")
        for path in modules(package)
        if any(name.startswith(".") for name in imported(path))
    ]
    assert relative == []


def test_packages_hold_nothing_but_a_docstring() -> None:
    packages = [path for package in ("assets", "pipelines", "resources") for path in modules(package)]
    for path in (path for path in packages if path.name == "__init__.py"):
        body = ast.parse(path.read_text(encoding="utf-8")).body
        assert len(body) == 1, name_of(path)
        assert isinstance(body[0], ast.Expr), name_of(path)
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), name_of(path)


def test_every_folder_of_modules_is_a_package() -> None:
    missing = {path.parent for package in ("assets", "pipelines", "resources") for path in modules(package)}
    assert [folder for folder in missing if not (folder / "__init__.py").is_file()] == []


def test_the_assets_under_test_are_those_of_this_repository() -> None:
    assert assets.__file__ is not None
    assert Path(assets.__file__).resolve().parents[1] == REPOSITORY


def test_nothing_is_pickled() -> None:
    named = [
        f"{name_of(path)} imports {name}"
        for package in ("assets", "pipelines", "resources")
        for path in modules(package)
        for name in imported(path)
        if name in ("pickle", "joblib", "shelve", "dill", "cloudpickle")
    ]
    calls = [
        f"{name_of(path)} calls torch.{node.func.attr}"
        for package in ("assets", "pipelines", "resources")
        for path in modules(package)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and (node.func.value.id, node.func.attr) in (("torch", "save"), ("torch", "load"))
    ]
    assert named + calls == []
