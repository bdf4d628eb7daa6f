"""What keeps stems from being used as they are, and how a person is told."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from raysep.corpus.manifest import Stem

SHOWN_PROBLEMS = 10


@dataclass(frozen=True, order=True)
class Problem:
    """Something that keeps a stem, or a track, from being used as it is."""

    track: str
    stem: str
    uri: str
    message: str  # names the path, the value and the remedy
    unreadable: bool = False  # the file is there but is no audio: a row that fails, not a wrong layout


def describe(place: str, problems: Sequence[Problem]) -> str:
    """One message for all: their count, and the first ten."""
    lines = [f"{place}: {len(problems)} {'problem' if len(problems) == 1 else 'problems'}"]
    lines += [f"  {problem.message}" for problem in problems[:SHOWN_PROBLEMS]]
    if len(problems) > SHOWN_PROBLEMS:
        lines.append(f"  … and {len(problems) - SHOWN_PROBLEMS} more")
    return "\n".join(lines)


def uneven(stems: Iterable[Stem]) -> list[Problem]:
    """Stems that differ in rate or length from most others of their track (from the longer ones in a tie)."""
    tracks: dict[str, list[Stem]] = defaultdict(list)
    for stem in stems:
        if stem.sample_rate:
            tracks[stem.track].append(stem)
    problems = []
    for members in tracks.values():
        rate = _commonest(s.sample_rate for s in members)
        length = _commonest(s.frames for s in members if s.sample_rate == rate)
        for s in members:
            if s.sample_rate != rate:
                message = f"{s.uri}: {s.sample_rate} Hz where the track's other stems have {rate} Hz; resample it"
            elif s.frames != length:
                message = (
                    f"{s.uri}: {s.frames} samples where the track's other stems have {length}; "
                    f"pad or cut them to one length, or remove the track's folder"
                )
            else:
                continue
            problems.append(Problem(s.track, s.stem, s.uri, message))
    return problems


def _commonest(values: Iterable[int]) -> int:
    return max(Counter(values).items(), key=lambda item: (item[1], item[0]))[0]
