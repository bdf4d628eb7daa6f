"""A run that has decided over three tracks of small real files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import soundfile

from raysep import config as settings
from raysep.corpus import manifest
from raysep.corpus.layouts import stems_of
from raysep.rundir import Run

RATE = 8000
LABELS = ("bass", "drums", "other", "vocals")


def write_corpus(folder: Path, ending: str = "wav", subtype: str = "PCM_16", seconds: float = 0.5) -> str:
    """Three tracks of noise, stereo, another one in every stem."""
    for t, track in enumerate(("A", "B [live]", "C")):
        (folder / track).mkdir(parents=True)
        for k, label in enumerate(LABELS):
            noise = 0.1 * np.random.default_rng([t, k]).standard_normal((round(seconds * RATE), 2))
            soundfile.write(folder / track / f"{label}.{ending}", noise, RATE, subtype=subtype)
    return str(folder)


def decide(run: Run, corpus: str, handling: str = "drop", **rows: dict) -> str:
    """A decision that keeps all stems but for what ``rows`` say of TRACK_LABEL."""
    run.write_json(
        {"config": settings.to_dict(settings.preset("smallest", {"decision": {"handling": handling}}))}
        | {"corpus": corpus, "stages": {}, "fingerprint": "abc"},
        "run.json",
    )
    stems = stems_of(corpus).stems
    manifest.write(run.path("manifest.parquet"), stems)
    about = {
        "keep": True,
        "weight": 1.0,
        "label": None,
        "harm": None,
        "spans": [],
        "verdict": None,
        "outcome": "scored",
    }
    table = [{"stem_id": s.stem_id, **about, **rows.get(f"{s.track[0]}_{s.stem}", {})} for s in stems]
    run.write_table(pa.Table.from_pylist(table), "decision.parquet")
    return run.root


@pytest.fixture
def corpus(tmp_path) -> str:
    return write_corpus(tmp_path / "corpus")


@pytest.fixture
def run(tmp_path, corpus) -> str:
    """One bass removed, and nothing else."""
    return decide(Run(str(tmp_path / "run")), corpus, A_bass={"keep": False, "weight": 0.0})


@pytest.fixture
def state(corpus):
    """state() → the names, times and bytes of the source's files: what no export may change."""

    def read() -> dict:
        return {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in sorted(Path(corpus).rglob("*.*"))}

    before = read()
    yield read
    assert read() == before


@pytest.fixture
def make_run(tmp_path, corpus):
    """make_run(handling, TRACK_LABEL={…}) → the folder of a run with this decision."""
    return lambda handling="drop", **rows: decide(Run(str(tmp_path / "other-run")), corpus, handling, **rows)


@pytest.fixture
def audio():
    """audio(path) → ``(channel, time)``."""
    return lambda path: soundfile.read(path, dtype="float32", always_2d=True)[0].T


@pytest.fixture
def as_flac(tmp_path):
    """A run over the same tracks as 24-bit FLAC, nothing removed."""
    corpus = write_corpus(tmp_path / "flacs", "flac", "PCM_24")
    return decide(Run(str(tmp_path / "flac-run")), corpus)
