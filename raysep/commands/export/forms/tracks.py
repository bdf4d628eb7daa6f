"""``TRACK/LABEL.wav`` as most corpora lie: the files themselves, or links to them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from raysep.commands.export.plan import File, Form, Options, Plan, counted, extension, is_made, name_in, unsaid
from raysep.training.entry import Entry


def plan(entries: Sequence[Entry], options: Options, link: bool = False) -> Plan:
    """A stem whose label is another one's too in its track lies in a folder of its own, ``TRACK (STEM)``."""
    files, apart, taken = [], [], set()
    # Those that go by their own name first: they keep their place.
    for entry in sorted(entries, key=lambda e: (e.stem.track, e.label != e.stem.stem, e.stem.stem_id)):
        track, label = name_in(entry, entry.stem.track), name_in(entry, entry.label)
        if (track, label) in taken:
            apart.append(entry)
            track = f"{track} ({name_in(entry, entry.stem.stem_id.rpartition('/')[2])})"
        taken.add((track, label))
        made = is_made(entry.stem)
        files.append(File(f"{track}/{label}{'.wav' if made else extension(entry)}", (entry,), wav=made, link=link))
    cut = [entry for entry in entries if entry.spans] if link else []
    notes = [
        *unsaid(entries, audio=True),
        *counted("stems have a label that their track has already", apart, "each lies in a folder of its own"),
        *counted("stems have spans that are left out", cut, "they are files of their own, and no links"),
    ]
    return Plan(files, notes)


LINKS = Form(
    "links",
    "TRACK/LABEL.ext, each a link to the file where it lies; local only",
    "",
    partial(plan, link=True),
    linked=True,
)
COPIES = Form("copies", "TRACK/LABEL.ext, each a copy of its file, byte for byte", "", plan)
