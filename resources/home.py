"""Where one installation keeps its state: PSEUDOPAIR_HOME, by default `.pseudopair` in the current folder."""

import contextlib
import os
import secrets
import tempfile
from importlib import resources as package_files
from pathlib import Path

HOME_VARIABLE = "PSEUDOPAIR_HOME"
STORE_VARIABLE = "PSEUDOPAIR_STORE"
KEY_VARIABLE = "PSEUDOPAIR_KEY"
DATA_VARIABLE = "PSEUDOPAIR_DATA"
COHORTS_VARIABLE = "PSEUDOPAIR_COHORTS"


def home() -> Path:
    """The folder of this installation's state (absolute; not created here)."""
    return Path(os.environ.get(HOME_VARIABLE) or ".pseudopair").expanduser().absolute()


def store_url() -> str:
    """Root of the artefact store: PSEUDOPAIR_STORE (any fsspec URL) or `<home>/store`."""
    given = os.environ.get(STORE_VARIABLE) or str(home() / "store")
    return given if "://" in given else str(Path(given).absolute())


def data_root() -> str:
    """Folder of the shipped real cohorts: PSEUDOPAIR_DATA or `../shared/data`."""
    given = os.environ.get(DATA_VARIABLE) or "../shared/data"
    return given if "://" in given else str(Path(given).absolute())


def prepare_dagster_home() -> Path:
    """Create `<home>/dagster` with the shipped instance file if it has none, and return it.

    An instance file that is already there is the user's own and is left alone.
    """
    folder = home() / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    instance_file = folder / "dagster.yaml"
    if not instance_file.exists():
        shipped = package_files.files("resources").joinpath("dagster.yaml")
        instance_file.write_text(shipped.read_text(encoding="utf-8"), encoding="utf-8")
    return folder


def patient_key() -> bytes:
    """Key of the patients' pseudonyms: PSEUDOPAIR_KEY, or a key generated once into `<home>/patient.key`.

    Raises:
        ValueError: PSEUDOPAIR_KEY is set but shorter than 16 characters.
    """
    given = os.environ.get(KEY_VARIABLE)
    if given:
        if len(given) < 16:
            raise ValueError(f"{KEY_VARIABLE} has {len(given)} characters; give at least 16 random ones")
        return given.encode()
    path = home() / "patient.key"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        _write_once(path, secrets.token_hex(32))
    return path.read_bytes()


def _write_once(path: Path, text: str) -> None:
    """Write a private file completely, unless another process was first."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        # A link refuses an existing name: two processes that start together must not end up with two keys, and
        # neither may see half of one.
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        os.unlink(temporary)
