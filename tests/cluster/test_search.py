"""The search itself, on trials that compute nothing: the same on any number of workers, and after a kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from raysep.cluster import search as tune
from raysep.resources import Resources

RUNGS = 3
GRID = 8
FIRST = (5, 4, 6, 1)  # good ones first, so that some of the second batch fall behind


@dataclass(frozen=True)
class Line:
    """The best is at 5, higher from rung to rung; where it has begun and which rungs it came to is written down."""

    folder: str
    seconds: float = 0.0
    fails: tuple[int, ...] = ()

    def __call__(self, point, saved, report) -> None:
        place = point["place"]
        if place in self.fails:
            raise ValueError(f"no trial at {place}")
        # The later a trial is drawn, the sooner it ends: nothing may depend on that.
        for rung in range(saved["rung"] if saved else 0, RUNGS):
            time.sleep(self.seconds or 0.05 * (GRID - place))
            with open(Path(self.folder) / f"{place}.log", "a") as log:
                log.write(f"{rung} ")
            report({"value": float(rung - abs(place - 5)), "twice": 2.0 * place}, {"rung": rung + 1})


@dataclass(frozen=True)
class Places:
    def __call__(self, draw) -> dict:
        return {"place": draw.suggest_int("place", 0, GRID - 1)}


def search(folder: Path, name: str = "s", most: int | None = None, **changes) -> list[dict]:
    folder.mkdir(exist_ok=True)
    options = {
        "samples": 8,
        "first": [{"place": place} for place in FIRST],
        "seed": 3,
        "metric": "value",
        "also": ("twice",),
        "name": name,
        "storage_path": str(folder / "ray"),
        "available": Resources(3.0, 0.0, 1),
        "most": most,
    }
    trial = Line(str(folder), changes.pop("seconds", 0.0), changes.pop("fails", ()))
    return tune.search(trial, Places(), **options | changes)


@pytest.mark.slow
@pytest.mark.long
def test_any_number_of_workers_finds_the_same_and_stops_the_same(ray_runtime, tmp_path):
    found = [search(tmp_path / str(most), most=most) for most in (1, 3)]
    assert found[0] == found[1]
    rows = found[0]
    assert len(rows) == 8
    assert {*FIRST} <= {row["place"] for row in rows}
    assert all(row["value"] == row["rung"] - 1 - abs(row["place"] - 5) and row["error"] == "" for row in rows)
    assert all(row["twice"] == 2 * row["place"] for row in rows)
    for place in FIRST:  # of the first batch none is stopped
        assert max(row["rung"] for row in rows if row["place"] == place) == RUNGS
    assert min(row["rung"] for row in rows) < RUNGS
    assert search(tmp_path / "1", most=2) == rows  # finished: nothing is run again
    logged = (tmp_path / "1" / "6.log").read_text().split()
    assert logged.count("0") == sum(row["place"] == 6 for row in rows)


@pytest.mark.slow
def test_a_trial_that_fails_is_recorded_and_the_others_go_on(ray_runtime, tmp_path):
    rows = search(tmp_path / "s", samples=4, fails=(6,))
    failed = [row for row in rows if row["error"]]
    assert [row["place"] for row in failed] == [6]
    assert "no trial at 6" in failed[0]["error"]
    assert sum(row.get("rung") == RUNGS for row in rows) == 3


@pytest.mark.slow
@pytest.mark.cluster
@pytest.mark.long
def test_a_search_that_was_killed_goes_on_inside_its_trials(ray_runtime, tmp_path):
    whole = search(tmp_path / "whole", samples=2)
    folder = tmp_path / "killed"
    process = driver(folder, seconds=9.0)
    deadline = time.monotonic() + 120
    while not all((folder / f"{place}.log").exists() for place in FIRST[:2]) and time.monotonic() < deadline:
        time.sleep(0.2)
    time.sleep(5)  # until Tune has written down what was reported
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert driver(folder, seconds=0.0).wait(timeout=120) == 0
    assert json.loads((folder / "rows.json").read_text()) == whole
    for place in FIRST[:2]:
        rungs = (folder / f"{place}.log").read_text().split()
        assert rungs.count("0") == 1  # not from the beginning
        assert set(rungs) == {"0", "1", "2"}


def driver(folder: Path, seconds: float) -> subprocess.Popen:
    """A process of its own that searches on a Ray of its own, and writes down what it found."""
    script = (
        "import json\nfrom pathlib import Path\nimport test_search\nfrom raysep.cluster import session\n"
        f"session.connect('local', cpus=2)\nfolder = Path({str(folder)!r})\n"
        f"rows = test_search.search(folder, samples=2, seconds={seconds})\n"
        "(folder / 'rows.json').write_text(json.dumps(rows))"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), "TUNE_GLOBAL_CHECKPOINT_S": "0.2"}
    return subprocess.Popen([sys.executable, "-c", script], env=environment, start_new_session=True)
