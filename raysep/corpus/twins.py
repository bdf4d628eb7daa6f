"""Recordings that are one and the same: found by the moments that their acoustic fingerprints share, and verified.

Two recordings are compared only where a moment of one, all its 32 bits, is also in the other. How far apart these moments
lie says how the two are to be laid over each other; then every stretch of the shorter one is compared bit by bit. So a copy
that was cut, made quieter or coded again is found, and a song that shares its drums with another one is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from raysep.audio.acoustic import BITS, SECONDS

# Bits that may differ in a stretch. Measured (docs/results/check.md): copies up to 0.16, other songs from 0.35 on.
SAME_BITS = 0.25
STRETCH = 64  # moments that are judged together: 1.6 s
LEAST_COMPARED = STRETCH // 4  # of them; a stretch with fewer says nothing
SAME_SONG = 0.5  # of the shorter one's stretches: less is a sample in another song
SAME_STEM = 0.75  # of a stem's: two drum loops may agree in half of them
FEWEST = 32  # moments that can be compared, below which nothing is said
MOST_ALIKE = 16  # neighbours in the index that a moment is paired with: one that is everywhere tells nothing
PLACES = 3  # ways of laying one over the other that are verified: a cut in the middle makes two
MOST_INDEXED = 5_000_000  # moments; of more, a part is indexed, the same part of every recording
LEAST_VOTES = 0.003  # of the shorter one's moments speak for a place: of a copy at least 0.008 did, coded and all
OFFSETS = 1 << 22  # moments: more than a day and a half
SPREAD = np.uint32(2654435761)  # Knuth's multiplier: neighbours in value fall into different parts of the index
SET_BITS = np.array([value.bit_count() for value in range(256)], np.int64)


@dataclass(frozen=True, eq=False)
class Recording:
    """A name, and the fingerprint of ``audio.acoustic.moments``."""

    name: str
    bits: np.ndarray  # (n,) uint32
    audible: np.ndarray  # (n,) bool

    @property
    def comparable(self) -> bool:
        return int(self.audible.sum()) >= FEWEST


@dataclass(frozen=True, order=True)
class Match:
    """Two recordings that share so much of the shorter one; the second begins ``later`` seconds into the first."""

    first: str
    second: str
    share: float
    later: float


def matches(recordings: Sequence[Recording], least: float = SAME_SONG) -> list[Match]:
    """Every pair of recordings of which at least this share of the shorter one's stretches is in the other."""
    usable = [each for each in recordings if each.comparable]
    found = []
    for (a, b), offsets in _candidates(usable).items():
        share, offset = _shared(usable[a], usable[b], offsets)
        if share >= least:
            found.append(Match(usable[a].name, usable[b].name, round(share, 3), round(offset * SECONDS, 2)))
    return sorted(found)


def _candidates(recordings: Sequence[Recording]) -> dict[tuple[int, int], list[int]]:
    """(a, b), a < b → the commonest distances between moments that both have, in moments."""
    bits, owner, place = _index(recordings)
    hits = []
    for step in range(1, min(MOST_ALIKE, len(bits) - 1) + 1):
        alike = np.flatnonzero(bits[step:] == bits[:-step])
        if not len(alike):
            break
        pairs = alike[owner[alike] != owner[alike + step]]  # in order: the index is sorted by bits, then owner
        offsets = place[pairs] - place[pairs + step] + OFFSETS // 2
        hits.append((owner[pairs] * len(recordings) + owner[pairs + step]) * OFFSETS + offsets)
    votes, counts = np.unique(np.concatenate([np.zeros(0, np.int64), *hits]), return_counts=True)
    moments = np.bincount(owner, minlength=len(recordings))
    first, second = np.divmod(votes // OFFSETS, max(1, len(recordings)))
    likely = counts >= LEAST_VOTES * np.minimum(moments[first], moments[second])
    votes, counts = votes[likely], counts[likely]
    told: dict[tuple[int, int], list[int]] = {}
    for vote in votes[np.argsort(-counts, kind="stable")].tolist():
        pair, offset = divmod(vote, OFFSETS)
        offsets = told.setdefault(divmod(pair, len(recordings)), [])
        if len(offsets) < PLACES and all(abs(offset - OFFSETS // 2 - other) > 1 for other in offsets):
            offsets.append(offset - OFFSETS // 2)
    return told


def _index(recordings: Sequence[Recording]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Audible moments sorted by their bits, then owner: ``(n,)`` bits, number of the recording, place in it."""
    places = [np.flatnonzero(each.audible) for each in recordings]
    bits = np.concatenate([np.zeros(0, np.uint32), *(r.bits[p] for r, p in zip(recordings, places, strict=True))])
    owner = np.repeat(np.arange(len(recordings)), [len(each) for each in places])
    place = np.concatenate([np.zeros(0, np.int64), *places])
    telling = (bits != 0) & (bits != np.uint32(0xFFFFFFFF))
    thin = np.uint32(-(-len(bits) // MOST_INDEXED) or 1)
    telling &= (bits * SPREAD >> np.uint32(16)) % thin == 0
    order = np.lexsort((owner[telling], bits[telling]))
    return bits[telling][order], owner[telling][order], place[telling][order]


def _shared(first: Recording, second: Recording, offsets: Sequence[int]) -> tuple[float, int]:
    """The share of the shorter one's stretches that match at any of the offsets, and the offset that most match at."""
    shorter = first if first.audible.sum() < second.audible.sum() else second
    together: np.ndarray = np.zeros(0, bool)
    counts = []
    for offset in offsets:
        same = _same_stretches(shorter, second if shorter is first else first, offset if shorter is second else -offset)
        together = same if not len(together) else together | same
        counts.append(int(same.sum()))
    heard = _stretches(shorter.audible).sum(axis=1) >= LEAST_COMPARED
    total = int(heard.sum())
    return (float((together & heard).sum() / total) if total else 0.0), offsets[int(np.argmax(counts))]


def _same_stretches(short: Recording, long: Recording, offset: int) -> np.ndarray:
    """Of ``short``, laid ``offset`` moments into ``long``: which of its stretches are the same there."""
    places = np.arange(len(short.bits)) + offset
    inside = (places >= 0) & (places < len(long.bits))
    there = np.clip(places, 0, len(long.bits) - 1)
    both = inside & short.audible & long.audible[there]
    wrong = np.where(both, differing_bits(short.bits, long.bits[there]), 0)
    compared, differing = _stretches(both).sum(axis=1), _stretches(wrong).sum(axis=1)
    return np.asarray((compared >= LEAST_COMPARED) & (differing <= SAME_BITS * BITS * compared))


def differing_bits(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """``(n,)`` of two ``(n,)`` uint32."""
    each = SET_BITS[(first ^ second).view(np.uint8).reshape(-1, 4)]
    return np.asarray(each.sum(axis=1))


def _stretches(values: np.ndarray) -> np.ndarray:
    """``(stretch, STRETCH)`` of ``(n,)``, the last one filled up with zeros."""
    padded = np.pad(values, (0, -len(values) % STRETCH))
    return padded.reshape(-1, STRETCH).astype(np.int64)
