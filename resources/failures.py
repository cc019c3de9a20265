"""What is left of a stage that failed, and which failures are tried again."""

import errno
import json
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from resources.incremental import Progress
from resources.manifests import Place
from resources.object_store import ObjectStore, StoreConflict

STORAGE_RETRIES = 3
STORAGE_WAIT_SECONDS = 5
# What asking again does not mend.
LASTING = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR}


@contextmanager
def recorded(store: ObjectStore, place: Place, run_id: str, progress: Progress) -> Iterator[None]:
    """Leave a record of a stage's failure that `pseudopair status` shows.

    Raises:
        RetryRequested: the storage did not answer, which may pass.
    """
    try:
        yield
    except StoreConflict:
        # Another run has published: what stands there is no failure.
        raise
    except Exception as error:
        failure = {"run_id": run_id, "error": f"{type(error).__name__}: {error}"}
        try:
            store.write(f"{place.folder}/FAILED.json", json.dumps(failure).encode())
        except OSError:
            # The store itself is what failed; Dagster's own record of the run has to do.
            progress("could not record the failure in the store: " + traceback.format_exc(limit=1))
        if isinstance(error, OSError) and error.errno is not None and error.errno not in LASTING:
            # A storage that does not answer now may in a while; a row's own error never comes here.
            raise dg.RetryRequested(STORAGE_RETRIES, STORAGE_WAIT_SECONDS) from error
        raise
