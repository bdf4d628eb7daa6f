"""One driver at a time in a run's folder: a small file that its holder makes where there is none, and renews while it lives.

    .lease.json     who holds it: host, process, when it was last renewed, and what it was doing then

Two drivers would write equal scores, but trainings of one name would get in each other's way. The second is told who is there. A
holder that is gone is not waited for: on its own machine its process is looked for, and elsewhere it counts as gone
``EXPIRES`` after it last renewed the lease, by this machine's clock.
"""

from __future__ import annotations

import _thread
import json
import os
import platform
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from raysep.corpus import storage
from raysep.errors import OutputError, RunConflict, StorageRefused, StorageUnreachable
from raysep.rundir import Run

FILE = ".lease.json"  # hidden: no part of what a run leaves
RENEWED, EXPIRES = 10.0, 60.0  # seconds
# Interrupts the main thread. Not Ctrl-C's own: a command that a script puts into the background ignores that one.
TAKEN = getattr(signal, "SIGUSR2", signal.SIGINT)
AWAY = (StorageUnreachable, StorageRefused, OutputError)  # the next renewal may reach it again


@dataclass(frozen=True)
class Holder:
    token: str  # of one holding: a process may hold one lease after another
    host: str
    machine: str  # the host as it was started, and the processes that can be seen from there
    pid: int
    started: str  # when, in the machine's own terms: numbers of processes are used again
    renewed: float  # seconds since 1970, by the holder's clock
    doing: dict[str, Any] = field(default_factory=dict)  # what it was doing then: see ``raysep.doing``

    def is_gone(self, now: float) -> bool:
        if self.machine == _machine():
            return _started(self.pid) != self.started
        return now - self.renewed > EXPIRES

    def words(self, root: str, now: float) -> str:
        seen = max(0.0, now - self.renewed)
        way_out = (
            f"wait for it, end it (kill {self.pid})"
            if self.machine == _machine()
            else f"wait for it; if it is gone, the folder is free {max(1.0, EXPIRES - seen):.0f} s from now"
        )
        return (
            f"{root}: another raysep works on this run (process {self.pid} on {self.host}, last seen {seen:.0f} s ago); "
            f"{way_out}, or choose another folder"
        )


def holder_of(run: Run) -> Holder | None:
    """Who holds the run, or held it until he died; None where nobody does."""
    return _read(run)


def refuse_held(run: Run) -> None:
    """Raise ``RunConflict`` when somebody who is there holds the run: a first look, which takes nothing."""
    holder, now = _read(run), time.time()
    if holder and not holder.is_gone(now):
        raise RunConflict(holder.words(run.root, now))


@contextmanager
def held(run: Run, doing: Callable[[], dict[str, Any]] = dict) -> Iterator[None]:
    """Within, no other driver is let in, and ``doing`` is asked at each renewal what to tell of the work.

    Raises ``RunConflict`` when another driver is there, or comes in because this one seemed gone.
    """
    own = _take(run)
    ended, lost = threading.Event(), threading.Event()
    in_main = threading.current_thread() is threading.main_thread()
    before = signal.signal(TAKEN, signal.default_int_handler) if in_main else None
    threading.Thread(target=_renew, args=(run, own, ended, lost, in_main, doing), daemon=True, name="lease").start()
    reachable = True
    try:
        yield
    except KeyboardInterrupt:
        if lost.is_set():
            raise RunConflict(
                f"{run.root}: another raysep has taken over this run, to which this one seemed gone; the other one goes on"
            ) from None
        raise
    except StorageUnreachable:
        reachable = False  # nor is it to be reached in order to say goodbye
        raise
    finally:
        ended.set()
        if before is not None:
            signal.signal(TAKEN, before)
        if reachable and not lost.is_set():
            with suppress(*AWAY):
                _release(run, own)


def _take(run: Run) -> Holder:
    """Make the file, or take it over from one who is gone. Two who do so at once both see who came last."""
    own = Holder(uuid.uuid4().hex, platform.node(), _machine(), os.getpid(), _started(os.getpid()), time.time())
    if storage.create(run.path(FILE), _bytes(own)):
        return own
    if (there := _read(run)) and there.token == own.token:  # an answer was lost, and the file made all the same
        return own
    refuse_held(run)
    run.write_bytes(_bytes(own), FILE)
    holder = _read(run)
    if holder and holder.token != own.token:
        raise RunConflict(holder.words(run.root, time.time()))
    return own


def _renew(
    run: Run,
    own: Holder,
    ended: threading.Event,
    lost: threading.Event,
    in_main: bool,
    doing: Callable[[], dict[str, Any]],
) -> None:
    """Until it has ended. Where another one holds it now, the main thread is interrupted, if it is the one that works."""
    while not ended.wait(RENEWED):
        with suppress(*AWAY):
            holder = _read(run)
            if ended.is_set():
                return
            if holder and holder.token != own.token:
                lost.set()
                if in_main:
                    _thread.interrupt_main(TAKEN)
                return
            run.write_bytes(_bytes(replace(own, renewed=time.time(), doing=doing())), FILE)


def _release(run: Run, own: Holder) -> None:
    holder = _read(run)
    if holder and holder.token == own.token:
        storage.delete(run.path(FILE))


def _read(run: Run) -> Holder | None:
    """None where nobody holds it. Of a file that is not whole, and so was left by somebody who died, no process is known."""
    try:
        return Holder(**json.loads(run.read_bytes(FILE)))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        found = storage.look_up(run.path(FILE))
        return Holder("", "an unknown host", "", 0, "", found.modified / 1e9) if found else None


def _bytes(holder: Holder) -> bytes:
    return json.dumps(asdict(holder)).encode()


@lru_cache(maxsize=1)
def _machine() -> str:
    """Two processes that are told the same can see one another: of containers on one host each has its own."""
    names = [platform.node()]
    with suppress(OSError):
        names.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
    with suppress(OSError):
        names.append(os.readlink("/proc/self/ns/pid"))
    return "/".join(names)


def _started(pid: int) -> str:
    """When a process was started, by the system's clock ticks; "" when there is none, and "alive" where that is all to be known."""
    try:
        state, *rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if state in "ZX" else rest[18]
    except (OSError, IndexError, ValueError):
        if Path("/proc/self/stat").exists():
            return ""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except PermissionError:
        pass
    return "alive"
