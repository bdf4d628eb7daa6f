"""A manifest (``*.parquet``), as `raysep scan` and every run write them: the rows are there already."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from raysep.corpus import manifest
from raysep.corpus.layouts.headers import header
from raysep.corpus.layouts.layout import Layout, Place, Scan
from raysep.corpus.layouts.problems import Problem, uneven
from raysep.corpus.manifest import Stem


class ManifestFile(Layout):
    """It names its labels itself, and its rows keep the split they have. Tracks need not be complete, unless strict."""

    def matches(self, place: Place) -> bool:
        return place.is_manifest

    def scan(self, place: Place) -> Scan:
        stems = [s for s in manifest.read(place.root) if place.labels is None or s.stem in place.labels]
        return Scan(stems, _problems(place, stems) if place.strict else [])


def _problems(place: Place, stems: Sequence[Stem]) -> list[Problem]:
    """What would be a problem in folders, too: a file that is not what its row says, a track that lacks a stem."""
    rows = Counter((s.track, s.stem) for s in stems)
    problems = [
        Problem(track, label, place.uri, f"{place.uri}: {count} rows are {label!r} of {track}; keep one of them")
        for (track, label), count in rows.items()
        if count > 1
    ]
    for track in {s.track for s in stems}:
        for label in place.wanted:
            if (track, label) not in rows:
                message = f"{place.uri}: no {label!r} of {track}; add it (silence will do), or remove the track's rows"
                problems.append(Problem(track, label, place.uri, message))
    with ThreadPoolExecutor(max_workers=max(1, place.threads)) as pool:
        told = list(pool.map(_what_is_wrong, stems))
    problems += [Problem(s.track, s.stem, s.uri, text, True) for s, text in zip(stems, told, strict=True) if text]
    return sorted(problems + uneven(stems))


def _what_is_wrong(stem: Stem) -> str:
    """Of the file, in words; nothing when it is as its row says."""
    info, _, message = header(stem.uri, stem.bytes)
    if info and (info.sample_rate, info.channels, info.frames) != (stem.sample_rate, stem.channels, stem.frames):
        return f"{stem.uri}: is not what the manifest says; the file changed since the scan: scan again"
    return message
