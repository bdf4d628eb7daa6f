"""A decided run of two labels, some of whose vocals and drums are exchanged, at a size at which trainings take a second."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import soundfile

from raysep import config as settings
from raysep.corpus import manifest
from raysep.corpus.layouts import stems_of
from raysep.decision.verdicts import METADATA, SCHEMA
from raysep.rundir import Run

RATE = 8000
LABELS = ("vocals", "drums")
EXCHANGED = ("c1", "c4")  # tracks of the corpus
TRACKS = [f"c{k}" for k in range(6)]
OVERRIDES = {
    "labels": LABELS,
    "network": {"hidden": 16, "arguments": {"n_fft": 128, "hop": 64}},
    "training": {
        "steps": 16,
        "batch": 4,
        "segment_seconds": 0.25,
        "learning_rate": 1e-3,
        "eps_root": 1e-3,
        "workers": 1,
    },
    "scoring": {"segment_seconds": 0.5},
}


def write_songs(folder: Path, names: list[str], exchanged: tuple[str, ...] = ()) -> str:
    """A tone of a second and a half as vocals, bursts of noise as drums."""
    for number, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        rng = np.random.default_rng(number + 100 * len(folder.name))
        time = np.arange(round(1.5 * RATE)) / RATE
        tone = 0.3 * np.sin(2 * np.pi * rng.uniform(300, 600) * time)
        burst = 0.3 * rng.normal(size=len(time)) * (np.sin(2 * np.pi * rng.uniform(2, 4) * time) > 0)
        files = (burst, tone) if name in exchanged else (tone, burst)
        for label, audio in zip(LABELS, files, strict=True):
            soundfile.write(folder / name / f"{label}.wav", audio, RATE)
    return str(folder)


@pytest.fixture(scope="session")
def songs(tmp_path_factory) -> tuple[list, list]:
    """(stems of the corpus, of the reference)."""
    root = tmp_path_factory.mktemp("songs")
    corpus = write_songs(root / "corpus", TRACKS, EXCHANGED)
    reference = write_songs(root / "reference", ["r0", "r1", "r2", "r3"])
    return stems_of(corpus, usual=LABELS).stems, stems_of(reference, usual=LABELS).stems


@pytest.fixture
def decided_run(tmp_path, songs):
    """decided_run(section={…}): a run that has decided to keep all but one stem, with one probe that knows a little."""

    def make(name: str = "run", **overrides) -> Run:
        corpus, reference = songs
        run = Run(str(tmp_path / name))
        config = settings.preset("smallest", settings.merge(OVERRIDES, overrides))
        run.write_json(
            {"fingerprint": "abc", "started": "now", "config": settings.to_dict(config), "stages": {}}, "run.json"
        )
        manifest.write(run.path("manifest.parquet"), corpus)
        manifest.write(run.path("reference.parquet"), reference)
        rows, scores = [], []
        for place, s in enumerate(sorted(corpus)):
            about = {"stem_id": s.stem_id, "track": s.track, "stem": s.stem, "outcome": "scored"}
            kept = s.stem_id != "c0/vocals"
            rows.append({**about, "suspicion": float(place), "keep": kept, "weight": 0.9 * kept, "reason": "as said"})
            good = s.track not in EXCHANGED
            scores.append({**about, "role": "corpus", "loss": good + 0.1 * place})
        told = {"counts": {"stems": len(rows), "kept": 11, "removed": 1, "other_label": 0}, "removed_share": 1 / 12}
        decision = pa.Table.from_pylist(rows, schema=SCHEMA)
        run.write_table(decision.replace_schema_metadata({METADATA: json.dumps(told).encode()}), "decision.parquet")
        run.write_table(pa.Table.from_pylist(scores), "stems.parquet")
        return run

    return make
