"""A proxy in front of an object store that fails on command: it drops, resets, delays, cuts short and answers 503 or 403."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlparse

FAULTS = ("drop", "reset", "503", "cut")  # of an outage, one after another
HOP = {"connection", "transfer-encoding", "keep-alive", "date", "server"}


class FlakyProxy:
    """Forwards to ``upstream``. ``rule(method, path)`` names what is done instead, or is None; ``seen`` are all requests."""

    def __init__(self, upstream: str) -> None:
        self.upstream = urlparse(upstream)
        self.seen: list[tuple[str, str]] = []
        self.failed: list[tuple[str, str, str]] = []  # what was done to which
        self.rule: Callable[[str, str], str | None] = lambda method, path: None
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return "http://{}:{}".format(*self.server.server_address)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    @contextlib.contextmanager
    def by(self, rule: Callable[[str, str], str | None]) -> Iterator[FlakyProxy]:
        """Within, ``seen`` and ``failed`` begin anew, and this is the rule."""
        self.seen.clear()
        self.failed.clear()
        self.rule = rule
        try:
            yield self
        finally:
            self.rule = lambda method, path: None

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 30

            def handle_one_request(self) -> None:
                with contextlib.suppress(ConnectionError, TimeoutError):
                    super().handle_one_request()

            def _any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                proxy.seen.append((self.command, unquote(self.path)))
                fault = proxy.rule(self.command, unquote(self.path))
                if fault:
                    proxy.failed.append((fault, self.command, unquote(self.path)))
                if fault and fault.startswith("delay"):
                    time.sleep(float(fault.removeprefix("delay ")))
                    fault = None
                if fault in ("drop", "reset"):
                    self._hang_up(fault)
                elif fault in ("503", "403"):
                    self._answer(int(fault), [("Content-Type", "application/xml")], _error(fault))
                else:
                    self._answer(*proxy.forward(self.command, self.path, dict(self.headers), body), cut=fault == "cut")

            do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _any

            def _hang_up(self, fault: str) -> None:
                if fault == "reset":
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.close_connection = True
                self.connection.close()

            def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes, cut: bool = False) -> None:
                self.send_response(status)
                for name, value in headers:
                    if name.lower() not in HOP | {"content-length"}:
                        self.send_header(name, value)
                given = {name.lower(): value for name, value in headers}
                length = given.get("content-length", str(len(body))) if self.command == "HEAD" else str(len(body))
                self.send_header("Content-Length", length)
                self.end_headers()
                if self.command == "HEAD":
                    body = b""
                self.wfile.write(body[: len(body) // 2] if cut else body)
                if cut:
                    self.wfile.flush()
                    self._hang_up("drop")

            def log_message(self, *words: object) -> None:
                pass

        return Handler

    def forward(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection(self.upstream.hostname, self.upstream.port, timeout=60)
        try:
            kept = {name: value for name, value in headers.items() if name.lower() not in ("expect", "connection")}
            connection.request(method, path, body, kept)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()


def first(count: int, fault: str, of: str = "") -> Callable[[str, str], str | None]:
    """A rule: this fault for the first so many requests, of those whose method and path contain ``of``."""
    left = itertools.count()
    return lambda method, path: fault if of in f"{method} {path}" and next(left) < count else None


class Outages:
    """A rule: after each of these files is written an outage of so many seconds, which begins when a ``.wav`` is next read.

    The first one, ``""``, begins with the first reading of all.
    """

    def __init__(self, after: dict[str, float], first: float = 3.0) -> None:
        self.after, self.armed = dict(after), {"": first}
        self.until = 0.0
        self.happened: list[str] = []
        self._faults = itertools.cycle(FAULTS)
        self._lock = threading.Lock()

    def __call__(self, method: str, path: str) -> str | None:
        with self._lock:
            now, file = time.monotonic(), path.partition("?")[0]
            if self.armed and method == "GET" and file.endswith(".wav"):
                name, seconds = self.armed.popitem()
                self.happened.append(name)
                self.until = now + seconds
            if now < self.until:
                return next(self._faults)
            if method == "PUT":
                for end in [end for end in self.after if file.endswith(end)]:
                    self.armed = {end: self.after.pop(end)}
            return None


def _error(status: str) -> bytes:
    code = {"503": "SlowDown", "403": "AccessDenied"}[status]
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>as told</Message></Error>".encode()
