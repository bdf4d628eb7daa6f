"""One CSV of ``instrum,path``: data set type 3 of MSST (Music-Source-Separation-Training)."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from raysep.commands.export.plan import File, Form, Options, Plan, by_label, unsaid
from raysep.corpus.tables import csv_bytes
from raysep.training.entry import Entry


def plan(entries: Sequence[Entry], options: Options) -> Plan:
    rows = [
        (label, uri) for label, members in by_label(entries).items() for entry in members for uri in entry.stem.uris
    ]
    table = pa.table({"instrum": [label for label, _ in rows], "path": [uri for _, uri in rows]})
    return Plan([File("", text=csv_bytes(table))], unsaid(entries, audio=False, addresses=True))


CSV = Form("csv", "one CSV of instrum,path (MSST's type 3); the audio stays where it is", ".csv", plan)
