from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from raysep.errors import RaysepError
from raysep.evaluation import framewise_sdr, museval_backend

RATE = 1000


@pytest.fixture
def signals():
    """References and estimates ``(stem, sample, channel)`` of three and a half seconds."""
    rng = np.random.default_rng(1)
    references = rng.standard_normal((2, 3500, 2))
    return references, references + 0.3 * rng.standard_normal(references.shape)


def test_four_measures_in_frames_of_one_second(signals):
    found = museval_backend.evaluate_track(*signals, RATE)
    assert {name: frames.shape for name, frames in found.items()} == dict.fromkeys(("sdr", "isr", "sir", "sar"), (2, 3))
    np.testing.assert_allclose(found["sdr"], framewise_sdr(*signals, RATE), atol=1e-9)
    # White noise in the estimate: the 512 taps can imitate part of it, so the artefacts are below the whole error.
    assert (found["sar"] > found["sdr"]).all()


def test_the_package_itself_is_not_imported():
    code = "import sys; from raysep.evaluation import museval_backend as m; m.load_metrics(); print('musdb' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


def test_a_singular_system_is_told_with_the_way_out(signals, monkeypatch):
    def solve(*arguments):
        raise np.linalg.LinAlgError("Singular matrix")

    monkeypatch.setattr(np.linalg, "solve", solve)
    with pytest.raises(RaysepError, match=r"museval: its filters have no unique solution.*--backend own"):
        museval_backend.evaluate_track(*signals, RATE)


def test_another_error_is_not_dressed_up(signals, monkeypatch):
    def broken(*arguments, **options):
        raise AttributeError("something else")

    monkeypatch.setattr(museval_backend.load_metrics(), "bss_eval", broken)
    with pytest.raises(AttributeError, match="something else"):
        museval_backend.evaluate_track(*signals, RATE)
