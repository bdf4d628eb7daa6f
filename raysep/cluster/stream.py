"""Ray Data streams stems from storage: a row per piece of decoded audio, in manifest order."""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from typing import Any

import numpy as np
import ray.data

from raysep.cluster import noise
from raysep.errors import StorageError
from raysep.training.entry import Entry
from raysep.training.pieces import pieces
from raysep.training.samples import as_float, dtype_of

noise.off_terminal("ray.data")  # importing it has set its logger up

COLUMNS = ("stem_id", "stem", "start", "weight", "frames", "audio", "error", "storage")
ROWS_PER_BLOCK = 8  # stems whose audio is in flight at once in one read task


def stream_pieces(
    entries: Iterable[Entry],
    piece_seconds: float,
    sample_rate: int,
    channels: int,
    cpus: float = 1.0,
    reads: int | None = None,
) -> ray.data.Dataset:
    """Stems as a dataset of pieces.

    Columns: ``stem_id``, ``stem`` (the label used), ``start``, ``weight``, ``audio`` ``(channel, time)`` all of one length,
    ``frames``, how many samples of it are the stem's (the rest is padding), and ``error``: empty, or why the stem could
    not be read. A stem that could not be read, or of which nothing may be used, is one row of no frames. The audio is int16
    (times 32768) when that is what every stem of the stream holds, else float32: a column has one type. ``storage`` is
    empty, or the ``StorageError`` that ``error`` tells of: what would have come after this row is missing. ``cpus``: what one
    read reserves; ``reads``: how many there are at once, at most.
    """
    # Pickled here: Ray Data would do it as well, and warn of it.
    entries = list(entries)
    is_16_bit = all(dtype_of(entry.stem, sample_rate, channels) == np.int16 for entry in entries)
    rows = [{"entry": pickle.dumps(entry)} for entry in entries]
    blocks = max(1, len(rows) // ROWS_PER_BLOCK)
    frames = round(piece_seconds * sample_rate)

    def decode(batch: dict[str, np.ndarray]) -> dict[str, Any]:
        return _decode(batch, frames, sample_rate, channels, np.int16 if is_16_bit else np.float32)

    stems = ray.data.from_items(rows, override_num_blocks=blocks)
    return stems.map_batches(decode, batch_size=None, num_cpus=cpus, compute=ray.data.TaskPoolStrategy(size=reads))


def execution_options() -> ray.data.ExecutionOptions:
    """Blocks in their own order, so that what a training sees does not depend on which read ended first."""
    options = ray.data.ExecutionOptions()
    options.preserve_order = True
    return options


def _decode(batch: dict[str, np.ndarray], frames: int, sample_rate: int, channels: int, dtype: type) -> dict[str, Any]:
    out: dict[str, list] = {key: [] for key in COLUMNS}
    nothing, ended = np.zeros((channels, 0), np.int16), ""
    for pickled in batch["entry"]:
        entry: Entry = pickle.loads(pickled)
        try:
            found = list(pieces(entry.stem, frames, sample_rate, channels, entry.spans)) or [(0, nothing, "")]
        except StorageError as error:  # raised here, Ray would wrap it until nobody knows it again
            found, ended = [(0, nothing, str(error))], type(error).__name__
        for start, audio, told in found:
            if audio.dtype == np.float32 != dtype:
                told = (
                    f"{entry.stem.uri}: holds finer samples than {entry.stem.format}, as the manifest says: scan again"
                )
                audio = audio[:, :0]
            whole = audio if audio.dtype == dtype else as_float(audio).astype(dtype)
            padded = np.pad(whole, ((0, 0), (0, frames - audio.shape[1])))
            row = (entry.stem.stem_id, entry.label, start, entry.weight, audio.shape[1], padded, told, ended)
            for column, value in zip(out.values(), row, strict=True):
                column.append(value)
        if ended:
            break
    return {**out, "audio": np.stack(out["audio"])}
