"""A manifest: what every command of raysep reads."""

from __future__ import annotations

from collections.abc import Sequence

from raysep.commands.export.plan import File, Form, Options, Plan, unsaid
from raysep.corpus.manifest import to_bytes
from raysep.training.entry import Entry


def plan(entries: Sequence[Entry], options: Options) -> Plan:
    return Plan([File("", text=to_bytes((e.used for e in entries), by="export"))], unsaid(entries, audio=False))


MANIFEST = Form("manifest", "one Parquet file with a row per stem; the audio stays where it is", ".parquet", plan)
