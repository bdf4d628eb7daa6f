"""What happens in a run, told to whoever listens: the log in its folder, the ledger, the lease, a cluster's metrics.

    events.jsonl          in a folder of this machine: a line an event, appended
    events/NNNNN.jsonl    in an object store, which cannot append: small files, the last of which grows

``tell(kind, **facts)`` is all that those need who have something to say. Nobody listens but in the process that drives a run.
A listener may not raise: no run fails because of what is told about it.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from raysep.corpus import storage
from raysep.errors import OutputError, StorageRefused, StorageUnreachable

Facts = dict[str, Any]
Listener = Callable[[str, Facts], None]

FILE, FOLDER = "events.jsonl", "events"
PROGRESS = "progress"  # the one kind that comes at any rate
PROGRESS_EVERY = 60.0  # seconds between two lines of it
FLUSHED = 30.0  # seconds between two writes to an object store
PART_BYTES = 256 << 10  # of a part in an object store, beyond which the next begins
AWAY = (OSError, OutputError, StorageRefused, StorageUnreachable)

_listeners: list[Listener] = []
_stages: list[str] = []  # the innermost last


def tell(kind: str, **facts: Any) -> None:
    """``kind`` is a noun and what became of it, ``shard-done``; the stage is added where the facts do not name one."""
    if _stages:
        facts = {"stage": _stages[-1], **facts}
    for listener in tuple(_listeners):
        listener(kind, facts)


POOL = {  # what ``cluster.shards`` says → kind of event
    "done": "shard-done",
    "retry": "shard-retried",
    "failed": "shard-failed",
    "died": "worker-died",
    "resized": "pool-resized",
    "waiting": "pool-waiting",
    "short": "pool-short",
}


def of_pool(kind: str, **facts: Any) -> None:
    """What a pool of workers says, as events; of a shard's counts only how many stems failed, of its cost all."""
    counts, cost = facts.pop("counts", {}), facts.pop("cost", {})
    if kind == "done":
        facts["failed"] = counts.get("failed", 0) if isinstance(counts, dict) else 0
    tell(POOL.get(kind, f"pool-{kind}"), **facts | cost)


def resized(workers: int) -> None:
    """How many workers a pool or a training has now."""
    of_pool("resized", workers=workers)


def regrouped(workers: int) -> None:
    """A group of those that train side by side has come or gone, which changes no group's size: ``workers`` of all together."""
    tell("groups-changed", workers=workers)


@contextmanager
def at_stage(name: str) -> Iterator[None]:
    """Tells that a stage begins, and whose everything is that is told within."""
    _stages.append(name)
    try:
        tell("stage-begun")
        yield
    finally:
        _stages.remove(name)


@contextmanager
def listening(*listeners: Listener) -> Iterator[None]:
    _listeners.extend(listeners)
    try:
        yield
    finally:
        for listener in listeners:
            _listeners.remove(listener)


@contextmanager
def written(root: str, say: Callable[[str], None]) -> Iterator[None]:
    """Within, what is told is written into the run's folder ``root``. Where that cannot be, ``say`` is told so once."""
    log, reason = Log(root, say), "done"
    try:
        with listening(log):
            yield
    except BaseException as error:
        reason = type(error).__name__
        raise
    finally:
        if log.begun:  # else there may be no run in that folder, or another one
            log("run-ended", {"reason": reason})
        log.close()


class Log:
    """Writes events, and never raises."""

    def __init__(self, root: str, say: Callable[[str], None]) -> None:
        self.root, self.say, self.silent = root, say, False
        self.begun = False
        self._progress = -PROGRESS_EVERY  # when it was last written
        self._ended = threading.Event()
        self._writing = threading.Lock()
        self._waiting: list[bytes] = []  # lines of the part that is written next, all of it
        self._written = 0  # of these, how many are there already
        self._part: int | None = None
        self._thread = None
        if storage.is_remote(root):
            self._thread = threading.Thread(target=self._flush_often, daemon=True, name="events")
            self._thread.start()

    def __call__(self, kind: str, facts: Facts) -> None:
        now = time.monotonic()
        if self.silent or (kind == PROGRESS and now - self._progress < PROGRESS_EVERY):
            return
        self._progress = now if kind == PROGRESS else self._progress
        self.begun, line = True, line_of(kind, facts)
        with self._writing:
            if self._thread:
                self._waiting.append(line)
            else:
                self._try(lambda: _append(storage.join(self.root, FILE), line))

    def close(self) -> None:
        """What is not written by then is given up after a few seconds: a storage that is away is not waited for."""
        self._ended.set()
        if self._thread:
            self._thread.join(timeout=5)

    def _flush_often(self) -> None:
        while not self._ended.wait(FLUSHED):
            self._flush()
        self._flush()

    def _flush(self) -> None:
        with self._writing:
            lines = list(self._waiting)
        if self.silent or len(lines) == self._written or not self._try(lambda: self._write(b"".join(lines))):
            return
        self._written = len(lines)
        if sum(map(len, lines)) > PART_BYTES and self._part is not None:
            with self._writing:
                del self._waiting[: len(lines)]
            self._written, self._part = 0, self._part + 1

    def _write(self, data: bytes) -> None:
        if self._part is None:  # after those of the drivers before this one
            self._part = len(storage.list_files(storage.join(self.root, FOLDER), recursive=False))
        storage.write_bytes(storage.join(self.root, FOLDER, f"{self._part:05d}.jsonl"), data)

    def _try(self, action: Callable[[], None]) -> bool:
        try:
            action()
        except AWAY as error:
            if not self.silent:
                self.silent = True
                self.say(f"note: events cannot be written, the run goes on without them ({error})")
            return False
        return True


def line_of(kind: str, facts: Facts) -> bytes:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return json.dumps({"at": now, "kind": kind, **facts}, default=str).encode() + b"\n"


def read(root: str) -> list[Facts]:
    """All events of the run in a folder, the first one first; a line that is not whole, of a driver that was killed, is none."""
    file = storage.join(root, FILE)
    if storage.is_remote(root):
        parts = [
            storage.read_bytes(part.uri) for part in storage.list_files(storage.join(root, FOLDER), recursive=False)
        ]
    else:
        parts = [storage.read_bytes(file)] if storage.exists(file) else []
    found = []
    for line in b"".join(parts).splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def _append(path: str, line: bytes) -> None:
    with open(path, "ab", buffering=0) as file:
        file.write(line)
