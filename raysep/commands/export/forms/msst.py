"""A folder per label with its stems in it: data set type 2 of MSST (Music-Source-Separation-Training).

It draws each label's stems from its own folder, so a track whose bass was removed still gives its drums. MSST looks for
``.wav`` and ``.flac`` only: what has another format becomes WAV. It stacks stems as they lie, so that all must have as many
channels: beside stereo a mono stem becomes WAV, the same on both sides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from raysep.commands.export.plan import (
    File,
    Form,
    Options,
    Plan,
    Shape,
    by_label,
    counted,
    extension,
    is_made,
    name_in,
    other_rates,
    unsaid,
)
from raysep.corpus.names import MOST_BYTES, fitting, folded
from raysep.training.entry import Entry

READ = (".wav", ".flac")


def plan(entries: Sequence[Entry], options: Options) -> Plan:
    stereo = any(entry.stem.channels > 1 for entry in entries)
    files = []
    for label, members in by_label(entries).items():
        names = [name_in(entry, _name(entry)) for entry in members]
        # In any case of letters, as some file systems have it.
        taken = Counter(name.casefold() for name in names)
        for entry, name in zip(members, names, strict=True):
            apart = f" ({entry.stem.stem})" if taken[name.casefold()] > 1 else ""
            stem, widened = entry.stem, stereo and entry.stem.channels == 1
            other = extension(entry) not in READ or is_made(stem) or widened
            ending = ".wav" if other else extension(entry)
            shape = Shape(stem.sample_rate, 2, stem.frames) if widened else None
            path = f"{name_in(entry, label)}/{fitting(name + apart, MOST_BYTES - len(ending.encode()))}{ending}"
            files.append(File(path, (entry,), wav=other, shape=shape))
    changed = [entry for entry in entries if extension(entry) not in READ]
    notes = counted("stems are neither .wav nor .flac", changed, "MSST reads no others, so they are written as WAV")
    mono = [entry for entry in entries if stereo and entry.stem.channels == 1]
    notes += counted("stems are mono", mono, "beside stereo they are written as stereo, alike on both sides")
    return Plan(files, unsaid(entries, audio=True) + notes + other_rates(entries))


def _name(entry: Entry) -> str:
    """A track of a pool is called by its label's folder, too: there it lies again."""
    folder, _, rest = entry.stem.track.partition("/")
    of_a_pool = rest and folded(folder) == folded(entry.stem.stem)
    return (rest if of_a_pool else entry.stem.track).replace("/", " - ")


MSST = Form("msst", "LABEL/TRACK.wav, a folder per label (MSST's type 2)", "", plan)
