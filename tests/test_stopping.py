"""Real processes that are told to end, whatever they are doing: all at once, so that the test takes as long as the slowest."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from raysep import stopping

WORK = {
    "waits": "time.sleep(60)",
    "computes": "while True: pass",
    "is in another language": "import hashlib; hashlib.pbkdf2_hmac('sha256', b'', b'', 2**30)",
    "catches everything": """
while True:
    try:
        time.sleep(60)
    except BaseException:
        pass
""",
    "goes on with half of it": """
try:
    time.sleep(60)
except KeyboardInterrupt:
    pass
""",
    "makes another error of it": """
try:
    time.sleep(60)
except KeyboardInterrupt:
    raise ValueError("training failed") from None
""",
    "takes long to end": """
try:
    time.sleep(60)
finally:
    time.sleep(60)
""",
    "waits for its threads": """
import concurrent.futures
with concurrent.futures.ThreadPoolExecutor() as pool:
    pool.submit(time.sleep, 60).result()
""",
    "waits for processes that it has started": """
import concurrent.futures, multiprocessing
with concurrent.futures.ProcessPoolExecutor(
    1, mp_context=multiprocessing.get_context("spawn"), initializer=stopping.left_to_parent
) as pool:
    pool.submit(time.sleep, 600).result()
""",
    "lets a library set handlers": """
with stopping.kept():
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *told: sys.exit(15))
time.sleep(60)
""",
}
SCRIPT = """
import signal, sys, time
from raysep import stopping
stopping.GRACE = {grace}
with stopping.handled():
    print("begun", flush=True)
    exec({work!r})
"""


def begun(work: str, grace: float, ignored: bool = False) -> subprocess.Popen:
    """A process in the middle of its work. SIGINT is as a terminal leaves it, whatever the tests were started by."""

    def handlers() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN if ignored else signal.SIG_DFL)

    script = SCRIPT.format(grace=grace, work=work)
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=handlers,
        env=os.environ | {"RAYSEP_DEBUG": ""},
    )
    assert process.stdout.readline() == "begun\n"
    return process


def ended(process: subprocess.Popen) -> tuple[int, str]:
    _, error = process.communicate(timeout=60)
    return process.returncode, error


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.slow
def test_whatever_it_does_it_ends_with_one_line_and_the_signals_code(number, code):
    running = {name: begun(work, grace=1.0) for name, work in WORK.items()}
    for process in running.values():
        process.send_signal(number)
    assert {name: ended(process) for name, process in running.items()} == dict.fromkeys(
        WORK, (code, f"{stopping.WORDS}\n")
    )


def test_the_third_time_it_is_not_waited_for():
    process = begun(WORK["takes long to end"], grace=60.0)
    for _ in range(stopping.INSISTED):
        process.send_signal(signal.SIGTERM)
        time.sleep(0.1)  # the system keeps one of several that wait
    assert ended(process) == (143, f"{stopping.WORDS}\n")


def test_it_ends_alike_when_nobody_reads_what_it_says():
    """Ctrl-C ends the ``tee`` behind it, too."""
    running = {name: begun(WORK[name], grace=1.0) for name in ("waits", "takes long to end")}
    for process in running.values():
        process.stderr.close()
        process.send_signal(signal.SIGINT)
    assert {name: process.wait(timeout=60) for name, process in running.items()} == dict.fromkeys(running, 130)


def test_what_the_caller_ignores_stays_ignored():
    process = begun("time.sleep(1)", grace=0.1, ignored=True)
    process.send_signal(signal.SIGINT)
    assert ended(process) == (0, "")


def test_handlers_are_put_back():
    before = {number: signal.getsignal(number) for number in stopping.SIGNALS}
    with stopping.handled():
        assert all(signal.getsignal(number) != was for number, was in before.items())
    assert {number: signal.getsignal(number) for number in stopping.SIGNALS} == before


def test_other_ends_are_left_as_they_are():
    with pytest.raises(ValueError, match="other"), stopping.handled():
        raise ValueError("other")
    with pytest.raises(SystemExit) as end, stopping.handled():
        raise SystemExit(3)
    assert end.value.code == 3
