"""What a clean stem of the same length would score: the null that takes the length out of a distance.

A raw Fréchet distance of few frames mostly measures how few they are (rank correlation with n about -0.6 over equally
clean stems), and extrapolating in 1/n does not repair it. So a distance is compared with those of excerpts of clean
reference tracks of the same length, each track scored with itself, under whatever names, left out of the reference.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from raysep.errors import BadInput
from raysep.probes.fad.distance import frechet_distances
from raysep.probes.fad.statistics import ReferenceStatistics, leave_one_out
from raysep.probes.fad.twins import same_audio

Measure = Callable[[Sequence[np.ndarray], Any], np.ndarray]  # (list of frames, a reference) → (stem,) distances
FEWEST_TRACKS = 3  # a spread needs at least so many different tracks at a length


@dataclass(frozen=True, eq=False)
class LengthMatchedNull:
    """Distances of clean excerpts at each length of a grid; between grid points, linear in log n."""

    lengths: np.ndarray  # (grid,) frames, rising
    distances: tuple[np.ndarray, ...]  # (cut,) sorted, one array per length
    origins: tuple[np.ndarray, ...] = ()  # (cut,) number of the reference track that each comes from, where it is known

    @classmethod
    def from_tracks(
        cls,
        tracks: Sequence[np.ndarray],
        lengths: Sequence[int] | None = None,
        cuts: int = 200,
        seed: int = 0,
        measure: Measure = frechet_distances,
        references: Iterable[Any] | None = None,
    ) -> LengthMatchedNull:
        """The null of one measure: see ``length_matched_nulls``."""
        return length_matched_nulls(tracks, {"": measure}, references, lengths, cuts, seed)[""]

    def z(self, distance: float, n: int) -> float:
        """Standard deviations by which the distance of n frames exceeds a clean stem's; higher = further away."""
        mean = self._between(n, [float(d.mean()) for d in self.distances])
        spread = self._between(n, [float(d.std(ddof=1)) for d in self.distances])
        return (distance - mean) / max(spread, 1e-6 * mean, np.finfo(float).tiny)

    def p(self, distance: float, n: int) -> float:
        """Share of clean excerpts of n frames at least as far away, (1 + count) / (cuts + 1)."""
        at_least = [(1 + len(d) - np.searchsorted(d, distance, side="left")) / (len(d) + 1) for d in self.distances]
        return self._between(n, at_least)

    @property
    def longest(self) -> int:
        """The longest length a reference track could be cut to; a longer stem is judged by excerpts of this length."""
        return int(self.lengths[-1])

    def without(self, *tracks: int) -> LengthMatchedNull:
        """What the other tracks' excerpts alone would give: fair to these, which are no evidence for themselves."""
        others = [~np.isin(origins, tracks) for origins in self.origins]
        return LengthMatchedNull(
            self.lengths,
            tuple(d[kept] for d, kept in zip(self.distances, others, strict=True)),
            tuple(o[kept] for o, kept in zip(self.origins, others, strict=True)),
        )

    def _between(self, n: int, values: Sequence[float]) -> float:
        return float(np.interp(np.log(n), np.log(self.lengths), values))

    def to_bytes(self) -> bytes:
        stream = io.BytesIO()
        arrays: dict[str, Any] = {"lengths": self.lengths, "distances": np.hstack(self.distances)}
        arrays |= {"origins": np.hstack(self.origins)} if self.origins else {}
        np.savez(stream, sizes=[len(d) for d in self.distances], **arrays)
        return stream.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> LengthMatchedNull:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            ends = np.cumsum(arrays["sizes"])[:-1]
            origins = np.split(arrays["origins"], ends) if "origins" in arrays else ()
            return cls(arrays["lengths"], tuple(np.split(arrays["distances"], ends)), tuple(origins))


def length_matched_nulls(
    tracks: Sequence[np.ndarray],
    measures: Mapping[str, Measure],
    references: Iterable[Any] | None = None,
    lengths: Sequence[int] | None = None,
    cuts: int = 200,
    seed: int = 0,
) -> dict[str, LengthMatchedNull]:
    """A null per measure from the ``(n, dimension)`` frames of each clean reference track of one label.

    ``measure(excerpts, reference)`` gives distances to ``references[i]``, which must be made of all tracks that are not
    the audio of the i-th (by default their ``ReferenceStatistics``). ``cuts`` excerpts per length are spread evenly over
    the tracks long enough. Raises ``BadInput`` when fewer than three different tracks have frames for any length.
    """
    groups = same_audio(tracks)
    audio = {track: number for number, group in enumerate(groups) for track in group}
    lengths = length_grid([tracks[group[0]] for group in groups]) if lengths is None else sorted(set(lengths))
    chosen = {n: _excerpts(tracks, n, cuts, seed) for n in lengths}
    chosen = {n: pairs for n, pairs in chosen.items() if len({audio[track] for track, _ in pairs}) >= FEWEST_TRACKS}
    if not chosen:
        copies = len(tracks) - len(groups)
        told = f", {copies} of them copies of another" if copies else ""
        raise BadInput(
            f"the reference holds {len(tracks)} tracks with {[len(t) for t in tracks]} audible frames{told}: at least "
            f"{FEWEST_TRACKS} different ones of two frames or more are needed; add reference tracks that contain this stem"
        )
    references = held_out_statistics(tracks) if references is None else references
    scored: dict[str, dict[int, list[tuple[float, int]]]] = {name: {n: [] for n in chosen} for name in measures}
    for index, (track, others) in enumerate(zip(tracks, references, strict=True)):
        here = [(n, start) for n, pairs in chosen.items() for t, start in pairs if t == index]
        excerpts = [track[start : start + n] for n, start in here]
        for name, measure in measures.items() if here else ():
            for (n, _), value in zip(here, measure(excerpts, others), strict=True):
                scored[name][n].append((float(value), index))
    return {name: _null(by_length) for name, by_length in scored.items()}


def _null(scored: Mapping[int, Sequence[tuple[float, int]]]) -> LengthMatchedNull:
    """From length → (distance, its track)."""
    lengths = sorted(scored)
    values = [np.array([value for value, _ in scored[n]]) for n in lengths]
    origins = [np.array([track for _, track in scored[n]], dtype=np.int32) for n in lengths]
    orders = [np.argsort(v, kind="stable") for v in values]
    return LengthMatchedNull(
        np.array(lengths),
        tuple(v[order] for v, order in zip(values, orders, strict=True)),
        tuple(o[order] for o, order in zip(origins, orders, strict=True)),
    )


def held_out_statistics(tracks: Sequence[np.ndarray]) -> list[ReferenceStatistics | None]:
    """For each track the statistics of all that are other audio; None for a track without frames."""
    able = [group for group in same_audio(tracks) if len(tracks[group[0]])]
    own = [[ReferenceStatistics.from_frames(tracks[i]) for i in group] for group in able]
    others: list[ReferenceStatistics | None] = [None] * len(tracks)
    for group, statistics in zip(able, leave_one_out([first.merge(*more) for first, *more in own]), strict=True):
        for i in group:
            others[i] = statistics
    return others


def length_grid(tracks: Sequence[np.ndarray], points: int = 12) -> list[int]:
    """Lengths from 2 frames to what three reference tracks (different ones) can fill, evenly spaced in log n."""
    longest = sorted((len(track) for track in tracks), reverse=True)[FEWEST_TRACKS - 1 : FEWEST_TRACKS]
    if not longest or longest[0] < 2:
        return []
    return sorted({int(n) for n in np.rint(np.geomspace(2, longest[0], points))})


def _excerpts(tracks: Sequence[np.ndarray], n: int, cuts: int, seed: int) -> list[tuple[int, int]]:
    """(track, start) of up to ``cuts`` different excerpts of n frames, the tracks taken in turn.

    Where the last turn, or the only one, cannot take every track, it takes some from everywhere: neighbours in the list
    are often of one artist or kind.
    """
    able = [i for i, track in enumerate(tracks) if len(track) >= n]
    if not able:
        return []
    rng = np.random.default_rng([seed, n])
    share = -(-cuts // len(able))
    starts = {i: rng.permutation(len(tracks[i]) - n + 1)[:share] for i in able}
    found: list[tuple[int, int]] = []
    for turn in range(share):
        tracks_left = [i for i in able if turn < len(starts[i])]
        found += [(i, int(starts[i][turn])) for i in _spread(tracks_left, cuts - len(found), rng)]
    return found


def _spread(items: Sequence[int], most: int, rng: np.random.Generator) -> Sequence[int]:
    """At most ``most`` of the items in their order: evenly spaced round the circle, from one drawn at each call."""
    if len(items) <= most:
        return items
    chosen = (rng.integers(len(items)) + np.arange(most) * len(items) // most) % len(items)
    return [items[k] for k in sorted(chosen)]
