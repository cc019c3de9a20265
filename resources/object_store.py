"""Whole objects on any fsspec URL: written once, completely or not at all."""

import errno
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import fsspec


class StoreConflict(RuntimeError):
    """Another run published the same pointer first."""


@dataclass(frozen=True)
class ObjectStore:
    """Objects below one root, local or remote, addressed by relative paths with forward slashes.

    Readers never see half an object: local writes go to a temporary file in the same folder, are flushed to disk and
    renamed; remote writes are one request with all the bytes.

    Attributes:
        root: folder or fsspec URL, e.g. `s3://bucket/prefix`.
        options: storage options of fsspec (endpoint, credentials profile).
    """

    root: str
    options: dict[str, Any] = field(default_factory=dict)

    def _resolve(self, path: str) -> tuple[Any, str]:
        fs, base = fsspec.core.url_to_fs(self.root, **self.options)
        return fs, f"{base.rstrip('/')}/{path}" if path else base.rstrip("/")

    @property
    def is_local(self) -> bool:
        """Whether the root is on this machine's file system."""
        protocol = self._resolve("")[0].protocol
        return "file" in ((protocol,) if isinstance(protocol, str) else protocol)

    def uri(self, path: str) -> str:
        """Full address of an object, for people."""
        return f"{self.root.rstrip('/')}/{path}"

    def read(self, path: str) -> bytes:
        """All bytes of an object.

        Raises:
            FileNotFoundError: there is no such object.
        """
        fs, full = self._resolve(path)
        with _storage_errors():
            data: bytes = fs.cat_file(full)
        return data

    @contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]:
        """An object's bytes as a stream, for what is too large to be held in memory.

        Raises:
            FileNotFoundError: there is no such object.
        """
        fs, full = self._resolve(path)
        with _storage_errors():
            stream = fs.open(full, "rb")
        with stream:
            yield stream

    def read_or_none(self, path: str) -> bytes | None:
        """All bytes of an object, or None where there is none."""
        try:
            return self.read(path)
        except FileNotFoundError:
            return None

    def write(self, path: str, data: bytes) -> None:
        """Create or replace an object atomically."""
        if self.is_local:
            write_local(Path(self._resolve(path)[1]), data)
        else:
            fs, full = self._resolve(path)
            with _storage_errors():
                fs.pipe_file(full, data)
            fs.invalidate_cache()

    def version(self, path: str) -> str | None:
        """Tag of an object's present content for `replace` (remote only), None where there is none."""
        fs, full = self._resolve(path)
        fs.invalidate_cache()
        try:
            with _storage_errors():
                info = fs.info(full)
        except FileNotFoundError:
            return None
        tag = info.get("ETag")
        return str(tag) if tag else None

    def replace(self, path: str, data: bytes, expected: str | None) -> None:
        """Publish a pointer: atomic replacement locally, compare-and-swap on S3.

        Args:
            path: the pointer.
            data: its new content.
            expected: what `version` said before the work began; None for a first publication.

        Raises:
            StoreConflict: the remote object changed in between.
        """
        if self.is_local:
            self.write(path, data)
            return
        fs, full = self._resolve(path)
        try:
            with _storage_errors():
                fs.pipe_file(full, data, **({"mode": "create"} if expected is None else {"IfMatch": expected}))
        except FileExistsError as error:
            raise _conflict(path) from error
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EEXIST):
                raise
            raise _conflict(path) from error
        fs.invalidate_cache()

    def find(self, folder: str) -> set[str]:
        """Relative paths of all objects below a folder; temporary files of writers are left out."""
        fs, full = self._resolve(folder)
        base = self._resolve("")[1]
        fs.invalidate_cache()
        try:
            with _storage_errors():
                names = fs.find(full)
        except FileNotFoundError:
            return set()
        found = {str(name)[len(base) + 1 :] for name in names}
        return {name for name in found if not name.rpartition("/")[2].startswith(".")}

    def delete(self, path: str) -> None:
        """Remove one object; nothing happens where there is none."""
        fs, full = self._resolve(path)
        try:
            with _storage_errors():
                fs.rm_file(full)
        except FileNotFoundError:
            return
        fs.invalidate_cache()


def write_local(target: Path, data: bytes) -> None:
    """Write a local file completely or not at all (temporary name, flush, rename)."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.parent / f".{target.name}.{uuid.uuid4().hex}"
    try:
        with temporary.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def _storage_errors() -> Iterator[None]:
    """Turn a storage library's own errors into OSError, without texts that quote paths."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        raise OSError(
            errno.EIO, f"the storage failed with {type(error).__name__}; see that it answers, then run again"
        ) from None


def _conflict(path: str) -> StoreConflict:
    return StoreConflict(f"{path}: another run published it meanwhile; run again, its rows are reused")
