"""Plain lists: ``LABEL.txt``, an address a line."""

from __future__ import annotations

from collections.abc import Sequence

from raysep.commands.export.plan import File, Form, Options, Plan, by_label, name_in, unsaid
from raysep.training.entry import Entry


def plan(entries: Sequence[Entry], options: Options) -> Plan:
    files = [
        File(f"{name_in(members[0], label)}.txt", text="".join(f"{e.stem.uri}\n" for e in members).encode())
        for label, members in by_label(entries).items()
    ]
    return Plan(files, unsaid(entries, audio=False))


LIST = Form("list", "LABEL.txt for each label, an address a line; the audio stays where it is", "", plan)
