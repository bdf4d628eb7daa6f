"""Everything that was found, as rows of one kind: of files, of tracks, and of tracks that are one song."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import pyarrow as pa

from raysep.corpus import leaks
from raysep.corpus.layouts import Scan, lengths
from raysep.corpus.layouts.naming import MIXTURE
from raysep.corpus.leaks import Twins
from raysep.corpus.manifest import Stem
from raysep.outcome import Outcome
from raysep.probes import against_mixture, flaws
from raysep.probes.flaws import FAULT, NOTE, Finding, Measures

SAME_GAIN_DB = 0.1  # a mixture whose level differs less is the plain sum
SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("level", "what", "role", "track", "stem", "words")]
    + [("value", pa.float64()), ("threshold", pa.float64()), ("other", pa.string()), ("uri", pa.string())]
)


@dataclass(frozen=True, order=True)
class Row:
    """One thing found: a fault, which should be looked at, or a note, which may be meant so."""

    level: str  # FAULT or NOTE
    what: str
    role: str  # corpus, reference or test
    track: str
    stem: str  # "" = the whole track
    words: str
    value: float | None = None
    threshold: float | None = None
    other: str = ""  # the track that it is one with
    uri: str = ""

    @property
    def where(self) -> str:
        name = f"{self.track}/{self.stem}" if self.stem else self.track
        return name if self.role == "corpus" else f"{self.role}: {name}"


def table(rows: Iterable[Row]) -> pa.Table:
    return pa.Table.from_pylist([asdict(row) for row in rows], schema=SCHEMA)


def of(scans: Mapping[str, Scan], rows: Sequence[Mapping[str, Any]], twins: Sequence[Twins]) -> list[Row]:
    """All of it, faults first, then by kind and track. ``rows`` are those of ``stages.check``."""
    found = [row for role, scan in scans.items() for row in _of_place(role, scan)]
    stems = {(role, stem.track, stem.stem): stem for role, scan in scans.items() for stem in scan.stems}
    for row in rows:
        stem = stems.get((row["role"], row["track"], row["stem"]))
        told = _of_mixture(row) if row["stem"] == MIXTURE else _of_stem(row, stem) if stem else ()
        where = {name: row[name] for name in ("role", "track", "stem")}
        # Where the file is now: a part may have been made while it was elsewhere.
        found += [Row(**where, uri=stem.uri if stem else row["uri"], **asdict(one)) for one in told]
    found += [_of_twins(one) for one in twins] + named_alike(scans, twins)
    return sorted(found, key=lambda row: (row.level, row.what, row.role, row.track, row.stem, row.words))


def _of_place(role: str, scan: Scan) -> Iterator[Row]:
    """What the listing alone says; unreadable files are told by the pass."""
    readable = {(stem.track, stem.stem) for stem in scan.stems if stem.frames}
    for problem in scan.problems:
        # What cannot be read is told by the pass; a length that does not fit, once, of the file that is named.
        named = problem.message.startswith(f"{problem.uri}: ") and (problem.track, problem.stem) in readable
        if named or not problem.unreadable:
            words = problem.message.removeprefix(f"{problem.uri}: ")
            yield Row(FAULT, "layout", role, problem.track, problem.stem, words, uri=problem.uri)
    for before, stem in zip(sorted(scan.stems), sorted(lengths.padded(scan.stems)), strict=True):
        if added := stem.padding - before.padding:
            words = f"is {added} samples shorter than its track's others: padded with silence where it is used"
            yield Row(NOTE, "length", role, stem.track, stem.stem, words, float(added), 0.0, uri=stem.uri)
    rates = Counter(stem.sample_rate for stem in scan.stems if stem.sample_rate)
    for (track, rate), first in _by_rate(scan.stems).items():
        most = rates.most_common(1)[0][0]
        if rate != most:
            words = f"{rate} Hz where most have {most}: it will be resampled"
            yield Row(NOTE, "rate", role, track, "", words, float(rate), float(most), uri=first.uri)


def _by_rate(stems: Sequence[Stem]) -> dict[tuple[str, int], Stem]:
    found: dict[tuple[str, int], Stem] = {}
    for stem in sorted(stems):
        if stem.sample_rate:
            found.setdefault((stem.track, stem.sample_rate), stem)
    return found


def _of_stem(row: Mapping[str, Any], stem: Stem) -> Iterator[Finding]:
    if row["outcome"] == Outcome.FAILED:
        yield Finding("unreadable", FAULT, float("nan"), float("nan"), _words(row))
        return
    yield from _of_remark(row)
    measures = Measures(**{each.name: _number(row[each.name]) for each in fields(Measures)})
    yield from flaws.flaws_of(measures, stem.sample_rate, stem.channels, stem.format)
    if lag := row["lag"]:
        words = f"comes {abs(1000 * lag):.1f} ms {'after' if lag > 0 else 'before'} its part of the mixture"
        yield Finding("lag", FAULT, lag, 0.0, words)


def _of_mixture(row: Mapping[str, Any]) -> Iterator[Finding]:
    if row["outcome"] == Outcome.FAILED:
        yield Finding("unreadable", FAULT, float("nan"), float("nan"), _words(row))
        return
    yield from _of_remark(row)
    if row["message"]:
        yield Finding("mixture not compared", NOTE, float("nan"), float("nan"), _words(row))
    elif row["residual_db"] is not None:
        left, gain = row["residual_db"], row["gain_db"]
        if left > against_mixture.SUM_DB:
            words = f"is not the sum of its stems: {left:.0f} dB of it are not in them"
            yield Finding("mixture", FAULT, left, against_mixture.SUM_DB, words)
        elif abs(gain) > SAME_GAIN_DB:
            words = f"is the sum of its stems at {gain:+.1f} dB"
            yield Finding("mixture level", NOTE, gain, SAME_GAIN_DB, words)


def _of_remark(row: Mapping[str, Any]) -> Iterator[Finding]:
    if remark := row.get("remark"):
        yield Finding("checksum", FAULT, float("nan"), float("nan"), remark.removeprefix(f"{row['uri']}: "))


def _of_twins(found: Twins) -> Row:
    """The second of the two is named, the first is what it is one with."""
    level, what, words = _twin_words(found)
    stem = found.stems[0][1] if len(found.stems) == 1 else ""
    return Row(level, what, found.second.role, found.second.track, stem, words, found.share, other=found.first.words)


def _twin_words(found: Twins) -> tuple[str, str, str]:
    if found.first == found.second:
        pairs = ", ".join(f"{a} and {b}" for a, b in found.stems)
        return FAULT, "one stem twice", f"{pairs} are one recording"
    if found.is_song:
        return FAULT, "leak" if found.is_leak else "twin", f"is {found.first.words} ({found.words})"
    ((a, b), *_) = found.stems
    level = NOTE if a == b else FAULT
    return level, "shared stem", f"its {b} is the {a} of {found.first.words} ({100 * found.share:.0f} % of it)"


def _words(row: Mapping[str, Any]) -> str:
    """What a file's message says of it: its address has a column of its own."""
    return str(row["message"]).removeprefix(f"{row['uri']}: ")


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def named_alike(scans: Mapping[str, Scan], twins: Sequence[Twins]) -> list[Row]:
    """Tracks of reference or test that are named as one of the corpus, however spelt, and do not sound like it."""
    known = {leaks.plain(stem.track): stem.track for stem in scans["corpus"].stems}
    told = {one.second for one in twins if one.is_leak}
    rows = []
    for role in sorted(set(scans) - {"corpus"}):
        for track in sorted({stem.track for stem in scans[role].stems}):
            there = known.get(leaks.plain(track))
            if there is not None and leaks.Place(role, track) not in told:
                words = f"is named as {there} of the corpus, and sounds different"
                rows.append(Row(FAULT, "leak", role, track, "", words, other=f"{there} of the corpus"))
    return rows
