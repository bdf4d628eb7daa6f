"""The trial that docs/own-stems.md gives: its own lines, and that they show something."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from raysep.report.gains import verdict_of
from raysep.rundir import Run

sys.path.insert(0, str(Path(__file__).parents[1]))  # the same helper module under any import mode of pytest

from command_lines import words_of

PAGE = Path(__file__).resolve().parents[2] / "docs" / "own-stems.md"


def lines() -> list[str]:
    """The command lines of the trial."""
    block = PAGE.read_text().partition("## A trial with made songs")[2].partition("```bash\n")[2].partition("```")[0]
    return block.splitlines()


@pytest.mark.train
@pytest.mark.long
def test_the_documented_trial_removes_stems_that_are_wrong(raysep, ray_runtime, tmp_path, monkeypatch):
    """As far as the decision: what is trained afterwards to prove it takes the longest, and other tests look at it."""
    monkeypatch.chdir(tmp_path)
    shown = ""
    for line in lines():
        words = words_of(line)
        code, shown, error = raysep(*words, *(["--until", "decide", "-q"] if words[0] == "clean" else []))
        assert code == 0, error
    assert "not kept: " in shown  # `raysep benchmark detection`, the last of them
    run = Run("runs/trial")
    verdict = verdict_of(run)
    assert (verdict.none_removed, verdict.counts.stems) == ("", 48)
    assert 2 <= verdict.counts.removed < 36
    removed = [row for row in run.read_table("decision.parquet").to_pylist() if not row["keep"]]
    assert any(row["outcome"] == "scored" for row in removed)
    assert any(row["label"] for row in removed)  # one that was exchanged is known for what it is
