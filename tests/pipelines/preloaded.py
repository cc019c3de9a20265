"""What a process of the tests finds loaded: libraries, and our modules that know of no installation.

What reads an installation's variables where it is imported is left to each process.
"""

import gc
import importlib
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
# Some are loaded by others on first use only.
LIBRARIES = (
    "dagster",
    "dagster._core.storage.event_log.sqlite",
    "dagster._core.storage.runs.sqlite",
    "matplotlib.backends.backend_agg",
    "matplotlib.ticker",
    "monai.networks.nets.unet",
    "s3fs",
    "scipy.spatial",
    "scipy.stats",
    "sklearn.linear_model",
    "sklearn.metrics",
    "torch._dynamo",
    "typer",
)


def pure_modules() -> list[str]:
    """Modules of the stages but for their Dagster adapters."""
    paths = sorted((REPOSITORY / "assets").rglob("*.py"))
    names = [".".join(path.relative_to(REPOSITORY).with_suffix("").parts) for path in paths]
    return [name.removesuffix(".__init__") for name in names if not name.rpartition(".")[2].startswith("asset")]


for _name in (*LIBRARIES, *pure_modules()):
    importlib.import_module(_name)
# Else the first collection in each process would touch, and so copy, all that it shares with the others.
gc.freeze()
