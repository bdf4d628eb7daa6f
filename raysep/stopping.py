"""How a command ends when it is told to, by Ctrl-C or SIGTERM: within ten seconds, whatever it is doing, with one line.

The first signal raises ``KeyboardInterrupt`` in the main thread, so that what is open is closed: the runtime, the lease. A
thread of its own ends the process ``GRACE`` seconds later if it is still there, as it may be in a long computation or in a
library that catches what it does not know; a third signal ends it at once. Neither loses anything, since a run is made to
be killed: every file in its folder is whole, or not there.
"""

from __future__ import annotations

import atexit
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

GRACE = 5.0  # seconds, of the ten
INSISTED = 3  # signals, of which the last is not argued with
WORDS = "raysep: stopped; the same command goes on where this one ended"
SHOW_CURSOR = "\x1b[?25h"  # a bar has hidden it
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class _Stop:
    """What one command has been told."""

    def __init__(self) -> None:
        self.first = 0  # number of the first signal; 0: none has come
        self.silence = threading.Lock()  # taken by whoever says the line, and never given back

    def interrupt(self, number: int, frame: FrameType | None) -> None:
        """Python's own handler of a signal."""
        if not self.first:
            self.first = number
            _end_children()  # else their pool waits for all that they were given
            raise KeyboardInterrupt

    def watch(self, heard: socket.socket) -> None:
        """Reads the numbers of signals: until the first of ours however long it takes, then until the time is over."""
        deadline, count, first = None, 0, 0
        while True:
            heard.settimeout(None if deadline is None else max(0.01, deadline - time.monotonic()))
            try:
                numbers = heard.recv(64)
            except TimeoutError:
                self.end(first)
            except OSError:
                return
            if not numbers:
                return
            ours = [number for number in numbers if number in SIGNALS]
            count += len(ours)
            if ours and deadline is None:
                deadline, first = time.monotonic() + GRACE, ours[0]
            if count >= INSISTED:
                self.end(first)

    def end(self, number: int) -> NoReturn:
        """Without another word of Python's: what has not come to its end will not."""
        if self.silence.acquire(blocking=False):
            with suppress(OSError):  # nobody reads it any more, as where Ctrl-C has ended ``tee`` first
                os.write(2, f"{SHOW_CURSOR if os.isatty(2) else ''}{WORDS}\n".encode())
        _end_children()
        os._exit(128 + number)


@contextmanager
def handled() -> Iterator[None]:
    """Within, the command ends as above: with ``SystemExit`` of 128 + the signal's number, as shells have it, and the line said.

    An interrupt that no signal brought counts as Ctrl-C. Signals are handled in the main thread alone, and what the
    caller ignores (``nohup``, a script's background) stays ignored.
    """
    stop = _Stop()
    try:
        if threading.current_thread() is threading.main_thread():
            with _listening(stop):
                yield
        else:
            yield
        if stop.first:  # who has caught the interrupt was not done
            raise KeyboardInterrupt
    except BaseException as error:
        interrupted = isinstance(error, KeyboardInterrupt) or (isinstance(error, SystemExit) and error.code == 130)
        if not (number := stop.first or (signal.SIGINT if interrupted else 0)):
            raise
        if os.environ.get("RAYSEP_DEBUG"):
            traceback.print_exc()
        if stop.silence.acquire(blocking=False):
            with suppress(OSError):
                print(WORDS, file=sys.stderr, flush=True)
        if stop.first:
            _leave(128 + number)
        raise SystemExit(128 + number) from None  # whatever a library has made of it


def _leave(code: int) -> NoReturn:
    """End the process, with what was registered for its end, but without taking the interpreter down piece by piece.

    That waits for threads, and when it has begun no thread can end the process any more.
    """
    with suppress(Exception):
        atexit._run_exitfuncs()
        sys.stdout.flush()
    _end_children()
    os._exit(code)


def _end_children() -> None:
    """Processes of a pool of this one's would work on for nobody; Ray's own end with it."""
    if started := sys.modules.get("multiprocessing"):
        for child in started.active_children():
            child.kill()


def left_to_parent() -> None:
    """In a process of a pool: Ctrl-C reaches it, too, and is for the one that started it to act on."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _listening(stop: _Stop) -> Iterator[None]:
    before = {number: was for number in SIGNALS if (was := signal.getsignal(number)) is not signal.SIG_IGN}
    for number in before:
        signal.signal(number, stop.interrupt)
    # Told by the system's own handler: Python's waits for as long as the main thread is in a library of another language.
    heard, told = socket.socketpair()
    told.setblocking(False)
    other = signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=stop.watch, args=(heard,), daemon=True, name="stopping").start()
    try:
        yield
    finally:
        if not stop.first:  # else it is watched to its very end
            signal.set_wakeup_fd(other)
            for number, was in before.items():
                signal.signal(number, was)
            told.close()


@contextmanager
def kept() -> Iterator[None]:
    """Within, a library may set handlers of its own: where a command's were set before, they are set again after it."""
    before = {number: was for number in SIGNALS if callable(was := signal.getsignal(number))}
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, was in before.items():
                signal.signal(number, was)
