from __future__ import annotations

import json
import time
from dataclasses import asdict

import pytest

from raysep import lease
from raysep.commands.clean import status
from raysep.rundir import Run
from tests.told_facts import TRAINING


@pytest.fixture
def run(tmp_path) -> Run:
    made = Run(str(tmp_path / "run"))
    made.open("abc", {"search": False})
    for name in ("check", "plant", "train"):
        with made.stage(name):
            pass
    return made


def held_elsewhere(run: Run, seconds: float, **doing) -> None:
    """As a driver on another machine left it, renewed so long ago."""
    holder = lease.Holder("t", "gpu-7", "gpu-7/boot", 4711, "99", time.time() - seconds, doing)
    run.write_json(asdict(holder), lease.FILE)


def shown(run: Run, capsys) -> dict[str, str]:
    """First word of each line → the rest of it."""
    status.print_status(run)
    lines = capsys.readouterr().out.splitlines()
    return {words[0]: " ".join(words[1:]) for line in lines if (words := line.split())}


def test_a_run_that_is_driven_says_by_whom_how_far_and_how_fast(run, capsys):
    held_elsewhere(run, 4, **TRAINING, at=time.time() - 60, retries=2, deaths=1)
    found = shown(run, capsys)
    assert found["running:"] == "process 4711 on gpu-7, last seen 4 s ago"
    assert found["train"].startswith("done in")
    assert found["score"] == "not done"
    # Of the five minutes that were left a minute ago four are.
    assert found["retrain"] == "training 3 of 8 (random-seed0), step 240/600, 2.1 steps/s, 4 min left, 3 workers"
    assert found["2"] == "shards tried again, 1 worker died"


def test_a_driver_that_has_not_been_seen_is_dead_since_then(run, capsys):
    held_elsewhere(run, 600, **TRAINING)
    found = shown(run, capsys)
    assert found["dead"].startswith("since 20")
    assert "10 min ago (process 4711 on gpu-7): the same command goes on" in found["dead"]
    assert "step 240/600" in found["retrain"]


def test_a_driver_on_this_machine_is_looked_for(run, capsys):
    with lease.held(run, lambda: {"stages": ["score"]}):
        assert "running:" in shown(run, capsys)
        dead = asdict(lease.Holder(**run.read_json(lease.FILE))) | {"started": "1"}
    run.write_json(dead, lease.FILE)
    assert "dead" in shown(run, capsys)


def test_one_that_nobody_drives_is_finished_or_goes_on(run, capsys):
    assert shown(run, capsys)["nobody"] == "works on it: the same command goes on from there"
    run.update({"finished": True})
    assert "finished" in shown(run, capsys)


def test_a_round_is_shown_with_its_own_stage(run, capsys):
    run.update({"config": {"rounds": 2}})
    held_elsewhere(run, 1, stages=["round-1", "score"], stage="score", done=3, total=8, unit="shards")
    assert shown(run, capsys)["round-1"] == "score, 3 of 8 shards"


def test_it_is_watched_until_nobody_works_on_it(run, capsys):
    held_elsewhere(run, 1, **TRAINING)
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            held_elsewhere(run, 600, **TRAINING)

    status.watch(run, sleep)
    lines = capsys.readouterr().out.splitlines()
    assert len(slept) == 2
    assert sum("check" in line for line in lines) == 1  # only what has changed is printed again
    assert "dead since" in lines[-1] or "dead since" in lines[-2]


def test_the_lease_carries_what_is_done(run, monkeypatch):
    monkeypatch.setattr(lease, "RENEWED", 0.02)
    doing = {"stages": ["score"], "done": 1}
    with lease.held(run, lambda: doing):
        deadline = time.monotonic() + 20
        while lease.holder_of(run).doing != doing:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    assert lease.holder_of(run) is None


def test_a_lease_of_an_older_raysep_says_nothing_of_it(run):
    held_elsewhere(run, 1)
    old = run.read_json(lease.FILE)
    del old["doing"]
    run.write_json(old, lease.FILE)
    assert lease.holder_of(run).doing == {}


def test_status_is_read_from_the_folder_while_it_runs(make_context, capsys, write_rows):
    run = make_context().run
    run.open("abc", {})
    with run.stage("plant"):
        pass
    for shard in range(4):
        run.finish_shard("first-look", shard, "abc", b"", f"first-look/{shard}", {})
    status.print_status(run)
    assert "4 shards done of the first look" in capsys.readouterr().out
    for shard in range(3):
        run.finish_shard("score", shard, "abc", b"", f"scores/{shard}", {})
    run.finish_shard("score", 9, "of another configuration", b"", "scores/9", {})
    write_rows(run, "failed.parquet", [{"stem_id": "A/bass"}])
    status.print_status(run)
    shown = {line.split()[0]: " ".join(line.split()[1:]) for line in capsys.readouterr().out.splitlines()[1:]}
    assert shown["plant"].startswith("done in ")
    assert shown["score"] == "3 shards done"
    assert shown["decide"] == "not done"
    assert shown["1"] == "stems failed: failed.parquet"


def test_status_does_not_call_a_stage_done_whose_marker_was_taken_back(make_context, capsys, tmp_path):
    run = make_context().run
    run.open("abc", {})
    with run.stage("decide"):
        pass
    (tmp_path / "run" / "done" / "decide.json").unlink()  # as --retry-failed does
    status.print_status(run)
    assert next(line for line in capsys.readouterr().out.splitlines() if "decide" in line).endswith("not done")


@pytest.mark.parametrize(
    ("record", "stages"),
    [
        ({"config": {"rounds": 1}, "reference": None, "corpus": "C", "test": "T"}, ("check", "retrain", "evaluate")),
        ({"config": {"rounds": 1}, "reference": None, "corpus": "C", "test": None}, ("check", "retrain")),
        ({"models": []}, ("evaluate",)),
    ],
    ids=["train --test", "train", "evaluate"],
)
def test_a_training_and_an_evaluation_are_finished_when_every_stage_is_done(record, stages, tmp_path, raysep):
    run = Run(str(tmp_path / "run"))
    run.open("abc", record)
    for number, name in enumerate(stages):
        assert "the same command goes on" in raysep("status", run.root)[1], number
        assert json.loads(raysep("status", run.root, "--json")[1])["finished"] is False
        with run.stage(name):
            pass
    assert raysep("status", run.root)[1].splitlines()[1] == "  finished"
    told = json.loads(raysep("status", run.root, "--json")[1])
    assert (told["finished"], told["state"]) == (True, "finished")
