"""Which stems are hit by which fault: decided by the seed and the names of tracks and labels alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from raysep.corpus.faults import KINDS, PAIRED, SEVERITIES, STRONGEST, WHOLE_TRACK, check_choices
from raysep.corpus.hashing import generator
from raysep.errors import BadInput

Placed = tuple[str, str, str, str | None]  # kind, track, stem, partner


@dataclass(frozen=True, order=True)
class Planned:
    """One fault to come. ``bleed-all`` touches the whole track and is planned once, at its first stem."""

    track: str
    stem: str
    kind: str
    severity: str
    partner: str | None = None  # the other stem of a swap (exchanged) or a merge (emptied)


def plan(
    tracks: Mapping[str, Sequence[str]],
    share: float,
    seed: int,
    kinds: Sequence[str] = KINDS,
    severities: Sequence[str] = SEVERITIES,
) -> list[Planned]:
    """Faults that touch ``share`` of all stems, to within one track's stems, and no stem twice.

    ``tracks`` maps each track to its labels. Kinds are balanced by the number of stems they touch, severities within a
    kind by the number of faults; ``swap`` and ``merge`` have one strength and count as strong. Raises ``BadInput``
    when the share cannot be reached with these kinds.
    """
    if not 0.0 <= share <= 1.0:
        raise BadInput(f"share {share}: give a share of the stems between 0 and 1")
    check_choices("kind", kinds, KINDS)
    check_choices("severity", severities, SEVERITIES)
    kinds, severities = tuple(dict.fromkeys(kinds)), tuple(dict.fromkeys(severities))
    rng = generator(seed, "contamination plan")
    free = {track: sorted(labels) for track, labels in sorted(tracks.items())}
    width = max((len(labels) for labels in free.values()), default=0)
    total = sum(len(labels) for labels in free.values())
    wanted = round(share * total)

    counts = _counts(wanted, kinds, width)
    placed: list[Placed] = []
    # The widest first: they need whole tracks or pairs that nothing has touched yet.
    for kind in sorted(kinds, key=lambda k: (-_footprint(k, width), kinds.index(k))):
        if kind in WHOLE_TRACK:
            placed += _place_whole(kind, counts[kind], free, {t: len(labels) for t, labels in tracks.items()}, rng)
        elif kind in PAIRED:
            placed += _place_pairs(kind, counts[kind], free, rng)
    singles = [kind for kind in kinds if _footprint(kind, width) == 1]
    hits = Counter(label for track, labels in tracks.items() for label in labels if label not in free[track])
    placed += _place_singles(singles, wanted - hits.total(), free, hits, rng)
    reached = total - _left(free)
    if abs(reached - wanted) > width:
        raise BadInput(
            f"share {share}: {wanted} of {total} stems wanted, but {', '.join(kinds) or 'no kind'} touch only "
            f"{reached} of them; give a smaller share or kinds that touch one stem, such as noise"
        )
    return _with_severities(placed, severities, rng)


def _footprint(kind: str, width: int) -> int:
    """How many stems a fault of this kind touches."""
    return width if kind in WHOLE_TRACK else 2 if kind in PAIRED else 1


def _left(free: Mapping[str, list[str]]) -> int:
    return sum(len(labels) for labels in free.values())


def _counts(wanted: int, kinds: Sequence[str], width: int) -> dict[str, int]:
    """Faults per kind: each next one is of the kind that has touched the fewest stems and still fits."""
    counts = dict.fromkeys(kinds, 0)
    while fitting := [k for k in kinds if 0 < _footprint(k, width) <= wanted]:
        kind = min(fitting, key=lambda k: (counts[k] + 1) * _footprint(k, width))
        counts[kind] += 1
        wanted -= _footprint(kind, width)
    return counts


def _place_whole(
    kind: str, count: int, free: dict[str, list[str]], size: Mapping[str, int], rng: np.random.Generator
) -> list[Placed]:
    untouched = [track for track in free if len(free[track]) == size[track] > 1]
    chosen = [untouched[i] for i in rng.permutation(len(untouched))[:count]]
    placed: list[Placed] = [(kind, track, free[track][0], None) for track in chosen]
    free.update((track, []) for track in chosen)
    return placed


def _place_pairs(kind: str, count: int, free: dict[str, list[str]], rng: np.random.Generator) -> list[Placed]:
    """Pairs of free stems, spread over as many tracks as there are."""
    placed: list[Placed] = []
    while len(placed) < count:
        open_tracks = [track for track in free if len(free[track]) >= 2]
        if not open_tracks:
            break
        for i in rng.permutation(len(open_tracks))[: count - len(placed)]:
            track = open_tracks[i]
            target, partner = (free[track][j] for j in rng.permutation(len(free[track]))[:2])
            free[track] = [label for label in free[track] if label not in (target, partner)]
            placed.append((kind, track, target, partner))
    return placed


def _place_singles(
    kinds: Sequence[str], count: int, free: dict[str, list[str]], hits: Counter[str], rng: np.random.Generator
) -> list[Placed]:
    """``count`` free stems, each of the label that was hit least so far; the kinds are dealt evenly, at random."""
    open_stems: dict[str, list[str]] = defaultdict(list)  # label → its free tracks, in random order
    for track, labels in sorted(free.items()):
        for label in labels:
            open_stems[label].append(track)
    for label, names in sorted(open_stems.items()):
        open_stems[label] = [names[i] for i in rng.permutation(len(names))]
    count = min(count, _left(free)) if kinds else 0
    hits = Counter(hits)
    placed: list[Placed] = []
    for turn in rng.permutation(max(count, 0)):
        label = min((label for label in sorted(open_stems) if open_stems[label]), key=lambda name: hits[name])
        track = open_stems[label].pop()
        hits[label] += 1
        free[track] = [other for other in free[track] if other != label]
        placed.append((kinds[turn % len(kinds)], track, label, None))
    return placed


def _with_severities(placed: list[Placed], severities: Sequence[str], rng: np.random.Generator) -> list[Planned]:
    turn = {kind: int(rng.integers(len(severities))) for kind in dict.fromkeys(kind for kind, *_ in placed)}
    planned = []
    for kind, track, label, partner in placed:
        severity = STRONGEST if kind in PAIRED else severities[turn[kind] % len(severities)]
        turn[kind] += 1
        planned.append(Planned(track, label, kind, severity, partner))
    return sorted(planned, key=lambda p: (p.track, p.stem))
