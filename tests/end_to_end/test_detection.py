"""The tiny size through the command line, as a user would: faults of all kinds are found."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.long]


def raysep(*words: object) -> str:
    environment = {**os.environ, "RAY_ADDRESS": "local"}
    done = subprocess.run(
        [sys.executable, "-m", "raysep.cli", *map(str, words)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=1500,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


def test_macro_auroc_over_kinds_at_tiny_size(tmp_path):
    songs = ("--seconds", 12, "--sample-rate", 16000)
    raysep("synth", tmp_path / "songs", "--songs", 48, *songs, "--seed", 5)
    raysep("synth", tmp_path / "trusted", "--songs", 16, *songs, "--seed", 6, "--prefix", "ref")
    raysep("contaminate", tmp_path / "songs", "--out", tmp_path / "spoilt", "--share", 0.4, "--seed", 5)
    briefly = ("--until", "decide", "--set", "scoring.most_segments=2")  # the proof is looked at elsewhere
    raysep("clean", tmp_path / "spoilt", "--reference", tmp_path / "trusted", "--out", tmp_path / "run", *briefly)
    printed = raysep("benchmark", "detection", tmp_path / "run", tmp_path / "spoilt-truth.parquet")
    macro = float(re.search(r"macro over kinds\D*([01]\.\d+)", printed).group(1))
    assert macro >= 0.80, printed
