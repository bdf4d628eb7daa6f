"""A decided run of three labels whose stems are tones, a band for each label, and some faults in the corpus."""

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
from raysep.separators import checkpoint
from raysep.stages.plant import ROLES
from tests.commands.restore.bands import RATE

LABELS = ("bass", "other", "drums")
RANGES_HZ = {"bass": (60, 400), "other": (600, 1800), "drums": (2200, 3800)}
REMOVED = {"c0/bass", "c0/other", "c1/bass", "c2/bass", "c3/drums"}


def song(name: str) -> dict[str, np.ndarray]:
    """label → ``(time,)``: eight notes of its band, of a second and a half in all; another tune for each name."""
    time = np.arange(round(1.5 * RATE)) / RATE
    stems = {}
    for label, (low, high) in RANGES_HZ.items():
        rng = np.random.default_rng([*name.encode(), *label.encode()])
        pitch = rng.uniform(low, high, 8)[np.minimum((time / 1.5 * 8).astype(int), 7)]
        stems[label] = 0.2 * np.sin(2 * np.pi * np.cumsum(pitch) / RATE)
    return stems


def write(folder: Path, songs: dict[str, dict[str, np.ndarray]]) -> list[manifest.Stem]:
    for name, stems in songs.items():
        (folder / name).mkdir(parents=True)
        for label, audio in stems.items():
            soundfile.write(folder / name / f"{label}.flac", audio, RATE)
    return stems_of(str(folder), usual=LABELS).stems


def spoilt() -> dict[str, dict[str, np.ndarray]]:
    """Of four songs: in c0 the bass holds what is missing in other, in c2 bass and drums are exchanged."""
    songs = {name: song(name) for name in ("c0", "c1", "c2", "c3")}
    songs["c0"] |= {"bass": songs["c0"]["bass"] + songs["c0"]["other"], "other": 0 * songs["c0"]["other"]}
    songs["c2"] |= {"bass": songs["c2"]["drums"], "drums": songs["c2"]["bass"]}
    return songs


@pytest.fixture
def decided_run(tmp_path):
    """decided_run(network="Bands", trusted=9): a run whose decision removes ``REMOVED``."""

    def make(network: str = "Bands", trusted: int = 9, name: str = "run") -> Run:
        corpus = write(tmp_path / f"{name}-corpus", spoilt())
        reference = write(tmp_path / f"{name}-reference", {f"r{k}": song(f"r{k}") for k in range(trusted)})
        model = f"tests.commands.restore.bands:{network}"
        config = settings.preset("smallest", {"labels": LABELS, "network": {"model": model}})
        run = Run(str(tmp_path / name))
        record = {"fingerprint": "abc", "started": "now", "config": settings.to_dict(config), "stages": {}}
        run.write_json(record | {"corpus": str(tmp_path / f"{name}-corpus")}, "run.json")
        for table, stems in (("manifest", corpus), ("reference", reference), ("planted", [])):
            manifest.write(run.path(f"{table}.parquet"), stems)
        run.write_table(pa.Table.from_pylist([], schema=ROLES), "roles.parquet")
        run.write_json({}, "done", "plant.json")
        run.write_table(pa.Table.from_pylist([decided(stem) for stem in corpus]), "decision.parquet")
        arguments = {"stems": LABELS, "sample_rate": RATE, "channels": 1, "n_fft": 128, "hop": 32}
        value = {"Bands": {"left_in": 0.1}, "Deaf": {"part": 1 / 3}}[network]
        save(run, model, arguments, value)
        return run

    return make


def decided(stem: manifest.Stem) -> dict:
    keep = stem.stem_id not in REMOVED
    silent = stem.stem_id == "c0/other"
    known = {"stem_id": stem.stem_id, "track": stem.track, "stem": stem.stem, "reason": "as said"}
    return known | {
        "keep": keep,
        "weight": float(keep),
        "label": "drums" if stem.stem_id == "c2/bass" else None,
        "outcome": "silent" if silent else "scored",
    }


def save(run: Run, model: str, arguments: dict, weights: dict[str, float]) -> None:
    import torch

    made = checkpoint.Checkpoint(model, arguments, {name: torch.tensor(value) for name, value in weights.items()})
    run.write_bytes(checkpoint.to_bytes(made), "checkpoints", "probe-reference.safetensors")
