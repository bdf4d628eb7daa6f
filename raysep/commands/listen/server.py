"""The page of a run, served to this machine: what `report.html` holds, with the sound of every stem when it is asked for.

    /                    the page                /card/7          what is known of the listing's stem 7, with its pictures
    /audio/7/stem        its samples as WAV, whole or a range of bytes; likewise its mixture, and the trusted one;
                         of what the separator hears, the seconds that `report.html` has
    /scope/7/separator   the pictures of these seconds, which are made when they are listened to

Nothing but the run's own stems can be asked for, by number; requests in another host's name are refused, so that no page of
the web can read them through this one.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Any, NamedTuple

import numpy as np

from raysep.audio.files import encode
from raysep.errors import AudioError, BadInput
from raysep.report import listening as markup
from raysep.report.evidence import takes
from raysep.report.evidence.listing import listing
from raysep.report.evidence.of_run import Evidence, Excerpt
from raysep.report.html import render
from raysep.report.scope import scope
from raysep.rundir import Run

HOST = "127.0.0.1"
HELD_BYTES = 256 << 20  # of sounds, so that a player that asks for ranges decodes a file once
SEPARATED = 8  # of what the separator hears: for each the sound is asked for, and its pictures
PATH = re.compile(
    r"/(?:card/(\d{1,9})|audio/(\d{1,9})/(stem|mixture|separator|trusted)|scope/(\d{1,9})/separator)?", re.ASCII
)
HTML = "text/html; charset=utf-8"
RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}


class Answer(NamedTuple):
    status: int
    kind: str  # of its content
    body: bytes
    more: dict[str, str] = {}  # noqa: RUF012 - headers, never changed


class Desk:
    """What can be asked of a run. One question at a time: reading a stem fills the machine anyway."""

    def __init__(self, run: Run) -> None:
        from raysep.report import page

        self.evidence = Evidence(run)
        rows = listing(self.evidence)
        pairs = zip(rows.columns["track"], rows.columns["label"], strict=True)
        self.stem_ids = [f"{rows.tracks[track]}/{rows.labels[label]}" for track, label in pairs]
        self.labels = rows.labels
        suspects = [self.evidence.row(*chosen) for chosen in self.evidence.chosen()]
        truth = run.read_json("run.json").get("truth")
        told = page.told(
            run,
            truth,
            self.evidence.table,
            suspects=suspects,
            listing=rows,
            served=True,
            unheard=self.evidence.hearing.missing,
        )
        self.page = render(told).encode()
        self._sounds: OrderedDict[tuple[int, str], bytes] = OrderedDict()
        self._heard = lru_cache(SEPARATED)(self._separate)
        self._lock = Lock()

    def answer(self, path: str, wanted: str | None) -> Answer:
        """``wanted``: the header that asks for a range of bytes."""
        found = PATH.fullmatch(path)
        if not found:
            return _nothing("no such page")
        of_card, of_sound, what, of_scope = found.groups()
        number = of_card or of_sound or of_scope
        if number is None:
            return Answer(HTTPStatus.OK, HTML, self.page)
        if int(number) >= len(self.stem_ids):
            return _nothing("no such stem")
        try:
            with self._lock:
                if of_sound:
                    return ranged(self._sound(int(number), what), wanted)
                return self._card(int(number)) if of_card else self._scope(int(number))
        except AudioError as error:
            return _nothing(str(error))

    def _card(self, number: int) -> Answer:
        row = self.evidence.row(self.stem_ids[number])
        full = self.evidence.with_sounds(row, served=f"audio/{number}")
        return Answer(HTTPStatus.OK, HTML, markup.card(full, f"r{number}", self.labels).encode())

    def _scope(self, number: int) -> Answer:
        excerpt, audio, rate = self._heard(number)
        heard = takes.take("Separator", audio, rate, excerpt.start, excerpt.marked, source=f"audio/{number}/separator")
        return Answer(HTTPStatus.OK, HTML, scope(heard, self.stem_ids[number]).encode())

    def _sound(self, number: int, what: str) -> bytes:
        if (number, what) not in self._sounds:
            self._sounds[number, what] = self._read(number, what)
        self._sounds.move_to_end((number, what))
        while len(self._sounds) > 1 and sum(map(len, self._sounds.values())) > HELD_BYTES:
            self._sounds.popitem(last=False)
        return self._sounds[number, what]

    def _read(self, number: int, what: str) -> bytes:
        stem = self.evidence.stems[self.stem_ids[number]]
        rate = takes.rate_of(stem)
        if what == "mixture":
            mixture, _ = takes.mixed(self.evidence.mixture_of(stem), 0.0, None, rate)
            return encode(takes.within_scale(mixture), rate)
        if what == "separator":
            _, audio, rate = self._heard(number)
            return encode(audio, rate)
        other = self.evidence.trusted_like(stem) if what == "trusted" else stem
        if other is None:
            raise AudioError(f"no trusted {stem.stem}")
        return encode(takes.whole(other, rate), rate)

    def _separate(self, number: int) -> tuple[Excerpt, np.ndarray, int]:
        """Which seconds, what the separator hears in them ``(channel, time)``, and its rate. Raises ``AudioError``."""
        stem = self.evidence.stems[self.stem_ids[number]]
        excerpt = self.evidence.excerpt_of(stem)
        heard = self.evidence.separated(stem, excerpt.start, excerpt.seconds)
        if heard is None:
            raise AudioError(self.evidence.hearing.why_not or f"the separator does not know {stem.stem}")
        return excerpt, *heard


def ranged(data: bytes, wanted: str | None) -> Answer:
    """All of a WAV file, or the one range of bytes that is asked for (RFC 9110, section 14)."""
    more = {"Accept-Ranges": "bytes"}
    found = RANGE.fullmatch(wanted or "")
    if not found or found.groups() == ("", ""):
        return Answer(HTTPStatus.OK, "audio/wav", data, more)
    begin, end = found.groups()
    first = int(begin) if begin else max(0, len(data) - int(end))
    last = min(int(end), len(data) - 1) if begin and end else len(data) - 1
    if first > last:
        more["Content-Range"] = f"bytes */{len(data)}"
        return Answer(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, "text/plain; charset=utf-8", b"", more)
    more["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
    return Answer(HTTPStatus.PARTIAL_CONTENT, "audio/wav", data[first : last + 1], more)


def _nothing(why: str) -> Answer:
    return Answer(HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", why.encode())


@contextmanager
def listening(run: Run, port: int) -> Iterator[tuple[str, Callable[[], None]]]:
    """(the page's address, what serves it until it is interrupted). Raises ``BadInput`` for a port that cannot be had."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            host, _, at = (self.headers.get("Host") or "").partition(":")
            ours = host in (HOST, "localhost") and at == str(server.server_port)
            answer = desk.answer(self.path, self.headers.get("Range")) if ours else _nothing("not for this host")
            self.send_response(answer.status)
            for name, value in (HEADERS | answer.more).items():
                self.send_header(name, value)
            self.send_header("Content-Type", answer.kind)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            with suppress(ConnectionError):  # a player that has heard enough
                self.wfile.write(answer.body)

        def log_message(self, *about: Any) -> None:
            """Nothing: the terminal says where the page is."""

    try:
        server = ThreadingHTTPServer((HOST, port), Handler)
    except OSError as error:
        raise BadInput(f"--port {port}: cannot be had ({error.strerror}); choose another, 0 is any free one") from None
    server.daemon_threads = True

    def serve() -> None:
        with suppress(KeyboardInterrupt):
            server.serve_forever()

    with server:
        desk = Desk(run)
        yield f"http://{HOST}:{server.server_port}/", serve
