"""A folder of songs without stems: every audio file that lies directly in it is a track of one label."""

from __future__ import annotations

from collections.abc import Iterable

from raysep.corpus.layouts.headers import File
from raysep.corpus.layouts.layout import LABELS, Layout, Place, Scan
from raysep.errors import BadInput

AUDIO = "audio"  # the label of songs without stems


class Songs(Layout):
    """A track is named as its file, with the extension; its label is the one asked for, else ``AUDIO``."""

    def matches(self, place: Place) -> bool:
        """Whether a folder holds songs without stems. Raises ``BadInput`` when it holds other audio further down as well.

        Stems in folders are a corpus of tracks, and a file beside the folders is passed over, as `raysep clean` does.
        """
        if place.is_file or len(place.labels or ()) > 1:
            return False
        direct, deeper = _songs(place), [file for file in place.audio if len(file.path.parts) > 1]
        if not direct or _named(direct) & set(LABELS):
            return False
        if _named(deeper) & {label.lower() for label in place.labels or LABELS}:
            return False
        if deeper:
            raise BadInput(
                f"{place.uri}: {len(direct)} audio files lie directly in it, first {direct[0].uri}, and {len(deeper)} in "
                f"folders, first {deeper[0].uri}, none of them named as a stem; songs lie in one folder, stems as "
                "TRACK/LABEL.wav: move the others"
            )
        return True

    def scan(self, place: Place) -> Scan:
        label = place.labels[0] if place.labels else AUDIO
        return place.read((song.path.name, label, song) for song in _songs(place))


def _songs(place: Place) -> list[File]:
    return [file for file in place.audio if len(file.path.parts) == 1]


def _named(files: Iterable[File]) -> set[str]:
    return {file.path.stem.lower() for file in files}
