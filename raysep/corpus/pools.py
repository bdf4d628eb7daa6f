"""Single stems, which belong to no mixture: put together, one of each label, where a mixture is needed.

A pool of stems (``vocals/one.wav``, ``drums/two.wav``, none related to another) is a corpus of tracks of one stem each.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from raysep.corpus import manifest
from raysep.corpus.manifest import Stem
from raysep.corpus.reading import read_stem, together


def mixes_of(stems: Iterable[Stem]) -> dict[str, dict[str, Stem]]:
    """track → label → stem: tracks as they are, then single stems put together, named ``one + two``.

    The first of each label together, in the order of their tracks, then the second; what is left over stays alone.
    """
    tracks = manifest.tracks_of(stems)
    mixes = {track: parts for track, parts in tracks.items() if len(parts) > 1}
    for parts in together([parts for parts in tracks.values() if len(parts) == 1]):
        mixes[" + ".join(sorted(stem.track for stem in parts.values()))] = parts
    return mixes


def read_mix(parts: dict[str, Stem], sample_rate: int, channels: int) -> dict[str, np.ndarray]:
    """label → ``(channel, time)``, all as long as the shortest: stems of different tracks are of different lengths."""
    audio = {label: read_stem(stem, sample_rate, channels) for label, stem in parts.items()}
    frames = min(each.shape[1] for each in audio.values())
    return {label: each[:, :frames] for label, each in audio.items()}


def pool_note(stems: Iterable[Stem]) -> str:
    """How many single stems are put together, in words; "" when there are none."""
    singles = [stem for parts in manifest.tracks_of(stems).values() if len(parts) == 1 for stem in parts.values()]
    if not singles:
        return ""
    mixes = [parts for parts in mixes_of(singles).values() if len(parts) > 1]
    left = len(singles) - sum(map(len, mixes))
    rest = f", {left} left over" if left else ""
    return f"{len(singles)} single stems are mixed with one another to {len(mixes)} mixtures{rest}"
