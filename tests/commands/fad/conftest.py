from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from raysep.commands.fad.fad import FadRequest, fad
from tests.commands.fad.runs import CLEAN, LABELS, NAMES, RATE


@pytest.fixture(scope="session")
def request_in(write_tracks):
    """request_in(folder): three tracks of two labels against five clean ones; A/drums is nothing like its label."""

    def make(folder: Path) -> FadRequest:
        clean = write_tracks(folder / "clean", CLEAN, seconds=5.0, labels=LABELS)
        corpus = write_tracks(folder / "corpus", NAMES, seconds=4.0, seed=1, labels=LABELS)
        time = np.arange(4 * RATE) / RATE
        soundfile.write(folder / "corpus" / "A" / "drums.wav", 0.1 * np.sin(2 * np.pi * 440 * time), RATE)
        return FadRequest(corpus, clean, str(folder / "out"), embedder="logmel", labels=LABELS, quiet=True)

    return make


@pytest.fixture
def request_of(request_in, tmp_path):
    """request_of(…): of files of the test's own."""
    request = request_in(tmp_path)
    return lambda **changes: replace(request, **changes)


@pytest.fixture(scope="session")
def finished(request_in, run_alone, tmp_path_factory) -> tuple[FadRequest, list[list[int]]]:
    """What was asked of a run that is finished, and the shards it ran, call by call. To be read only."""
    request = request_in(tmp_path_factory.mktemp("fad"))
    with pytest.MonkeyPatch.context() as patch:
        calls = run_alone(patch)
        fad(request)
    return request, calls
