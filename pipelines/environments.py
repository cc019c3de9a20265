"""Resources of every environment from one function: a laptop and a cluster differ by values only."""

import os
from typing import Any

from resources.accelerator import Accelerator
from resources.home import store_url
from resources.stage_run import Store

DEVICE_VARIABLE = "PSEUDOPAIR_DEVICE"
THREADS_VARIABLE = "PSEUDOPAIR_THREADS"
PRECISION_VARIABLE = "PSEUDOPAIR_PRECISION"
COMPILE_VARIABLE = "PSEUDOPAIR_COMPILE"
CHANNELS_LAST_VARIABLE = "PSEUDOPAIR_CHANNELS_LAST"

_PRECISIONS = {"auto": "auto", "float32": "off", "bfloat16": "on"}


def resources() -> dict[str, Any]:
    """Store and accelerator, from PSEUDOPAIR_STORE and the variables above.

    Raises:
        ValueError: PSEUDOPAIR_PRECISION is none of auto, float32 and bfloat16.
    """
    precision = os.environ.get(PRECISION_VARIABLE, "auto")
    if precision not in _PRECISIONS:
        raise ValueError(f"{PRECISION_VARIABLE} is {precision!r}; expected one of {', '.join(_PRECISIONS)}")
    return {
        "store": Store(root=store_url()),
        "accelerator": Accelerator(
            device=os.environ.get(DEVICE_VARIABLE, "auto"),  # type: ignore[arg-type]
            threads=int(os.environ.get(THREADS_VARIABLE, "0")),
            reduced_precision=_PRECISIONS[precision],  # type: ignore[arg-type]
            channels_last=os.environ.get(CHANNELS_LAST_VARIABLE, "0") == "1",
            compiled=os.environ.get(COMPILE_VARIABLE, "0") == "1",
        ),
    }
