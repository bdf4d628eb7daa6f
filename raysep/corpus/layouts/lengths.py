"""Stems of one track have one length: a little silence is added, and what differs by more is no track."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from raysep.corpus.layouts.notes import Note, several
from raysep.corpus.layouts.problems import Problem
from raysep.corpus.manifest import Stem

MOST_SECONDS = 0.1  # of silence at the end of a stem


def padded(stems: Iterable[Stem]) -> list[Stem]:
    """In the order given, the shorter stems of a track as long as its longest one where that takes ``MOST_SECONDS`` at most."""
    stems = list(stems)
    longest = {track: max(s.frames for s in each) for track, each in _tracks(stems).items() if not _uneven(each)}
    return [_as_long(stem, longest.get(stem.track, stem.frames)) for stem in stems]


def _as_long(stem: Stem, frames: int) -> Stem:
    if not stem.frames or stem.frames == frames:
        return stem
    return replace(stem, frames=frames, padding=stem.padding + frames - stem.frames)


def uneven(stems: Iterable[Stem]) -> list[Problem]:
    """Every stem of a track whose stems differ in rate, or in length by more than ``MOST_SECONDS``."""
    return [
        Problem(stem.track, stem.stem, stem.uri, message, unreadable=True)
        for each in _tracks(stems).values()
        if (message := _uneven(each))
        for stem in each
    ]


def unusable(stems: Iterable[Stem], problems: Iterable[Problem]) -> list[Stem]:
    """The stems, those of ``uneven`` tracks as rows that fail, with the reason."""
    why = {(p.track, p.stem): p.message for p in problems}
    return [
        replace(s, sample_rate=0, channels=0, frames=0, padding=0, problem=why[s.track, s.stem])
        if (s.track, s.stem) in why
        else s
        for s in stems
    ]


def length_notes(before: Sequence[Stem], after: Sequence[Stem], failed: Iterable[Problem]) -> list[Note]:
    """What was padded between the two, and which tracks failed, with the first of each."""
    notes = []
    changed = [(was, now) for was, now in zip(before, after, strict=True) if now.padding > was.padding]
    if changed:
        most = max((now.padding - was.padding) / now.sample_rate for was, now in changed)
        first = changed[0][1].stem_id
        text = f"{several(len(changed), 'stem')} padded with up to {1000 * most:.3g} ms of silence, first {first}"
        notes.append(Note("padded", len(changed), first, text))
    lost = list(dict.fromkeys((p.track, p.message) for p in failed))
    if lost:
        text = f"{several(len(lost), 'track')} not usable: {lost[0][1]}"
        notes.append(Note("uneven", len(lost), lost[0][0], text))
    return notes


def _tracks(stems: Iterable[Stem]) -> dict[str, list[Stem]]:
    """track → its readable stems."""
    tracks: dict[str, list[Stem]] = defaultdict(list)
    for stem in stems:
        if stem.frames:
            tracks[stem.track].append(stem)
    return tracks


def _uneven(stems: Sequence[Stem]) -> str:
    """What is wrong with the stems of one track, in words; "" when they are, or can be made, of one length."""
    rates = sorted({s.sample_rate for s in stems})
    if len(rates) > 1:
        odd = min(stems, key=lambda s: (sum(o.sample_rate == s.sample_rate for o in stems), s.stem_id))
        rest = ", ".join(str(rate) for rate in rates if rate != odd.sample_rate)
        return f"{odd.uri}: {odd.sample_rate} Hz where the track's other stems have {rest} Hz; resample it"
    low, high = (f(stems, key=lambda s: (s.frames, s.stem_id)) for f in (min, max))
    if high.frames - low.frames <= MOST_SECONDS * high.sample_rate:
        return ""
    return (
        f"{low.uri}: {low.frames} samples, and the track's {high.stem} has {high.frames}, which is "
        f"{(high.frames - low.frames) / high.sample_rate:.3g} s more; up to {MOST_SECONDS} s are padded: pad or cut them to "
        "one length, or remove the track"
    )
