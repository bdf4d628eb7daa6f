"""Plain lists: ``LABEL.txt``, an address a line."""

from __future__ import annotations

from collections.abc import Sequence

from raysep.commands.export.plan import File, Form, Options, Plan, by_label, name_in, unsaid
from raysep.training.entry import Entry


def plan(entries: Sequence[Entry], options: Options) -> Plan:
    files = [
        File(
            f"{name_in(members[0], label)}.txt",
            text="".join(f"{uri}\n" for e in members for uri in e.stem.uris).encode(),
        )
        for label, members in by_label(entries).items()
    ]
    return Plan(files, unsaid(entries, audio=False, addresses=True))


LIST = Form("list", "LABEL.txt for each label, an address a line; the audio stays where it is", "", plan)
