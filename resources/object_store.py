"""Whole objects on any fsspec URL: written once, completely or not at all."""

import hashlib
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import fsspec

from resources.file_stats import LocalStats, Stat, remote_stat
from resources.local_files import alone, flush_folder, temporary_beside, write_local
from resources.local_listing import local_files, stamp_of
from resources.storage_errors import bounded, condition_failed, storage_errors

# What `version` says where there is no object.
ABSENT = ""
RENEWED_AFTER_SECONDS = 3600.0


class StoreConflict(RuntimeError):
    """Another run published the same pointer first."""


@dataclass(frozen=True)
class ObjectStore:
    """Objects below one root, local or remote, addressed by relative paths with forward slashes.

    Readers never see half an object: local writes go to a temporary file in the same folder, are flushed to disk and
    renamed; remote writes are one request with all the bytes. Writers on one store exclude each other where it
    matters (`create`, `replace`): locally by a lock, on S3 by conditional requests.

    Attributes:
        root: folder or fsspec URL, e.g. `s3://bucket/prefix`.
        options: storage options of fsspec (endpoint, credentials profile).
    """

    root: str
    options: dict[str, Any] = field(default_factory=dict)

    def _resolve(self, path: str) -> tuple[Any, str]:
        fs, base = fsspec.core.url_to_fs(self.root, **bounded(self.root, self.options))
        return fs, f"{base.rstrip('/')}/{path}" if path else base.rstrip("/")

    @property
    def _folder(self) -> Path:
        return Path(self._resolve("")[1])

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
        with storage_errors():
            data: bytes = fs.cat_file(full)
        return data

    @contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]:
        """An object's bytes as a stream, for what is too large to be held in memory.

        Raises:
            FileNotFoundError: there is no such object.
        """
        fs, full = self._resolve(path)
        with storage_errors():
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
        """Create or replace an object atomically.

        Raises:
            OSError: the disk is full, or the storage failed; the object is as it was, or (remote) completely new.
        """
        fs, full = self._resolve(path)
        if self.is_local:
            write_local(Path(full), data)
            return
        with storage_errors():
            fs.pipe_file(full, data)
        fs.invalidate_cache()

    def create(self, path: str, data: bytes) -> bytes:
        """Create an object, unless there is one: of two runs that compute the same, both go on with the first's bytes.

        Returns:
            What the object holds now: `data`, or what another run wrote first.

        Raises:
            OSError: the disk is full, or the storage failed.
        """
        if self.is_local:
            return self._create_local(path, data)
        try:
            self._put_if(path, data, ABSENT)
        except OSError as error:
            there = self.read_or_none(path) if condition_failed(error) else None
            if there is None:
                raise
            return there
        return data

    def _create_local(self, path: str, data: bytes) -> bytes:
        target = Path(self._resolve(path)[1])
        there = self.read_or_none(path)
        if there is not None:
            return there
        with temporary_beside(target, data) as temporary, alone(self._folder):
            there = self.read_or_none(path)
            if there is None:
                temporary.replace(target)
        if there is None:
            flush_folder(target.parent)
        return data if there is None else there

    def version(self, path: str) -> str:
        """Tag of an object's present content for `replace`, `ABSENT` where there is none."""
        if self.is_local:
            data = self.read_or_none(path)
            return ABSENT if data is None else hashlib.sha256(data).hexdigest()
        fs, full = self._resolve(path)
        fs.invalidate_cache()
        try:
            with storage_errors():
                info = fs.info(full)
        except FileNotFoundError:
            return ABSENT
        return str(info.get("ETag") or ABSENT)

    def replace(self, path: str, data: bytes, expected: str | None) -> None:
        """Publish a pointer: compare and swap.

        Args:
            path: the pointer.
            data: its new content.
            expected: what `version` said before the work began; None to replace whatever stands there.

        Raises:
            StoreConflict: the object changed in between.
            OSError: the disk is full, or the storage failed.
        """
        if expected is None:
            self.write(path, data)
        elif self.is_local:
            target = Path(self._resolve(path)[1])
            with temporary_beside(target, data) as temporary, alone(self._folder):
                if self.version(path) != expected:
                    raise _conflict(path)
                temporary.replace(target)
            flush_folder(target.parent)
        else:
            self._replace_remote(path, data, expected)

    def _replace_remote(self, path: str, data: bytes, expected: str) -> None:
        try:
            self._put_if(path, data, expected)
        except OSError as error:
            # The reply to a request that was carried out may get lost, and its repetition then fails.
            if self.read_or_none(path) == data:
                return
            if not condition_failed(error) or self.version(path) == expected:
                raise
            raise _conflict(path) from error

    def _put_if(self, path: str, data: bytes, expected: str) -> None:
        fs, full = self._resolve(path)
        with storage_errors():
            fs.pipe_file(full, data, **({"IfMatch": expected} if expected else {"mode": "create"}))
        fs.invalidate_cache()

    def find(self, folder: str) -> set[str]:
        """Relative paths of all objects below a folder; temporary files of writers are left out."""
        fs, full = self._resolve(folder)
        base = self._resolve("")[1]
        fs.invalidate_cache()
        try:
            with storage_errors():
                names = local_files(full) if self.is_local else fs.find(full)
        except FileNotFoundError:
            return set()
        found = {str(name)[len(base) + 1 :] for name in names}
        return {name for name in found if not _is_temporary(name)}

    def renew(self, path: str, data: bytes) -> bool:
        """Make an object that holds `data` as young as a new one; a remote one only once it is an hour old.

        Returns:
            False where it was removed or replaced meanwhile; it is not brought back.
        """
        try:
            if self.is_local:
                os.utime(self._resolve(path)[1])
            else:
                self._renew_remote(path, data)
        except FileNotFoundError:
            return False
        except PermissionError:
            # Another user's file may be replaced, but not touched.
            self.write(path, data)
        except OSError as error:
            if not condition_failed(error):
                raise
            return False
        return True

    def _renew_remote(self, path: str, data: bytes) -> None:
        fs, full = self._resolve(path)
        fs.invalidate_cache()
        with storage_errors():
            info = fs.info(full)
        written = info.get("LastModified")
        if written is None or time.time() - written.timestamp() > RENEWED_AFTER_SECONDS:
            if "ETag" in info:
                self._put_if(path, data, str(info["ETag"]))
            else:
                self.write(path, data)

    def delete(self, path: str) -> None:
        """Remove one object; nothing happens where there is none."""
        fs, full = self._resolve(path)
        try:
            with storage_errors():
                fs.rm_file(full)
        except FileNotFoundError:
            return
        fs.invalidate_cache()

    def stamps(self, folder: str) -> dict[str, tuple[int, float]]:
        """Bytes and time of writing (s since 1970) of all objects below a folder, temporary files among them."""
        fs, full = self._resolve(folder)
        base = len(self._resolve("")[1]) + 1
        if self.is_local:
            return {path[base:]: stamp for path, entry in local_files(full).items() if (stamp := stamp_of(entry))}
        fs.invalidate_cache()
        try:
            with storage_errors():
                found = fs.find(full, detail=True)
        except FileNotFoundError:
            return {}
        return {str(path)[base:]: (info["size"], info["LastModified"].timestamp()) for path, info in found.items()}

    def stats(self, folder: str) -> Mapping[str, Stat]:
        """Bytes and stamp of the objects below a folder by their path below the root, told without reading them.

        A stamp is another one once its object was written again: `etag TAG`, or `mtime NS...` (ns since 1970). It is
        empty where the storage tells neither. On this machine each is asked for when it is looked up; elsewhere the
        folder is listed at once. Temporary files are not listed.
        """
        base = self._resolve("")[1]
        if self.is_local:
            return LocalStats(base, partial(self.find, folder))
        fs, full = self._resolve(folder)
        fs.invalidate_cache()
        try:
            with storage_errors():
                found = fs.find(full, detail=True)
        except FileNotFoundError:
            return {}
        stats = {str(path)[len(base) + 1 :]: remote_stat(info) for path, info in found.items()}
        return {name: stat for name, stat in stats.items() if not _is_temporary(name)}


def _is_temporary(name: str) -> bool:
    return name.rpartition("/")[2].startswith(".")


def _conflict(path: str) -> StoreConflict:
    return StoreConflict(f"{path}: another run published it meanwhile; run again, its rows are reused")
