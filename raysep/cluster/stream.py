"""Ray Data streams stems from storage: a row per piece of decoded audio, in manifest order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
import ray.data

from raysep.corpus import segments
from raysep.corpus.manifest import Stem
from raysep.corpus.reading import read_stem, to_int16
from raysep.errors import AudioError

ROWS_PER_BLOCK = 8  # stems whose audio is in flight at once in one read task


def stream_pieces(
    stems: Iterable[tuple[Stem, float]], piece_seconds: float, sample_rate: int, channels: int, cpus: float = 1.0
) -> ray.data.Dataset:
    """Stems with their sampling weights as a dataset of pieces.

    Columns: ``stem_id``, ``stem``, ``start``, ``weight``, ``audio`` int16 ``(channel, time)`` all of one length, and
    ``error``: empty, or why the stem could not be read (its audio is then zeros, to be left out by the reader).
    """
    rows = [{**asdict(stem), "weight": weight} for stem, weight in stems]
    blocks = max(1, len(rows) // ROWS_PER_BLOCK)
    frames = round(piece_seconds * sample_rate)

    def decode(batch: dict[str, np.ndarray]) -> dict[str, Any]:
        return _decode(batch, frames, sample_rate, channels)

    return ray.data.from_items(rows, override_num_blocks=blocks).map_batches(decode, batch_size=None, num_cpus=cpus)


def execution_options() -> ray.data.ExecutionOptions:
    """Blocks in their own order, so that what a training sees does not depend on which read ended first."""
    options = ray.data.ExecutionOptions()
    options.preserve_order = True
    return options


def _decode(batch: dict[str, np.ndarray], frames: int, sample_rate: int, channels: int) -> dict[str, Any]:
    names = list(Stem.__dataclass_fields__)
    out: dict[str, list] = {key: [] for key in ("stem_id", "stem", "start", "weight", "audio", "error")}
    for i in range(len(batch["stem_id"])):
        stem = Stem(**{name: _plain(batch[name][i]) for name in names})
        for start, audio, error in pieces(stem, frames, sample_rate, channels):
            row = (stem.stem_id, stem.stem, start, float(batch["weight"][i]), audio, error)
            for column, value in zip(out.values(), row, strict=True):
                column.append(value)
    return {**out, "audio": np.stack(out["audio"])}


def pieces(stem: Stem, frames: int, sample_rate: int, channels: int) -> Iterator[tuple[int, np.ndarray, str]]:
    """(start, int16 ``(channel, frames)``, error) for each piece of a stem; one row with the error if unreadable."""
    try:
        audio = to_int16(read_stem(stem, sample_rate, channels))
    except AudioError as error:
        yield 0, np.zeros((channels, frames), np.int16), str(error)
        return
    for segment in segments.cut(audio.shape[1], frames):
        yield segment.start, segments.crop(audio, segment, frames), ""


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
