"""MUSDB18 as it was first published: a ``.stem.mp4`` a track, in ``train/`` and ``test/``, decoded through ffmpeg.

Its audio streams are the mixture, drums, bass, other and vocals, in this order, coded with a loss.
"""

from __future__ import annotations

import posixpath
from dataclasses import replace

from raysep.audio import streams
from raysep.corpus.layouts import splits
from raysep.corpus.layouts.headers import File
from raysep.corpus.layouts.layout import Found, Layout, Place, Scan
from raysep.corpus.layouts.naming import checked
from raysep.corpus.layouts.notes import stray
from raysep.errors import BadInput

ORDER = ("mixture", "drums", "bass", "other", "vocals")


class StemMp4(Layout):
    def matches(self, place: Place) -> bool:
        return not place.is_file and any(_is_one(file) for file in place.files)

    def scan(self, place: Place) -> Scan:
        """Raises ``BadInput`` where ffmpeg is not installed."""
        naming = checked(place.naming)
        if why := streams.missing():
            raise BadInput(f"{place.root}: holds {streams.SUFFIX} files, and {why}; or use MUSDB18-HQ, which is WAV")
        tracks = {str(file.path)[: -len(streams.SUFFIX)]: file for file in place.files if _is_one(file)}
        split = splits.choose(place.root, place.split, tracks)
        found = []
        for path, file in sorted(tracks.items()):
            track = split.below(path)
            for label in naming.labels if track else ():
                names = [name for name in naming.parts(label) if name in ORDER]
                streamed = [replace(file, uri=streams.stream_of(file.uri, ORDER.index(name))) for name in names]
                if streamed and track:
                    found.append(Found(track, label, streamed))
        beside = [str(file.path) for file in place.audio if split.below(str(file.path))]
        return place.read(found, [*split.notes, *stray(beside, f"beside the {streams.SUFFIX} files")])


def _is_one(file: File) -> bool:
    return posixpath.basename(str(file.path)).lower().endswith(streams.SUFFIX)
