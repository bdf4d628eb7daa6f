"""Tracks that are one and the same song, by what they sound like: within the corpus, and between it and what is trusted."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from raysep.corpus import twins
from raysep.corpus.twins import Match, Recording

OF = {
    "corpus": "the corpus",
    "reference": "the reference",
    "test": "the test tracks",
    "validation": "the validation tracks",
}
UNSEEN = "Cf"  # of Unicode: marks of direction, joiners, soft hyphens
SHARED_STEMS = 2  # stems that two tracks share: from so many on they are one song, whatever the others are
SHOWN = 5
SEPARATE = "keep the reference apart, or the judgement would rest on the tracks it judges"
REMEDY = "remove one of each two and choose another --out, or go on with --allow-twins"
SAME_LATER = 0.1  # seconds


class Place(NamedTuple):
    """A track, and where it was given."""

    role: str  # of ``OF``
    track: str

    @property
    def words(self) -> str:
        return f"{self.track} of {OF[self.role]}"


@dataclass(frozen=True, order=True)
class Twins:
    """Two tracks, or two stems, that are one recording."""

    first: Place
    second: Place
    share: float  # of the shorter one
    later: float  # seconds into the first at which the second begins
    stems: tuple[tuple[str, str], ...] = ()  # the stems that are one; () = the mixtures are

    @property
    def is_song(self) -> bool:
        """Whether the tracks are one song, and not two that share a stem."""
        sides = [{pair[side] for pair in self.stems} for side in (0, 1)]
        return self.first != self.second and (not self.stems or min(map(len, sides)) >= SHARED_STEMS)

    @property
    def is_leak(self) -> bool:
        return self.is_song and self.first.role != self.second.role

    @property
    def words(self) -> str:
        shift = (
            "" if abs(self.later) < 0.05 else f", {abs(self.later):.1f} s {'later' if self.later > 0 else 'earlier'}"
        )
        how = f"{100 * self.share:.0f} % of its sound{shift}"
        if self.stems:
            pairs = ", ".join(a if a == b else f"{a} = {b}" for a, b in self.stems)
            return f"{pairs}: {how}"
        return how


Prints = Mapping[Place, Mapping[str, tuple]]  # track → label → fingerprint, "" → of the stems' sum


def find(prints: Prints) -> list[Twins]:
    """All pairs of tracks whose mixtures, or some of whose stems, are one recording; also of stems within a track."""
    places = sorted(prints)
    numbers = {str(number): place for number, place in enumerate(places)}
    songs = [Recording(number, *prints[place][""]) for number, place in numbers.items() if "" in prints[place]]
    found = {
        (numbers[m.first], numbers[m.second]): Twins(*_sorted(numbers[m.first], numbers[m.second], m))
        for m in twins.matches(songs)
    }
    stems = _stem_matches(numbers, prints)
    for pair, shared in stems.items():
        if pair not in found and tuple(reversed(pair)) not in found:
            found[pair] = _of_stems(pair, shared)
    return sorted(found.values())


def _of_stems(pair: tuple[Place, Place], shared: list[tuple[tuple[str, str], Match]]) -> Twins:
    """Of the stems that agree on how the tracks lie over each other, where most do."""
    alike = [[one for one in shared if abs(one[1].later - other.later) < SAME_LATER] for _, other in shared]
    most = max(alike, key=len)
    labels = tuple(labels for labels, _ in most)
    return Twins(*pair, min(match.share for _, match in most), most[0][1].later, labels)


def _sorted(a: Place, b: Place, match: Match) -> tuple[Place, Place, float, float]:
    return (a, b, match.share, match.later) if a <= b else (b, a, match.share, -match.later)


def _stem_matches(
    numbers: Mapping[str, Place], prints: Prints
) -> dict[tuple[Place, Place], list[tuple[tuple[str, str], Match]]]:
    recordings: list[Recording] = []
    owner: dict[str, tuple[Place, str]] = {}
    for place in numbers.values():
        for label in sorted(set(prints[place]) - {""}):
            name = str(len(recordings))
            owner[name] = (place, label)
            recordings.append(Recording(name, *prints[place][label]))
    told: dict[tuple[Place, Place], list[tuple[tuple[str, str], Match]]] = defaultdict(list)
    for match in twins.matches(recordings, twins.SAME_STEM):
        (first, a), (second, b) = owner[match.first], owner[match.second]
        share, later = match.share, match.later
        if first > second:
            first, second, a, b, later = second, first, b, a, -later
        told[first, second].append(((a, b), Match(a, b, share, later)))
    return {pair: sorted(shared) for pair, shared in told.items()}


def incomparable(prints: Prints) -> list[Place]:
    """Tracks that sound too little to be compared."""
    return sorted(place for place, own in prints.items() if "" not in own or not Recording("", *own[""]).comparable)


def copies(pairs: Iterable[Twins], role: str = "corpus") -> dict[str, str]:
    """Track → the track that it is a copy of, for all but the first of each group of one song."""
    first: dict[str, str] = {}
    for pair in sorted(pairs):
        if pair.is_song and pair.first.role == pair.second.role == role:
            root = first.get(pair.first.track, pair.first.track)
            first.setdefault(pair.second.track, root)
    return first


def plain(name: str) -> str:
    """A track's name without what a copy may change in it: the Unicode form, the case, the blanks, and what is not seen."""
    seen = "".join(sign for sign in unicodedata.normalize("NFKC", name) if unicodedata.category(sign) != UNSEEN)
    return " ".join(unicodedata.normalize("NFC", seen.casefold()).replace("_", " ").split())


def messages(found: Iterable[Twins]) -> list[str]:
    """What keeps a run from being judged: one line for each two roles that share songs, and for a reference with copies."""
    between: dict[tuple[str, str], list[Twins]] = defaultdict(list)
    for one in sorted(found):
        if one.is_leak or (one.is_song and one.first.role == "reference"):
            between[one.first.role, one.second.role].append(one)
    return [_message(*roles, songs) for roles, songs in between.items()]


def _message(first: str, second: str, songs: Sequence[Twins]) -> str:
    named = "; ".join(f"{one.second.track} is {one.first.track} ({one.words})" for one in songs[:SHOWN])
    named += "; …" if len(songs) > SHOWN else ""
    if first == second:
        return f"--{second}: holds {len(songs)} songs more than once ({named}); no copy is evidence for the other: {REMEDY}"
    return f"--{second}: holds {len(songs)} songs of {OF[first]} ({named}); {SEPARATE}: {REMEDY}"


def from_dict(row: Mapping[str, Any]) -> Twins:
    """The inverse of ``dataclasses.asdict``, through JSON too."""
    places = Place(*row["first"]), Place(*row["second"])
    return Twins(*places, row["share"], row["later"], tuple((a, b) for a, b in row["stems"]))
