"""Which errors of a source's storage tell something of a file, and which may be gone when it is asked again."""

import errno
import os
from typing import TypeGuard

# The file is not there, may not be read, or has a name that no file can have.
OF_THE_FILE = {
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EACCES,
    errno.EPERM,
    errno.ENAMETOOLONG,
    errno.ELOOP,
    errno.EINVAL,
    errno.ENXIO,
}
# Answers of a web server to a wrong request that are none: timeout, too early, too many.
ASK_AGAIN = {408, 425, 429}


def may_pass(error: BaseException | None) -> TypeGuard[OSError]:
    """Whether an error is the storage's own, so that nothing is known of the file that was asked for.

    An error without number is a decoder's: Pillow's of a truncated file is an OSError, too.
    """
    if not isinstance(error, OSError) or error.errno is None or error.errno in OF_THE_FILE:
        return False
    # The store has no number for what a web server refuses; its library's own error stands behind.
    status = getattr(error.__context__, "status", None)
    return not (isinstance(status, int) and 400 <= status < 500 and status not in ASK_AGAIN)


def no_answer(error: OSError) -> OSError:
    """The same error without the path that its text may quote, to be raised `from None`."""
    how = os.strerror(error.errno or errno.EIO)
    return OSError(error.errno, f"the cohort's storage failed ({how}); see that it answers, then run again")
