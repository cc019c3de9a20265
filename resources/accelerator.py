"""The device that networks run on, as a Dagster resource."""

import os
import platform
from typing import Literal

import dagster as dg
import torch


class Accelerator(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Chooses device, threads and arithmetic.

    Attributes:
        device: `auto` takes a CUDA device where torch sees one, else the CPU.
        threads: CPU threads of torch; 0 takes the processors this process may use.
        reduced_precision: `auto` uses bfloat16 where the hardware multiplies it (CUDA, or a CPU with AMX).
        channels_last: keep the translators' images and weights in the order N, H, W, C.
        compiled: let torch.compile fuse the translators' generators; needs a C++ compiler, and minutes at first.
    """

    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int = 0
    reduced_precision: Literal["auto", "on", "off"] = "auto"
    channels_last: bool = False
    compiled: bool = False

    def trainings_at_once(self, wanted: int) -> int:
        """How many of `wanted` trainings run side by side: one a CPU thread (small nets gain little from more)."""
        return 1 if self._uses_cuda() else max(1, min(wanted, self._cores()))

    def torch_device(self, at_once: int = 1) -> torch.device:
        """The device; also sets the CPU threads that each of `at_once` trainings in this process may use.

        Raises:
            ValueError: CUDA was asked for and torch sees none.
        """
        torch.set_num_threads(max(1, self._cores() // at_once))
        if self.device == "cuda" and not torch.cuda.is_available():
            raise ValueError("device 'cuda' was asked for, but torch sees no CUDA device; use 'auto' or 'cpu'")
        return torch.device("cuda" if self._uses_cuda() else "cpu")

    def autocast(self) -> bool:
        """Whether networks train in bfloat16."""
        if self.reduced_precision != "auto":
            return self.reduced_precision == "on"
        return self._uses_cuda() or bool(torch.cpu._is_amx_tile_supported())

    def environment(self) -> dict[str, str | int | bool]:
        """What, besides settings and seed, last digits of a training depend on; call `torch_device` before."""
        cuda = self._uses_cuda()
        return {
            "torch": torch.__version__,
            "python": platform.python_version(),
            "device": torch.cuda.get_device_name() if cuda else "cpu",
            "instructions": torch.backends.cpu.get_cpu_capability(),
            "threads": torch.get_num_threads(),
            "precision": "bfloat16" if self.autocast() else "float32",
            "channels_last": self.channels_last,
            "compiled": self.compiled,
        }

    def _cores(self) -> int:
        if self.threads:
            return self.threads
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

    def _uses_cuda(self) -> bool:
        return self.device != "cpu" and torch.cuda.is_available()
