"""A manifest (``*.parquet``), as `raysep scan` and every run write them: the rows are there already."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from raysep.corpus import identity, manifest
from raysep.corpus.identity import is_changed, is_known, untouched
from raysep.corpus.layouts.headers import header
from raysep.corpus.layouts.layout import Layout, Place, Scan
from raysep.corpus.layouts.problems import Problem, uneven
from raysep.corpus.manifest import Stem
from raysep.screen import Progress


class ManifestFile(Layout):
    """It names its labels itself, and its rows keep the split they have. Tracks need not be complete, unless strict."""

    def matches(self, place: Place) -> bool:
        return place.is_manifest

    def scan(self, place: Place) -> Scan:
        stems = [s for s in manifest.read(place.root) if place.labels is None or s.stem in place.labels]
        stems = as_they_are(place, stems)
        return Scan(stems, _problems(place, stems) if place.strict else [])


def as_they_are(place: Place, stems: Sequence[Stem]) -> list[Stem]:
    """The rows, with ``identity.CHANGED`` in those whose files hold other bytes than when they were written.

    A file that has the same size and time is taken to be the same; the others are read. Rows that do not say what
    the bytes were get a hash of what they are, which is said once.
    """
    touched = [stem for stem, same in zip(stems, untouched(stems), strict=True) if not (same and is_known(stem.etag))]
    with ThreadPoolExecutor(max_workers=max(1, place.threads)) as pool:
        now = dict(zip((stem.uri for stem in touched), pool.map(_content, touched), strict=True))
    unknown = [stem.uri for stem in touched if stem.frames and now[stem.uri] and not is_known(stem.etag)]
    if unknown:
        Progress().say(
            f"{place.uri}: {len(unknown)} of {len(stems)} rows do not say what all bytes of their file are, first {unknown[0]}; "
            "they were hashed as they are now, and what changed since the manifest was written is not noticed: scan again"
        )
    return [_told(stem, now.get(stem.uri, "")) for stem in stems]


def _content(stem: Stem) -> str:
    try:
        return identity.of_file(stem.uri)
    except OSError:
        return ""  # whoever reads it will say so


def _told(stem: Stem, content: str) -> Stem:
    if not content or content == stem.etag:
        return stem
    return replace(stem, etag=identity.CHANGED + content if is_known(stem.etag) else content)


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
    info, _, message = header(stem.uri, hashed=False)
    said = (stem.sample_rate, stem.channels, stem.frames)
    if info and ((info.sample_rate, info.channels, info.frames) != said or is_changed(stem.etag)):
        return f"{stem.uri}: is not what the manifest says; the file changed since the scan: scan again"
    return message
