"""What a worker of `raysep fad` does first: turn stems into frames of an embedding, each stem once.

OUT/frames/rows-NNNNN.parquet          a row for each stem of a shard: its outcome, and how many frames it has
OUT/frames/vectors-NNNNN.safetensors   their float32 ``(n, dimension)`` frames

Both go by the names of ``compared.Comparison.names``, which stay the same when the audio is moved to another address.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from raysep.corpus import storage
from raysep.corpus.manifest import Stem
from raysep.errors import AudioError, BadInput, StorageError
from raysep.outcome import Outcome
from raysep.rundir import Run, table_bytes
from raysep.stages.passes import Counts, Worker

if TYPE_CHECKING:  # those who read frames need no torch
    from raysep.probes.embedders.base import Embedder

STAGE = "embed"
LEAST_FRAMES = 2  # a distance needs two
CANCEL = "channels cancel"
SCHEMA = pa.schema(
    [
        ("name", pa.string()),
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
class Located:
    """A stem, the name that its frames go by, and the shard that they are in."""

    stem: Stem
    name: str
    shard: int


@dataclass(frozen=True)
class Embedding:
    """Which embedder, and from where: made anew in every worker."""

    name: str
    sample_rate: int  # Hz, for one that takes any
    weights: str = ""
    weights_digest: str = ""  # of the weights that the run was begun with; "" = not known yet, or it has none

    def build(self) -> Embedder:
        """Raises ``BadInput`` when its weights are not those of the digest: a node may hold others at the same path."""
        from raysep.probes.embedders import registry

        embedder = registry.build(self.name, self.sample_rate, self.weights)
        if self.weights_digest not in ("", embedder.weights_digest):
            raise BadInput(
                f"{self.weights or self.name}: these weights ({embedder.weights_digest[:12]}) are not those that the run "
                f"was begun with ({self.weights_digest[:12]}); put the same on every node"
            )
        return embedder


@dataclass(frozen=True, kw_only=True)
class StemEmbedder(Worker):
    """Embeds the stems of a shard."""

    embedding: Embedding
    threads: int | None = 1

    def start(self) -> Callable[[int, Sequence[Located]], Counts]:
        import torch

        embedder = self.embedding.build().to("cuda" if torch.cuda.is_available() else "cpu")
        return partial(self.embed, embedder)

    def embed(self, embedder: Embedder, shard: int, payload: Sequence[Located]) -> Counts:
        """Write the frames of the stems, then their rows and the shard's marker. No stem's failure is an error."""
        from safetensors.numpy import save

        rows, vectors = [], {}
        for located in payload:
            row, vectors[located.name] = embed(embedder, located.stem)
            rows.append({"name": located.name, **row})
        self.folder.write_bytes(save(vectors), vectors_part(shard))
        table = pa.Table.from_pylist(rows, schema=SCHEMA)
        counts = {"rows": len(rows), "failed": sum(row["outcome"] == Outcome.FAILED for row in rows)}
        return self.finish(STAGE, shard, table_bytes(table), rows_part(shard), counts)


def embed(embedder: Embedder, stem: Stem) -> tuple[dict[str, Any], np.ndarray]:
    """A stem's row but its name, and its audible float32 ``(n, dimension)`` frames; n is 0 when it failed."""
    from raysep.audio.channels import cancels, mono_level_db
    from raysep.corpus.reading import read_stem
    from raysep.probes.embedders.base import audible_frames

    seconds = stem.frames / stem.sample_rate if stem.sample_rate else None
    row = {"outcome": Outcome.SCORED, "message": "", "frames": 0, "seconds": seconds}
    nothing = np.zeros((0, embedder.dimension), dtype=np.float32)
    try:
        audio = read_stem(stem, stem.sample_rate, stem.channels)
        if cancels(audio):
            row |= {
                "message": f"{CANCEL} (mono is {-mono_level_db(audio):.0f} dB below them): the loudest one was embedded"
            }
        frames = audible_frames(embedder, audio, stem.sample_rate)
        if not np.isfinite(frames).all():
            raise BadInput(f"{stem.uri}: its embedding is not finite")
    except AudioError as error:
        return row | {"outcome": Outcome.FAILED, "message": str(error)}, nothing
    except StorageError:
        raise
    except Exception as error:  # one odd file must not end the pass: it is reported with the reason
        return row | {"outcome": Outcome.FAILED, "message": f"{type(error).__name__}: {error}"}, nothing
    if len(frames) < LEAST_FRAMES:
        few = f"{len(frames)} audible frames of {embedder.window_seconds:g} s: a distance needs {LEAST_FRAMES}"
        row |= {"outcome": Outcome.SILENT, "message": few}
    return row | {"frames": len(frames)}, frames.astype(np.float32)


def read_rows(run: Run, shard: int) -> dict[str, dict[str, Any]]:
    """By name."""
    return {row["name"]: row for row in run.read_table(rows_part(shard)).to_pylist()}


def read_vectors(run: Run, shard: int) -> dict[str, np.ndarray]:
    """Name → float32 ``(n, dimension)``."""
    from safetensors.numpy import load

    return load(storage.read_bytes(run.path(vectors_part(shard))))
