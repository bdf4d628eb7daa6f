"""A run that is told to end, in the stages that other libraries drive: it ends soon, says so, and goes on as if it had not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from raysep import events, stopping
from raysep.rundir import Run

pytestmark = [pytest.mark.cluster, pytest.mark.long, pytest.mark.alone]
SOON = 20.0  # seconds; ten on a machine that has nothing else to do


def driver(request, *more: str) -> subprocess.Popen:
    words = ["clean", request.corpus, "--reference", request.reference, "--out", request.out, "--test", request.test]
    return subprocess.Popen(
        [sys.executable, "-m", "raysep", *words, "--preset", "smallest", "--workers", "1", *more],
        env={**os.environ, "RAY_ADDRESS": "local"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # as a terminal has it
    )


def stopped(
    told: Callable[[list[dict]], bool], number: int, times: int, process: subprocess.Popen, run: Run
) -> tuple[int, list[str], float]:
    """(exit code, what it said that is of the stop, seconds) of a driver that is told to end when its events are as asked for."""
    deadline, before = time.monotonic() + 900, len(events.read(run.root))
    while not told(events.read(run.root)[before:]):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    begin = time.monotonic()
    for _ in range(times):
        os.killpg(process.pid, number)  # as Ctrl-C does: to all that it has started, too
        time.sleep(0.2)
    _, error = process.communicate(timeout=120)
    took = time.monotonic() - begin
    said = [line for line in error.splitlines() if "…" not in line and not line.startswith(("corpus ", "note: "))]
    return process.returncode, [line for line in said if " used under another label" not in line], took


def in_the_middle_of(stage: str) -> Callable[[list[dict]], bool]:
    """Two seconds after it has begun it is in what it does."""

    def holds(told: list[dict]) -> bool:
        begun = [event["at"] for event in told if (event["kind"], event.get("stage")) == ("stage-begun", stage)]
        return bool(begun) and datetime.now(UTC) - datetime.fromisoformat(begun[0]) > timedelta(seconds=2)

    return holds


def two_groups_at_steps_of(stage: str) -> Callable[[list[dict]], bool]:
    """A group has one process, which is counted when it has made steps."""
    return lambda told: any(
        (event["kind"], event.get("stage"), event.get("workers")) == ("groups-changed", stage, 2) for event in told
    )


def test_in_each_of_these_stages_and_then_it_goes_on(finished, request_for, tmp_path):
    request = request_for(tmp_path / "stopped")
    run = Run(request.out)
    for stage, number, times, code in (
        ("train", signal.SIGINT, 1, 130),
        ("score", signal.SIGTERM, 1, 143),
        ("search", signal.SIGINT, 3, 130),
    ):
        ended, said, took = stopped(in_the_middle_of(stage), number, times, driver(request, "--search"), run)
        assert (ended, said) == (code, [stopping.WORDS]), stage
        assert took < SOON, stage
        assert not run.is_done(stage), stage
    again = driver(request, "--until", "decide")
    _, error = again.communicate(timeout=300)
    assert again.returncode == 0, error
    assert run.read_table("decision.parquet") == finished.read_table("decision.parquet")
    ends = [event["reason"] for event in events.read(run.root) if event["kind"] == "run-ended"]
    assert ends[-1] == "done"


def test_while_two_groups_train_and_then_they_go_on_to_their_end(request_for, tmp_path):
    request = request_for(tmp_path / "stopped")
    run = Run(request.out)
    words = ("training.steps=1000", "training.save_every=100", "training.side_by_side=2")
    settings = [word for each in words for word in ("--set", each)]
    for stage, number, times, code in (
        ("train", signal.SIGTERM, 1, 143),
        ("train", signal.SIGINT, 3, 130),
        ("retrain", signal.SIGINT, 1, 130),
    ):
        ended, said, took = stopped(two_groups_at_steps_of(stage), number, times, driver(request, *settings), run)
        assert (ended, said) == (code, [stopping.WORDS]), stage
        assert took < SOON, stage
        assert not run.is_done(stage), stage
    again = driver(request, *settings)
    _, error = again.communicate(timeout=900)
    assert again.returncode == 0, error
    assert run.is_done("retrain")
