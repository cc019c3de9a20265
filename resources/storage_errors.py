"""What storage libraries raise and how long they wait, brought to one form for all of them."""

import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import fsspec

# botocore asks again after errors of the server, s3fs (5 times, not to be set) after replies that break off: their
# attempts multiply, and botocore's own 5 would make a dead server's error 25 timeouts late.
S3_CONFIG: dict[str, Any] = {
    "connect_timeout": 10,
    "read_timeout": 60,
    "retries": {"mode": "standard", "total_max_attempts": 3},
}


def bounded(root: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options, with bounds of time for S3 where neither they nor fsspec's own configuration set any."""
    if not root.startswith(("s3://", "s3a://")) or "config_kwargs" in fsspec.config.conf.get("s3", {}):
        return dict(options)
    return {"config_kwargs": S3_CONFIG, **options}


@contextmanager
def storage_errors() -> Iterator[None]:
    """Turn a storage library's own errors into OSError, without texts that quote paths."""
    try:
        yield
    except (FileNotFoundError, FileExistsError, PermissionError):
        raise
    except OSError as error:
        if error.__cause__ is None and error.errno is not None:
            raise
        # A service's answer translated by its library, or the library's own, which may quote a path.
        how = type(error).__name__ if error.errno is None else os.strerror(error.errno)
        raise OSError(error.errno or errno.EIO, _failed(how)) from None
    except Exception as error:
        raise OSError(errno.EIO, _failed(type(error).__name__)) from None


def _failed(how: str) -> str:
    return f"the storage failed with {how}; see that it answers, then run again"


def condition_failed(error: OSError) -> bool:
    """Whether a conditional request may have come too late: precondition failed, exists, another one under way."""
    return isinstance(error, FileExistsError) or error.errno in (errno.EINVAL, errno.EBUSY)
