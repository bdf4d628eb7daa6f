"""The page, the pictures and the command that makes them again."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from raysep.commands.benchmark import run as stage
from raysep.commands.benchmark import run_tables
from raysep.commands.benchmark.run import RunRequest
from raysep.commands.benchmark.sources import Own, Rendered
from raysep.rundir import Run

ARMS = ("clean", "cleaned", "contaminated", "random")


@pytest.fixture
def request_of(tmp_path):
    return RunRequest(Rendered(), str(tmp_path / "out"), seeds=3, arms=ARMS, preset="smallest", quiet=True)


def page_of(request) -> str:
    return Path(stage.run(request).root, "benchmark.md").read_text()


def test_the_page_has_gates_first_then_arms_detection_and_how_it_was_made(instant, request_of):
    page = page_of(request_of)
    order = ["# Does cleaning pay? `mixed`, tiny", "draw 0: gate passed", "draw 1: gate passed", "| trained on |"]
    order += ["| clean |", "| cleaned |", "| random |", "## Detection", "| weighed by harm |", "| macro over kinds |"]
    order += ["## Every draw", "| 0 | 38% | 50% (40% … 60%) | 4 stems | 66.7% | 0.0% |", "## How it was made"]
    places = [page.find(words) for words in order]
    assert -1 not in places
    assert places == sorted(places)
    assert "12 steps of openunmix-joint for every arm, seeds 0, 1, 2; 2 draws (seeds 1, 2), 4 and 4 test songs" in page
    assert re.search(r"\| cleaned \| 10 \|.*\| \+1\.50 \(.*\| 75% \(.*\| better \|", page)
    assert "nothing may be concluded" not in page
    columns = {
        line.count("|") for line in page.splitlines() if line.startswith("| cleaned | 10") or "trained on" in line
    }
    assert columns == {7}


def test_where_the_gate_fails_every_verdict_says_that_nothing_follows(instant, request_of, capsys):
    page = page_of(replace(request_of, seeds=1, draws=1, quiet=False))
    assert "1 seed, and it needs two or more" in page
    assert "**The gate is not passed: nothing may be concluded from these tables.**" in page
    assert not re.search(r"\| (better|worse)", page)
    assert "one draw: the intervals say nothing of other corpora" in page
    assert "1 seed: a verdict needs 3" in page
    assert "The gate is not passed: nothing may be concluded." in capsys.readouterr().out


def test_what_is_left_out_is_said_with_its_reason(instant, request_of):
    run = stage.run(request_of)
    other = Run(run.path("draw-1", "run"))
    other.update({"arms_left_out": {"random": "no scores of it"}})
    table = other.read_table("results.parquet")
    other.write_table(table.filter([arm != "random" for arm in table["arm"].to_pylist()]), "results.parquet")
    page = page_of(request_of)
    assert "the arm random is left out (draw 1: no scores of it)" in page
    assert "| random |" not in page


def test_pictures_are_files_of_their_own(instant, request_of):
    root = stage.run(request_of).root
    for name, words in (("sdr.svg", "SDR in dB"), ("gain.svg", "over contaminated"), ("detection.svg", "AUROC")):
        assert words in ElementTree.parse(Path(root, name)).getroot().get("aria-label")


def test_the_command_on_the_page_asks_for_the_same_again(request_of, monkeypatch):
    """Through the real command line: the page's words make the request that made the page."""
    from typer.testing import CliRunner

    from raysep.commands import app as commands
    from raysep.commands.benchmark import command  # noqa: F401

    asked = []
    monkeypatch.setattr(stage, "run", asked.append)
    overrides = {"training": {"steps": 30, "warmup": None}, "planting": {"kinds": ["swap", "merge"]}}
    own = Own("CORPUS", "REF", "TEST", "TRUTH", "CLEAN")
    for request in (
        replace(request_of, overrides=overrides, source=Rendered("small", "bleeding", 30, 12), draws=3, seed=7),
        replace(request_of, source=own, draws=1, preset=None),
        replace(request_of, source=Own("CORPUS", "REF", "TEST", "TRUTH"), draws=1, seeds=2),
    ):
        words = shlex.split(run_tables.command(request))
        result = CliRunner().invoke(commands.benchmark_app, [*words[2:], "--quiet"])
        assert result.exit_code == 0, result.output
        assert asked.pop() == replace(request, out="OUT")
