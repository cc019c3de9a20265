import json
import os
import platform
from collections.abc import Iterator

import pytest
import torch

from resources.accelerator import Accelerator


@pytest.fixture(autouse=True)
def threads_are_put_back() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def pretend(monkeypatch: pytest.MonkeyPatch, *, cuda: bool, amx: bool = False) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)


@pytest.mark.parametrize(
    ("device", "cuda", "expected"),
    [
        ("auto", False, "cpu"),
        ("auto", True, "cuda"),
        ("cpu", True, "cpu"),
        ("cpu", False, "cpu"),
        ("cuda", True, "cuda"),
    ],
)
def test_which_device(monkeypatch: pytest.MonkeyPatch, device: str, cuda: bool, expected: str) -> None:
    pretend(monkeypatch, cuda=cuda)
    assert Accelerator(device=device).torch_device() == torch.device(expected)  # type: ignore[arg-type]


def test_cuda_that_is_not_there_is_refused_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, cuda=False)
    with pytest.raises(ValueError, match="use 'auto' or 'cpu'"):
        Accelerator(device="cuda").torch_device()


def test_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    Accelerator(device="cpu", threads=1).torch_device()
    assert torch.get_num_threads() == 1
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 3})
    Accelerator(device="cpu").torch_device()
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize(
    ("device", "choice", "cuda", "amx", "expected"),
    [
        ("auto", "auto", False, False, False),
        ("auto", "auto", False, True, True),
        ("auto", "auto", True, False, True),
        ("cpu", "auto", True, False, False),
        ("cpu", "auto", True, True, True),
        ("auto", "off", True, True, False),
        ("auto", "on", False, False, True),
    ],
)
def test_reduced_precision(
    monkeypatch: pytest.MonkeyPatch, device: str, choice: str, cuda: bool, amx: bool, expected: bool
) -> None:
    pretend(monkeypatch, cuda=cuda, amx=amx)
    accelerator = Accelerator(device=device, reduced_precision=choice)  # type: ignore[arg-type]
    assert accelerator.autocast() is expected


def test_environment_tells_what_last_digits_depend_on(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, cuda=False)
    accelerator = Accelerator(device="cpu", threads=1, reduced_precision="on", channels_last=True)
    accelerator.torch_device()
    found = accelerator.environment()
    assert found.pop("python") == platform.python_version()
    assert found == {
        "torch": torch.__version__,
        "device": "cpu",
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "threads": 1,
        "precision": "bfloat16",
        "channels_last": True,
        "compiled": False,
    }
    json.dumps(found)
    pretend(monkeypatch, cuda=True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a GPU")
    assert Accelerator().environment()["device"] == "a GPU"
