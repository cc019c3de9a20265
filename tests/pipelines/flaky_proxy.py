"""An HTTP proxy before an S3 server that lets requests fail in the ways that networks and services do."""

import http.client
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

# Not carried out but the last, whose request is carried out and whose reply breaks off.
FAILURES = ("InternalError", "SlowDown", "reset", "cut")
STATUS = {"InternalError": 500, "SlowDown": 503}
HOP = {"connection", "transfer-encoding", "keep-alive", "content-length"}


class FlakyProxy(ThreadingHTTPServer):
    """Forwards requests; `fails` says by a request's number (from 1) how it ends, None for well.

    Attributes:
        failed: how often each failure was played.
        requests: how many requests came in.
    """

    daemon_threads = True

    def __init__(self, upstream: str, fails: Callable[[int], str | None]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = urlsplit(upstream).netloc
        self.fails = fails
        self.failed: Counter[str] = Counter()
        self.requests = 0
        self.lock = threading.Lock()

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        """Close a connection without a farewell."""
        self.close_request(request)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def next_failure(self) -> str | None:
        with self.lock:
            self.requests += 1
            failure = self.fails(self.requests)
            self.failed.update([failure] if failure else [])
        return failure


def every_third(number: int) -> str | None:
    """Fail every third request, each time in another way."""
    return None if number % 3 else FAILURES[number // 3 % len(FAILURES)]


@contextmanager
def proxied(upstream: str, fails: Callable[[int], str | None]) -> Iterator[FlakyProxy]:
    """Serve in a thread of its own until left."""
    server = FlakyProxy(upstream, fails)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FlakyProxy

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        failure = self.server.next_failure()
        if failure in STATUS:
            self._reply(STATUS[failure], [("Content-Type", "application/xml")], _error(failure))
        elif failure == "reset":
            # Closing with a linger time of none sends a reset.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._hang_up()
        elif failure == "silence":
            self.rfile.read(1)
            self._hang_up()
        else:
            status, headers, data = self._forward(body)
            self._reply(status, headers, data, cut=failure == "cut")

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _answer

    def _forward(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        upstream = http.client.HTTPConnection(self.server.upstream, timeout=60)
        headers = {name: value for name, value in self.headers.items() if name.lower() != "expect"}
        try:
            upstream.request(self.command, self.path, body, headers)
            reply = upstream.getresponse()
            kept = [(name, value) for name, value in reply.getheaders() if name.lower() not in HOP]
            length = reply.getheader("Content-Length")
            data = reply.read()
            if self.command == "HEAD" and length is not None:
                kept.append(("Content-Length", length))
            return reply.status, kept, data
        finally:
            upstream.close()

    def _reply(self, status: int, headers: list[tuple[str, str]], data: bytes, *, cut: bool = False) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(data)))
        if cut and len(data) < 2:
            # Not even the headers' end arrives.
            self.flush_headers()
        else:
            self.end_headers()
            self.wfile.write(b"" if self.command == "HEAD" else data[: len(data) // 2] if cut else data)
        if cut:
            self._hang_up()

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.close()

    def log_message(self, format: str, *args: object) -> None:
        pass


def _error(code: str) -> bytes:
    text = f"<Error><Code>{code}</Code><Message>Please reduce your request rate.</Message></Error>"
    return f'<?xml version="1.0" encoding="UTF-8"?>{text}'.encode()
