"""A manifest (``*.parquet``), as `raysep scan` and every run write them: the rows are there already."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from raysep.corpus import manifest
from raysep.corpus.layouts import remarks
from raysep.corpus.layouts.headers import header, size_of
from raysep.corpus.layouts.layout import Layout, Place, Scan
from raysep.corpus.layouts.problems import Problem
from raysep.corpus.manifest import Stem


class ManifestFile(Layout):
    """It names its labels itself, and its rows keep the split they have."""

    as_given = True

    def matches(self, place: Place) -> bool:
        return place.is_manifest

    def scan(self, place: Place) -> Scan:
        stems = _summed(place, manifest.read(place.root))
        return Scan(stems, _problems(place, stems) if place.strict else [])


def _summed(place: Place, rows: list[Stem]) -> list[Stem]:
    """The rows of the labels that are asked for, in their order; with sums, those of their names together."""
    if not place.sums:
        return [s for s in rows if place.labels is None or s.stem in place.labels]
    label_of = {name: label for label in place.wanted for name in place.naming.parts(label)}
    groups: dict[tuple[str, str], list[Stem]] = defaultdict(list)
    for stem in rows:
        if stem.stem in label_of:
            groups[stem.track, label_of[stem.stem]].append(stem)
    return [manifest.summed(track, label, members) for (track, label), members in groups.items()]


def _problems(place: Place, stems: Sequence[Stem]) -> list[Problem]:
    """What would be a problem in folders, too: a file that is not what its row says, a stem with two rows."""
    with ThreadPoolExecutor(max_workers=max(1, place.threads)) as pool:
        told = list(pool.map(_what_is_wrong, stems))
    wrong = [Problem(s.track, s.stem, s.uri, text, True) for s, text in zip(stems, told, strict=True) if text]
    return sorted(remarks.twins(place.uri, stems) + wrong)


def _what_is_wrong(stem: Stem) -> str:
    """Of its files, in words; nothing when they are as its row says."""
    if stem.problem:
        return stem.problem
    if stem.parts:  # a part's own length and rate are not in the row: only whether it can be read
        return next((message for uri in stem.parts if (message := header(uri, size_of(uri))[2])), "")
    info, _, message = header(stem.uri, stem.bytes)
    told = (stem.sample_rate, stem.channels, stem.frames - stem.padding)
    if info and (info.sample_rate, info.channels, info.frames) != told:
        return f"{stem.uri}: is not what the manifest says; the file changed since the scan: scan again"
    return message
