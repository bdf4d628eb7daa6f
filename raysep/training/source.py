"""What one part of a batch is drawn from: a stream of pieces, and the pool that holds as many as fit.

A part is a virtual rank: it has stems, a pool and random numbers of its own, whichever process it is in.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from raysep import errors
from raysep.training.pool import SegmentPool

REFRESH_STEPS = 4  # a corpus larger than the pool: steps between two batches of new pieces
ROWS_PER_READ = 32


class Source:
    """Fills a pool from a stream, and goes on refreshing it when the corpus is larger than the pool.

    What ``draw(step)`` gives is a function of the stream, the seed and the step: a source that is filled for a later
    step and one that has drawn all the steps before hold the same pieces.
    """

    def __init__(self, shard: Any, pool: SegmentPool, *, share: int, frames: int, seed: int, part: int) -> None:
        self.shard, self.pool = shard, pool
        self.share, self.frames, self.seed, self.part = share, frames, seed, part
        self.unreadable: dict[str, str] = {}  # stem_id → why
        self.resident = False  # the whole corpus is in the pool
        self._batches = self._read()

    def fill(self, step: int = 0) -> None:
        """Be where the steps before ``step`` would have led, in two passes over the stream at most.

        Raises ``BadInput`` when the corpus has nothing audible of a label, ``StorageError`` when one ended the reading.
        """
        for read, batch in enumerate(self._batches, start=1):
            self._add(batch)
            # A label that begins late in the stream is waited for: without it nothing can be drawn.
            if self.pool.full and all(map(self.pool.sounds, self.pool.labels)):
                self._advance(read, max(0, step - 1) // REFRESH_STEPS)
                return
        self.pool.ready()
        self.resident = True

    def draw(self, step: int) -> np.ndarray:
        """This part's share of the batch: raw targets, float32 ``(batch, stem, channel, time)``."""
        if step and step % REFRESH_STEPS == 0:
            self._refresh()
        return self.draw_only(step)

    def draw_only(self, step: int) -> np.ndarray:
        """The same from the pool as it is."""
        return self.pool.draw(self.share, self.frames, step, self.seed, self.part)

    def _advance(self, read: int, refreshes: int) -> None:
        """Read on from ``read`` batches of the first pass as far as ``refreshes`` would have.

        Of each label the pool holds the newest pieces, no more than a pass of them, and if these are silent the newest
        audible one, which is less than a pass old. So what it holds after the first pass depends on where in a pass the
        stream is, not on how many passes went before: whole ones are left out.
        """
        position = read + refreshes
        while read < position:
            batch = next(self._batches, None)
            if batch is None:  # the first pass is over, ``read`` batches long
                position %= read
                if position:
                    self._batches, read = self._read(), 0
                    continue
                return
            self._add(batch)
            read += 1

    def _refresh(self) -> None:
        if self.resident:
            return
        batch = next(self._batches, None)
        if batch is None:
            self._batches = self._read()
            batch = next(self._batches)
        self._add(batch)

    def _read(self) -> Iterator[dict[str, Any]]:
        return iter(self.shard.iter_batches(batch_size=ROWS_PER_READ, batch_format="numpy", prefetch_batches=1))

    def _add(self, batch: dict[str, Any]) -> None:
        for i, error in enumerate(batch["error"]):
            if ended := str(batch["storage"][i]):
                raise getattr(errors, ended)(str(error))
            if error:
                self.unreadable[str(batch["stem_id"][i])] = str(error)
                continue
            audio, frames = batch["audio"][i], int(batch["frames"][i])
            if frames:
                self.pool.add(
                    str(batch["stem_id"][i]),
                    int(batch["start"][i]),
                    str(batch["stem"][i]),
                    audio[:, :frames],
                    # Every second of a stem is drawn as often as any other, in a short piece as in a whole one.
                    weight=float(batch["weight"][i]) * frames / audio.shape[1],
                )
