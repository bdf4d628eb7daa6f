"""A look at a place that reads no audio: what a manifest says, or what a listing and a few headers do.

The rows of files have no content hash, and their lengths follow from their sizes: by those of the files whose headers were
read. They are for sums, and for nothing that is to be computed from the files.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import NamedTuple

from raysep.audio.files import AudioInfo
from raysep.corpus import manifest
from raysep.corpus.layouts import layout_of
from raysep.corpus.layouts.headers import File, header, to_stem
from raysep.corpus.layouts.layout import LABELS, Found, Place, Scan
from raysep.corpus.layouts.limit import first_of, limited
from raysep.corpus.layouts.notes import Note
from raysep.corpus.manifest import Stem
from raysep.corpus.names import normal
from raysep.corpus.threads import in_threads
from raysep.errors import BadInput

SAMPLED = 24  # headers that are read of a folder


class Glance(NamedTuple):
    stems: list[Stem]
    exact: bool  # a manifest's; else lengths are estimated
    headers: int  # that were read


@dataclass(frozen=True)
class _Unread(Place):
    """A place whose files are not read."""

    def read(self, found: Iterable[Found | tuple[str, str, File]], notes: Iterable[Note] = ()) -> Scan:
        every = [Found(*item) for item in found]
        kept, _ = first_of((normal(each.track) for each in every), self.limit)
        those = [each for each in every if normal(each.track) in kept]
        files = [_files_of(each) for each in those]
        sampled = _sample([file for each in files for file in each])
        stems = []
        for each, own in zip(those, files, strict=True):
            parts = [to_stem(each.track, each.label, file, _guessed(file, sampled), "", self.split) for file in own]
            stems.append(replace(manifest.summed(normal(each.track), normal(each.label), parts), split=self.split))
        return Scan(sorted(stems))


def glance(
    uri: str,
    usual: Sequence[str] = LABELS,
    layout: str | None = None,
    sums: dict[str, tuple[str, ...]] | None = None,
    limit: int | None = None,
    split: str = "train",
) -> Glance:
    """The stems of a place, as ``stems_of`` would find them. Raises ``BadInput`` where there is nothing of the kind."""
    place = _Unread(uri, usual=tuple(usual), split=split, sums=dict(sums or {}), limit=limit)
    stems = limited(layout_of(place, layout, songs=False).scan(place), limit).stems
    if not any(stem.frames for stem in stems):
        raise BadInput(f"{uri}: no stems that could be read are found in it")
    return Glance(stems, place.is_file, 0 if place.is_file else min(SAMPLED, len(stems)))


def _files_of(found: Found) -> Sequence[File]:
    return [found.files] if isinstance(found.files, File) else found.files


def _sample(files: Sequence[File]) -> dict[str, list[tuple[int, AudioInfo]]]:
    """Ending → (bytes, header) of a few files, spread over all of them."""
    step = max(1, len(files) // SAMPLED)
    chosen = files[::step][:SAMPLED]
    read = in_threads(lambda file: header(file.uri, hashed=False), chosen)
    found: dict[str, list[tuple[int, AudioInfo]]] = {}
    for file, (info, _, _) in zip(chosen, read, strict=True):
        if info and file.bytes:
            found.setdefault(file.path.suffix.lower(), []).append((file.bytes, info))
    return found


def _guessed(file: File, sampled: dict[str, list[tuple[int, AudioInfo]]]) -> AudioInfo | None:
    """As long as the others of its kind are for their size; of a kind that was not sampled, as all of them together."""
    like = sampled.get(file.path.suffix.lower()) or [pair for pairs in sampled.values() for pair in pairs]
    if not like:
        return None
    seconds = median(info.frames / info.sample_rate / size for size, info in like) * file.bytes
    info = like[0][1]
    return replace(info, frames=round(seconds * info.sample_rate))
