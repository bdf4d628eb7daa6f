"""A run without a cluster: its folder, its settings, and corpora of small real files."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import soundfile

from raysep import config as settings
from raysep.cluster.session import Resources
from raysep.corpus.manifest import Stem
from raysep.rundir import Run
from raysep.stages.context import Context, Progress

LABELS = settings.LABELS
RATE = 8000


@pytest.fixture
def make_context(tmp_path):
    """make_context(section={…}, …): of a new run under ``tmp_path``, at 8 kHz and in mono."""

    def make(channels: int = 1, retry_failed: bool = False, **overrides) -> Context:
        config = settings.preset("smallest", overrides)
        return Context(
            run=Run(str(tmp_path / "run")),
            config=config,
            available=Resources(2.0, 0.0, 1),
            progress=Progress(quiet=True),
            fingerprint="abc",
            retry_failed=retry_failed,
            sample_rate=RATE,
            channels=channels,
        )

    return make


@pytest.fixture
def make_stems():
    """make_stems(names, …): manifest rows of tracks whose files do not exist."""

    def make(names, frames: int = 4 * RATE, rate: int = RATE, labels=LABELS, tag: str = "") -> list[Stem]:
        return [
            Stem(f"{t}/{k}", t, k, f"/no/{t}/{k}.wav", rate, 1, frames, "WAV/PCM_16", 2 * frames + 44, f"{tag}{t}{k}")
            for t in names
            for k in labels
        ]

    return make


@pytest.fixture
def write_tracks():
    """write_tracks(folder, names, …): tracks of noise, a different one in every stem; returns the folder's path."""

    def write(folder: Path, names, seconds: float = 2.0, rate: int = RATE, seed: int = 0, labels=LABELS) -> str:
        for name in names:
            (folder / name).mkdir(parents=True)
            for label in labels:
                rng = np.random.default_rng([seed, len(name), *name.encode(), *label.encode()])
                soundfile.write(folder / name / f"{label}.wav", 0.1 * rng.standard_normal(round(seconds * rate)), rate)
        return str(folder)

    return write


@pytest.fixture
def write_rows():
    """write_rows(run, name, rows): a table of the run."""

    def write(run: Run, name: str, rows: list[dict]) -> None:
        run.write_table(pa.Table.from_pylist(rows), name)

    return write


@pytest.fixture
def read_wav():
    return lambda data: soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)[0].T


@pytest.fixture
def here(monkeypatch):
    """Shards run one after another in this process; gives the numbers of the shards that were run, call by call."""
    from raysep.cluster import shards

    calls: list[list[int]] = []

    def run_here(make, work, available, *, on_done=lambda shard, counts: None, **options):
        calls.append(sorted(work))
        run_one, failed = make(), {}
        for shard in sorted(work):
            try:
                on_done(shard, run_one(shard, work[shard]))
            except Exception as error:
                failed[shard] = f"{type(error).__name__}: {error}"
        return failed

    monkeypatch.setattr(shards, "run_shards", run_here)
    return calls


@pytest.fixture
def save_network():
    """save_network(context, name, steps, seed): a small network trained for a few steps on noise, as a checkpoint."""
    import torch

    from raysep.separators import checkpoint, registry
    from raysep.stages import train
    from raysep.training import loop

    def save(context: Context, name: str, steps: int = 3, seed: int = 0):
        torch.manual_seed(seed)
        network = registry.build(
            context.config.network.model, **train.network_arguments(context.config, RATE, context.channels)
        )
        recipe = loop.Recipe(steps=steps, batch=2, warmup=0, seed=seed)

        def draw(step: int) -> np.ndarray:
            rng = np.random.default_rng([seed, step])
            return (0.1 * rng.standard_normal((2, len(LABELS), context.channels, RATE))).astype(np.float32)

        network.set_input_statistics(torch.from_numpy(draw(99).sum(axis=1)))
        made = loop.to_checkpoint(loop.train(network, draw, recipe), network)
        context.run.write_bytes(checkpoint.to_bytes(made), "checkpoints", f"{name}.safetensors")
        return network

    return save
