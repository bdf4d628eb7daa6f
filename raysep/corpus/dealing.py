"""Into how many parts a corpus is dealt, and which of them a track is in."""

from __future__ import annotations

from collections.abc import Iterable

from raysep.corpus.hashing import stable_hash
from raysep.corpus.manifest import Stem

MINUTE = 600.0  # seconds of stems that a core scores in one to two minutes: aiSFX alone takes one for 70 of them
MOST_PARTS = 20_000  # each costs two requests of the storage, and one more whenever a run goes on


def split(keys: Iterable[str], count: int) -> dict[int, list[str]]:
    """Keys dealt to ``count`` shards by hash: the same shard for the same key, whatever else is in the list."""
    shards: dict[int, list[str]] = {}
    for key in sorted(keys):
        shards.setdefault(stable_hash(key) % count, []).append(key)
    return shards


def read_seconds(stems: Iterable[Stem], most: float) -> float:
    """Seconds of audio that a pass reads of the stems, at most ``most`` of each."""
    return sum(min(stem.frames / stem.sample_rate, most) for stem in stems if stem.frames)


def parts_of(seconds: float, least: int) -> int:
    """Parts of about a minute's work each, of so much audio: ``least``, or more where those would be larger."""
    return max(least, min(MOST_PARTS, round(seconds / MINUTE)))
