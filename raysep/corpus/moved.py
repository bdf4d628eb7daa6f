"""A corpus that is not where it was: told at once and in one line, where otherwise file after file would be missing."""

from __future__ import annotations

from collections.abc import Sequence

from raysep.audio import streams
from raysep.corpus import storage
from raysep.corpus.manifest import Stem
from raysep.corpus.threads import in_threads
from raysep.errors import BadInput

LOOKED_AT = 16  # files, spread over all: where none of these is there, none is taken to be
MOVED = (
    "if they were moved, give the command that made this run again with their new place: files are known by what they hold, "
    "nothing is done twice"
)
SCAN = "if they were moved, make the manifest again: `raysep scan CORPUS --out FILE`"


def refuse_gone(stems: Sequence[Stem], of: str, remedy: str) -> None:
    """Raise ``BadInput`` when the files of a manifest, or of a run (``of``), are not there: moved as a whole, none lost."""
    usable = [stem for stem in stems if stem.frames]
    some = usable[:: max(1, len(usable) // LOOKED_AT)][:LOOKED_AT]
    files = [streams.file_of(stem.uri)[0] for stem in some]
    if files and not any(in_threads(storage.exists, files)):
        raise BadInput(f"{of}: none of its {len(usable)} stems' files is there, first {files[0]}; {remedy}")
