"""What a table of scores says of its own columns: whoever reads it need not have the probes that were taken.

The description stands in the metadata of the scores' parts, and of the ``stems.parquet`` that is made of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from raysep.probes.catalogue import PROBES
from raysep.probes.likeness import Likeness
from raysep.probes.probe import Probe

KEY = b"raysep"


class Column(NamedTuple):
    context: str  # clean | own | alone | stem
    oriented: bool  # higher = cleaner; otherwise only usual or unusual


class Source(NamedTuple):
    about: str  # who says so
    unit: str
    apart: bool  # never saw the corpus


def description(
    fingerprint: str, probes: Iterable[Probe], likenesses: Iterable[Likeness] = (), labels: Sequence[str] = ()
) -> dict[str, str]:
    """Metadata of a part of a run's scores; ``labels`` are those of the lists that likenesses are."""
    about: dict[str, Any] = {"fingerprint": fingerprint, "probes": {probe.name: probe.about() for probe in probes}}
    if sources := {each.name: {"about": each.about, "unit": each.unit, "apart": each.apart} for each in likenesses}:
        about["likeness"] = {"labels": list(labels), "sources": sources}
    return {KEY.decode(): json.dumps(about)}


def likenesses_in(table: pa.Table) -> tuple[tuple[str, ...], dict[str, Source]]:
    """The labels that the lists of ``table`` go over, and the columns that are such lists; nothing where it does not say."""
    about = json.loads((table.schema.metadata or {}).get(KEY, b"{}")).get("likeness")
    if not about:
        return (), {}
    sources = {name: Source(**each) for name, each in about["sources"].items() if name in table.column_names}
    return tuple(about["labels"]), sources


def columns_of(table: pa.Table) -> dict[str, Column]:
    """The probes that have a column in ``table``, in the order of the pass; our own where the table does not say."""
    metadata = table.schema.metadata or {}
    if KEY in metadata:
        about = json.loads(metadata[KEY])["probes"]
        known = {name: Column(each["context"], each["oriented"]) for name, each in about.items()}
    else:
        known = {probe.name: Column(probe.context, probe.oriented) for probe in PROBES.values()}
    there = set(table.column_names)  # a table makes them anew each time that it is asked
    return {name: column for name, column in known.items() if name in there}


def oriented_in(table: pa.Table) -> list[str]:
    """Those of ``columns_of`` whose score is higher = cleaner."""
    return [name for name, column in columns_of(table).items() if column.oriented]
