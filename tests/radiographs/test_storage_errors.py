import errno
import http.server
import threading
from collections.abc import Iterator

import pytest
from PIL import Image, UnidentifiedImageError

from assets.radiographs.storage_errors import may_pass, no_answer
from resources.object_store import ObjectStore


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (OSError(errno.EIO, "x"), True),
        (OSError(errno.ESTALE, "x"), True),
        (OSError(errno.EMFILE, "x"), True),
        (TimeoutError(errno.ETIMEDOUT, "x"), True),
        (ConnectionResetError(errno.ECONNRESET, "x"), True),
        (FileNotFoundError(errno.ENOENT, "x"), False),
        (NotADirectoryError(errno.ENOTDIR, "x"), False),
        (IsADirectoryError(errno.EISDIR, "x"), False),
        (PermissionError(errno.EACCES, "x"), False),
        (OSError(errno.ENAMETOOLONG, "x"), False),
        (OSError("image file is truncated"), False),
        (UnidentifiedImageError("x"), False),
        (Image.DecompressionBombError("x"), False),
        (ValueError("x"), False),
        (None, False),
    ],
)
def test_only_numbered_errors_that_say_nothing_of_a_file_may_pass(error: Exception | None, passes: bool) -> None:
    assert may_pass(error) is passes


def test_what_goes_on_names_no_file() -> None:
    told = no_answer(OSError(errno.EIO, "x", "/data/doe_jane.png"))
    assert (told.errno, told.filename) == (errno.EIO, None)
    assert "doe_jane" not in str(told)


@pytest.fixture
def web() -> Iterator[str]:
    """A web server that answers a path that is a number with that status."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(int(self.path.strip("/")))

        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    ("status", "passes"),
    [(401, False), (403, False), (404, False), (410, False), (408, True), (429, True), (503, True)],
)
def test_what_a_web_server_refuses_is_the_files_own(web: str, status: int, passes: bool) -> None:
    with pytest.raises(OSError) as caught:  # noqa: PT011 (which one is what is asked)
        ObjectStore(web).read(str(status))
    assert may_pass(caught.value) is passes
