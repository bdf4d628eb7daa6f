"""What a worker of `raysep fad` does first: turn stems into frames of an embedding, each stem once.

OUT/frames/rows-NNNNN.parquet          a row for each stem of a shard: its outcome, and how many frames it has
OUT/frames/vectors-NNNNN.safetensors   their float32 ``(n, dimension)`` frames, by URI
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from raysep.corpus import storage
from raysep.corpus.manifest import Stem
from raysep.errors import AudioError, BadInput
from raysep.rundir import Run, table_bytes

if TYPE_CHECKING:  # those who read frames need no torch
    from raysep.probes.embedders.base import Embedder

STAGE = "embed"
SCORED, SILENT, FAILED = "scored", "silent", "failed"
LEAST_FRAMES = 2  # a distance needs two
SCHEMA = pa.schema(
    [
        ("uri", pa.string()),
        ("outcome", pa.string()),
        ("message", pa.string()),
        ("frames", pa.int32()),  # audible ones
        ("seconds", pa.float64()),
    ]
)


def rows_part(shard: int) -> str:
    return f"frames/rows-{shard:05d}.parquet"


def vectors_part(shard: int) -> str:
    return f"frames/vectors-{shard:05d}.safetensors"


@dataclass(frozen=True)
class Embedding:
    """Which embedder, and from where: made anew in every worker."""

    name: str
    sample_rate: int  # Hz, for one that takes any
    weights: str = ""

    def build(self) -> Embedder:
        from raysep.probes.embedders import registry

        return registry.build(self.name, self.sample_rate, self.weights)


@dataclass(frozen=True)
class StemEmbedder:
    """Makes, in a worker, the function that embeds some stems. Picklable."""

    root: str
    fingerprint: str
    embedding: Embedding
    threads: int = 1

    def __call__(self) -> Callable[[int, Any], dict]:
        import torch

        torch.set_num_threads(self.threads)
        embedder = self.embedding.build().to("cuda" if torch.cuda.is_available() else "cpu")
        return lambda shard, payload: self.run(embedder, shard, payload)

    def run(self, embedder: Embedder, shard: int, payload: Iterable[dict]) -> dict[str, int]:
        """Write the frames of the stems, then their rows and the shard's marker. No stem's failure is an error."""
        from safetensors.numpy import save

        found = [embed(embedder, Stem(**stem)) for stem in payload]
        rows = [row for row, _ in found]
        run = Run(self.root)
        run.write_bytes(save({row["uri"]: frames for row, frames in found}), vectors_part(shard))
        table = pa.Table.from_pylist(rows, schema=SCHEMA)
        counts = {"rows": len(rows), "failed": sum(row["outcome"] == FAILED for row in rows)}
        run.finish_shard(STAGE, shard, self.fingerprint, table_bytes(table), rows_part(shard), counts)
        return counts


def embed(embedder: Embedder, stem: Stem) -> tuple[dict[str, Any], np.ndarray]:
    """A stem's row, and its audible float32 ``(n, dimension)`` frames; n is 0 when it failed."""
    from raysep.corpus.reading import read_stem
    from raysep.probes.embedders.base import audible_frames

    seconds = stem.frames / stem.sample_rate if stem.sample_rate else None
    row = {"uri": stem.uri, "outcome": SCORED, "message": "", "frames": 0, "seconds": seconds}
    nothing = np.zeros((0, embedder.dimension), dtype=np.float32)
    try:
        frames = audible_frames(embedder, read_stem(stem, stem.sample_rate, stem.channels), stem.sample_rate)
        if not np.isfinite(frames).all():
            raise BadInput(f"{stem.uri}: its embedding is not finite")
    except AudioError as error:
        return row | {"outcome": FAILED, "message": str(error)}, nothing
    except Exception as error:  # one odd file must not end the pass: it is reported with the reason
        return row | {"outcome": FAILED, "message": f"{type(error).__name__}: {error}"}, nothing
    if len(frames) < LEAST_FRAMES:
        few = f"{len(frames)} audible frames of {embedder.window_seconds:g} s: a distance needs {LEAST_FRAMES}"
        row |= {"outcome": SILENT, "message": few}
    return row | {"frames": len(frames)}, frames.astype(np.float32)


def read_rows(run: Run, shard: int) -> dict[str, dict[str, Any]]:
    """By URI."""
    return {row["uri"]: row for row in run.read_table(rows_part(shard)).to_pylist()}


def read_vectors(run: Run, shard: int) -> dict[str, np.ndarray]:
    """URI → float32 ``(n, dimension)``."""
    from safetensors.numpy import load

    return load(storage.read_bytes(run.path(vectors_part(shard))))
