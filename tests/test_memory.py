from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from raysep.memory import PeakMemory, proportional_bytes

MIB = 2**20
pytestmark = pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="this system does not tell")

HOLD = "import sys\nheld = bytearray(b'x') * {bytes}\nprint('ready', flush=True)\nsys.stdin.readline()\n"
# A name with spaces and parentheses, as the parser of /proc/PID/stat must bear.
CHILD_OF_CHILD = (
    "import subprocess, sys\n"
    f"child = subprocess.Popen([sys.executable, '-c', {HOLD.format(bytes=60 * MIB)!r}], stdin=sys.stdin, stdout=sys.stdout)\n"
    "child.wait()\n"
)


class Held:
    """A process that holds memory until the block ends."""

    def __init__(self, script: str) -> None:
        self.script = script

    def __enter__(self) -> int:
        self.process = subprocess.Popen(
            [sys.executable, "-c", self.script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout.readline() == "ready\n"
        return self.process.pid

    def __exit__(self, *error: object) -> None:
        self.process.communicate("end\n", timeout=20)


def test_a_process_counts_what_it_holds():
    with Held(HOLD.format(bytes=80 * MIB)) as pid:
        assert 80 * MIB < proportional_bytes(pid) < 120 * MIB


def test_what_a_child_of_a_child_holds_counts_too():
    with Held(CHILD_OF_CHILD) as pid:
        assert 60 * MIB < proportional_bytes(pid) < 110 * MIB
        assert proportional_bytes(os.getpid()) > proportional_bytes(pid)


def test_a_process_that_is_gone_is_nothing():
    with Held(HOLD.format(bytes=MIB)) as pid:
        pass
    assert proportional_bytes(pid) == 0


def test_the_peak_stays_after_the_memory_was_given_back():
    with PeakMemory(every=0.02) as memory:
        import time

        first = proportional_bytes(os.getpid())
        with Held(HOLD.format(bytes=80 * MIB)):
            time.sleep(0.5)
    assert memory.peak_bytes > first + 70 * MIB
    assert proportional_bytes(os.getpid()) < memory.peak_bytes - 60 * MIB


def test_the_shortest_block_is_measured_once():
    with PeakMemory(every=60) as memory:
        pass
    assert memory.peak_bytes > MIB
