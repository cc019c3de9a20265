"""Resources of every environment from one function: a laptop and a cluster differ by values only."""

import os
from typing import Any

from resources.accelerator import Accelerator
from resources.home import store_url
from resources.stage_run import Store

DEVICE_VARIABLE = "PSEUDOPAIR_DEVICE"
THREADS_VARIABLE = "PSEUDOPAIR_THREADS"


def resources() -> dict[str, Any]:
    """Store and accelerator, from PSEUDOPAIR_STORE, PSEUDOPAIR_DEVICE and PSEUDOPAIR_THREADS."""
    return {
        "store": Store(root=store_url()),
        "accelerator": Accelerator(
            device=os.environ.get(DEVICE_VARIABLE, "auto"),  # type: ignore[arg-type]
            threads=int(os.environ.get(THREADS_VARIABLE, "0")),
        ),
    }
