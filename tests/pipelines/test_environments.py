import pytest

from pipelines.environments import resources


def test_without_variables_the_hardware_decides(home: object, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DEVICE", "THREADS", "PRECISION", "COMPILE", "CHANNELS_LAST"):
        monkeypatch.delenv(f"PSEUDOPAIR_{name}", raising=False)
    found = resources()["accelerator"]
    assert (found.device, found.threads, found.reduced_precision) == ("auto", 0, "auto")
    assert not found.compiled
    assert not found.channels_last


def test_variables_decide_device_and_arithmetic(home: object, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"DEVICE": "cpu", "THREADS": "3", "PRECISION": "bfloat16", "COMPILE": "1", "CHANNELS_LAST": "1"}
    for name, value in given.items():
        monkeypatch.setenv(f"PSEUDOPAIR_{name}", value)
    found = resources()["accelerator"]
    assert (found.device, found.threads, found.reduced_precision) == ("cpu", 3, "on")
    assert found.compiled
    assert found.channels_last


def test_an_unknown_precision_is_refused_with_the_choices(home: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PSEUDOPAIR_PRECISION", "float16")
    with pytest.raises(ValueError, match="float32, bfloat16"):
        resources()
