import subprocess
import sys
from pathlib import Path

import pytest

from resources.home import data_root, patient_key, prepare_dagster_home, store_url
from resources.home import home as home_folder


def test_the_home_is_what_the_variable_says(home: Path) -> None:
    assert home_folder() == home
    assert store_url() == str(home / "store")
    assert not home.exists()


def test_without_the_variable_the_home_lies_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PSEUDOPAIR_HOME")
    monkeypatch.chdir(tmp_path)
    assert home_folder() == tmp_path / ".pseudopair"


def test_the_store_may_lie_elsewhere(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PSEUDOPAIR_STORE", "s3://bucket/x")
    assert store_url() == "s3://bucket/x"


def test_the_data_may_lie_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PSEUDOPAIR_DATA", "s3://bucket/data")
    assert data_root() == "s3://bucket/data"
    monkeypatch.delenv("PSEUDOPAIR_DATA")
    assert Path(data_root()).is_absolute()


def test_the_instance_file_is_shipped_once_and_then_the_users_own(home: Path) -> None:
    folder = prepare_dagster_home()
    assert folder == home / "dagster"
    instance_file = folder / "dagster.yaml"
    assert "telemetry:\n  enabled: false" in instance_file.read_text()
    instance_file.write_text("telemetry: {enabled: true}\n")
    prepare_dagster_home()
    assert instance_file.read_text() == "telemetry: {enabled: true}\n"


def test_a_given_key_is_used_and_stored_nowhere(home: Path) -> None:
    assert patient_key() == b"a key for the tests only"
    assert not home.exists()


def test_a_short_key_is_refused_without_showing_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PSEUDOPAIR_KEY", "hunter2")
    with pytest.raises(ValueError, match="has 7 characters; give at least 16") as raised:
        patient_key()
    assert "hunter2" not in str(raised.value)


def test_a_key_is_generated_once_and_readable_by_its_owner_only(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PSEUDOPAIR_KEY")
    key = patient_key()
    assert len(key) == 64
    assert patient_key() == key
    assert (home / "patient.key").stat().st_mode & 0o777 == 0o600
    assert list(home.iterdir()) == [home / "patient.key"]


def test_processes_that_start_together_get_one_key(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PSEUDOPAIR_KEY")
    code = "from resources.home import patient_key; print(patient_key().decode())"
    command = [sys.executable, "-c", code]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    keys = {process.communicate()[0].strip() for process in started}
    assert len(keys) == 1
    assert len(keys.pop()) == 64
