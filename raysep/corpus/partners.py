"""The clean partners that a judged stem is mixed with, from the reference's tracks, which are read when they are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from raysep.audio.levels import SILENCE_DBFS
from raysep.corpus import manifest, segments
from raysep.corpus.manifest import Stem
from raysep.corpus.mixing import ReferenceBank
from raysep.corpus.reading import read_stem
from raysep.corpus.segments import Chosen
from raysep.errors import BadInput


class LazyTracks(Mapping[str, Mapping[str, np.ndarray]]):
    """track → label → audio, read when asked for: a reference of many hours is never in memory at once."""

    def __init__(self, stems: Iterable[Stem], sample_rate: int, channels: int) -> None:
        self.tracks, self.sample_rate, self.channels = manifest.tracks_of(stems), sample_rate, channels

    def __getitem__(self, track: str) -> dict[str, np.ndarray]:
        return {label: read_stem(s, self.sample_rate, self.channels) for label, s in self.tracks[track].items()}

    def __iter__(self) -> Iterator[str]:
        return iter(self.tracks)

    def __len__(self) -> int:
        return len(self.tracks)


def fill_bank(
    tracks: Mapping[str, Mapping[str, np.ndarray]],
    every: Chosen,
    labels: tuple[str, ...],
    frames: int,
    count: int,
    most: int | None,
) -> ReferenceBank:
    """Up to ``count`` clean partners of every label, from segments of the reference that are drawn by hash.

    ``every``: track → indices of its segments, as they were listed with ``frames`` (samples) and ``most`` (of a track). A
    label that is nowhere audible in the draw is looked for in all of them: without a partner of it, no stem of another label
    could be scored. Raises ``BadInput`` naming a label that is silent throughout.
    """
    bank = ReferenceBank(labels)

    def add(chosen: Chosen, wanted: tuple[str, ...]) -> None:
        for track, indices in sorted(chosen.items()):
            audio = tracks[track]
            length = next(iter(audio.values())).shape[1]
            cuts = {s.index: s for s in segments.cut(length, frames, most)}
            for index in indices:
                for label in audio.keys() & set(wanted):
                    bank.add(label, segments.crop(audio[label], cuts[index], frames))

    add(segments.draw(every, count, "bank"), labels)
    if missing := tuple(label for label in labels if not bank.count(label)):
        add(every, missing)
        for label in missing:
            if not bank.count(label):
                raise BadInput(
                    f"label {label!r}: the part of the reference that stems are mixed with has no audible segment of it "
                    f"({len(every)} tracks, all below {SILENCE_DBFS:g} dBFS there); add reference tracks that have it, or "
                    f"leave it out with --set labels=[…]"
                )
    return bank.thinned(count)
