"""A folder per label with its stems in it: data set type 2 of MSST (Music-Source-Separation-Training).

It draws each label's stems from its own folder, so a track whose bass was removed still gives its drums. MSST looks for
``.wav`` and ``.flac`` only: what has another format becomes WAV.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from raysep.commands.export.plan import (
    File,
    Form,
    Options,
    Plan,
    by_label,
    counted,
    extension,
    is_made,
    name_in,
    unsaid,
)
from raysep.corpus.names import folded
from raysep.training.entry import Entry

READ = (".wav", ".flac")


def plan(entries: Sequence[Entry], options: Options) -> Plan:
    files = []
    for label, members in by_label(entries).items():
        names = [name_in(entry, _name(entry)) for entry in members]
        # In any case of letters, as some file systems have it.
        taken = Counter(name.casefold() for name in names)
        for entry, name in zip(members, names, strict=True):
            apart = f" ({entry.stem.stem})" if taken[name.casefold()] > 1 else ""
            other = extension(entry) not in READ or is_made(entry.stem)
            ending = ".wav" if other else extension(entry)
            files.append(File(f"{name_in(entry, label)}/{name}{apart}{ending}", (entry,), wav=other))
    changed = [entry for entry in entries if extension(entry) not in READ]
    notes = counted("stems are neither .wav nor .flac", changed, "MSST reads no others, so they are written as WAV")
    return Plan(files, unsaid(entries, audio=True) + notes)


def _name(entry: Entry) -> str:
    """A track of a pool is called by its label's folder, too: there it lies again."""
    folder, _, rest = entry.stem.track.partition("/")
    of_a_pool = rest and folded(folder) == folded(entry.stem.stem)
    return (rest if of_a_pool else entry.stem.track).replace("/", " - ")


MSST = Form("msst", "LABEL/TRACK.wav, a folder per label (MSST's type 2)", "", plan)
