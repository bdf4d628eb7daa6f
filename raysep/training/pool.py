"""Decoded segments in memory, and the drawing of training examples from them."""

from __future__ import annotations

import bisect
from dataclasses import dataclass

import numpy as np

from raysep.audio.levels import is_audible
from raysep.errors import BadInput
from raysep.training.samples import as_float, compact

TRIES = 8  # draws of one crop before a silent one is accepted: the loop always ends

Key = tuple[str, int, str]  # (stem_id, start, label): orders the pieces whatever order they came in


@dataclass(frozen=True)
class Piece:
    """Decoded audio of a stem, of which crops are taken."""

    audio: np.ndarray  # (channel, time), int16 or float32: as ``samples.compact`` leaves it
    weight: float  # > 0: how often it is drawn, relative to the label's others
    track: str
    audible: bool


class SegmentPool:
    """Pieces of stems by label, up to ``capacity_bytes``, of which each label has its share; see ``samples.compact``.

    A label's newest pieces are kept: however rare it is in what streams through, it is never crowded out by the others.
    When all of them are silent, its newest audible piece is kept too, beyond its share: it can always be drawn.

    ``draw`` depends on what is in the pool, the seed, the step and the rank, and on nothing else: not on the order in
    which the pieces came, so a run that reads its corpus in parallel can be repeated bit for bit.
    """

    def __init__(self, labels: tuple[str, ...], capacity_bytes: int) -> None:
        self.labels = tuple(labels)
        self.capacity_bytes = capacity_bytes
        self.share_bytes = capacity_bytes // max(1, len(self.labels))  # of each label
        self._bytes = dict.fromkeys(self.labels, 0)  # taken of its share
        self.full: set[str] = set()  # labels of which a piece has had to make room for another
        self._pieces: dict[Key, Piece] = {}  # in order of arrival: the first is the oldest
        self._keys: dict[str, list[Key]] = {label: [] for label in self.labels}  # sorted
        self._beyond: dict[str, Key] = {}  # label -> its only audible piece, where that is not of its share any more
        self._odds: dict[str, np.ndarray] = {}  # label -> cumulative weight of its sorted keys, made when asked for
        self._channels: int | None = None

    def __len__(self) -> int:
        return len(self._pieces)

    @property
    def bytes(self) -> int:
        return sum(piece.audio.nbytes for piece in self._pieces.values())

    def add(
        self, stem_id: str, start: int, label: str, audio: np.ndarray, weight: float = 1.0, track: str | None = None
    ) -> None:
        """Keep int16 (times 32768) or float32 ``(channel, time)`` audio that begins at sample ``start`` of the stem ``stem_id``.

        A piece of the same stem, start and label replaces the former one. A weight of 0 leaves the piece out. When the
        label's share is full, its oldest pieces make room. ``track`` says which stems belong together where examples are not
        remixed; by default the part of ``stem_id`` before its last slash. Raises ``BadInput``.
        """
        if label not in self._keys:
            raise BadInput(f"{stem_id}: label {label!r} is not one of {', '.join(self.labels)}; leave the stem out")
        if not (np.isfinite(weight) and weight >= 0):
            raise BadInput(f"{stem_id}: weight {weight} is not a finite number of at least 0")
        if audio.ndim != 2 or 0 in audio.shape:
            raise BadInput(
                f"{stem_id}: audio of shape {audio.shape}; a piece is (channel, time), neither of them empty"
            )
        if self._channels not in (None, audio.shape[0]):
            raise BadInput(f"{stem_id}: {audio.shape[0]} channels, the pieces before it have {self._channels}")
        if weight == 0:
            return
        samples = compact(audio)
        if samples.nbytes > self.share_bytes:
            raise BadInput(
                f"{stem_id}: a piece of {samples.nbytes} bytes does not fit the {self.share_bytes} that the pool has for "
                f"{label}; raise its capacity or cut shorter pieces"
            )
        self._channels = audio.shape[0]
        key = (stem_id, int(start), label)
        self._remove(key)
        while self._bytes[label] + samples.nbytes > self.share_bytes:
            self.full.add(label)
            self._evict(label)
        piece = Piece(samples, float(weight), track or stem_id.rpartition("/")[0], is_audible(as_float(samples)))
        if piece.audible and label in self._beyond:
            self._remove(self._beyond[label])
        self._pieces[key] = piece
        bisect.insort(self._keys[label], key)
        self._odds.pop(label, None)
        self._bytes[label] += samples.nbytes

    def sounds(self, label: str) -> bool:
        """Whether there is something audible of the label."""
        return any(self._pieces[key].audible for key in self._keys[label])

    def ready(self) -> None:
        """Raise ``BadInput`` naming the labels that have nothing audible to draw."""
        missing = [label for label in self.labels if not self.sounds(label)]
        if missing:
            raise BadInput(
                f"nothing audible to train {', '.join(missing)} with: all its stems are silent, removed or failed; "
                "keep more stems of this label or leave it out of the separator's stems"
            )

    def draw(
        self, batch: int, segment_frames: int, step: int, seed: int, rank: int = 0, remix: bool = True
    ) -> np.ndarray:
        """Training targets, float32 ``(batch, stem, channel, segment_frames)``, stems in the order of ``labels``.

        Each stem of each example is drawn by itself, from any track, with probability proportional to the piece's
        weight, at a random place (zero-padded if the piece is shorter), and once more, up to a bound, if that place is
        silent. Without ``remix`` the stems of an example are those of one track at one time; a stem which is not in the
        pool there is drawn from elsewhere. Raises ``BadInput`` as ``ready`` does.
        """
        return self.draw_named(batch, segment_frames, step, seed, rank, remix)[0]

    def draw_named(
        self, batch: int, segment_frames: int, step: int, seed: int, rank: int = 0, remix: bool = True
    ) -> tuple[np.ndarray, list[list[str]]]:
        """What ``draw`` gives, and the ``stem_id`` of each stem of each example."""
        self.ready()
        rng = np.random.default_rng([seed, step, rank])
        fill = self._remixed if remix else self._aligned
        assert self._channels is not None  # that of the pieces that are ready
        drawn = np.empty((batch, len(self.labels), self._channels, segment_frames), np.float32)
        keys = [fill(example, rng) for example in drawn]
        return drawn, [[stem_id for stem_id, *_ in example] for example in keys]

    def _remixed(self, out: np.ndarray, rng: np.random.Generator) -> list[Key]:
        return [self._crop_of(label, crop, rng) for label, crop in zip(self.labels, out, strict=True)]

    def _aligned(self, out: np.ndarray, rng: np.random.Generator) -> list[Key]:
        anchor_label = self.labels[rng.integers(len(self.labels))]
        anchor = self._choose(anchor_label, rng)
        track, start = self._pieces[anchor].track, anchor[1]
        place = rng.random()  # one place for all stems: their pieces are of one length where the track is whole
        together = {
            key[2]: key
            for label in self.labels
            for key in self._keys[label]
            if key[1] == start and self._pieces[key].track == track
        } | {anchor_label: anchor}
        for label, crop in zip(self.labels, out, strict=True):
            if label in together:
                _crop(self._pieces[together[label]].audio, place, crop)
            else:
                together[label] = self._crop_of(label, crop, rng)
        return [together[label] for label in self.labels]

    def _crop_of(self, label: str, out: np.ndarray, rng: np.random.Generator) -> Key:
        """A random piece of the label into ``(channel, frames)``, audible if ``TRIES`` attempts find one that is."""
        tries = TRIES
        while True:
            key = self._choose(label, rng)
            _crop(self._pieces[key].audio, rng.random(), out)
            tries -= 1
            if is_audible(out) or not tries:
                return key

    def _choose(self, label: str, rng: np.random.Generator) -> Key:
        if label not in self._odds:
            self._odds[label] = np.cumsum([self._pieces[key].weight for key in self._keys[label]])
        odds = self._odds[label]
        index = int(np.searchsorted(odds, rng.random() * odds[-1], side="right"))
        return self._keys[label][min(index, len(odds) - 1)]

    def _evict(self, label: str) -> None:
        """Take a label's oldest piece out of its share.

        An only audible one is set aside, not counted: were it to take room from the newest pieces, these would depend
        on all that came before, and no longer on the end of the stream alone.
        """
        oldest = next(key for key in self._pieces if key[2] == label and key != self._beyond.get(label))
        piece = self._pieces[oldest]
        if piece.audible and not any(self._pieces[key].audible for key in self._keys[label] if key != oldest):
            self._beyond[label] = oldest
            self._bytes[label] -= piece.audio.nbytes
        else:
            self._remove(oldest)

    def _remove(self, key: Key) -> None:
        piece, label = self._pieces.pop(key, None), key[2]
        if piece is None:
            return
        self._keys[label].remove(key)
        self._odds.pop(label, None)
        if self._beyond.get(label) == key:
            del self._beyond[label]
        else:
            self._bytes[label] -= piece.audio.nbytes


def _crop(audio: np.ndarray, place: float, out: np.ndarray) -> None:
    """Samples of a piece as float32 into ``(channel, frames)``; ``place`` in [0, 1) says where.

    A short piece is followed by zeros.
    """
    frames = out.shape[1]
    start = int(place * (max(0, audio.shape[1] - frames) + 1))
    crop = audio[:, start : start + frames]
    as_float(crop, out[:, : crop.shape[1]])
    out[:, crop.shape[1] :] = 0.0
