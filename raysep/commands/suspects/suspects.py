"""The most suspect stems of a run, with what speaks against each: from its tables alone, no audio, no Ray, no torch."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from raysep.corpus import manifest
from raysep.corpus.tables import finite
from raysep.decision.handling.fate import fate, used_in
from raysep.decision.order import most_suspect
from raysep.decision.strongest import standings, strongest
from raysep.decision.worth import price
from raysep.errors import BadInput
from raysep.outcome import Outcome
from raysep.probes.stored import oriented_in
from raysep.rundir import Run

COLUMNS = 80
INDENT = " " * 7
SHOWN = 20  # in the terminal, unless asked for more
PROBES = 3  # of the evidence
SCHEMA = pa.schema(
    [
        ("rank", pa.int64()),  # over all labels, 1 = most suspect
        ("stem_id", pa.string()),
        ("track", pa.string()),
        ("stem", pa.string()),
        ("outcome", pa.string()),
        ("suspicion", pa.float64()),
        ("p_corrupt", pa.float64()),
        ("keep", pa.bool_()),
        ("label", pa.string()),
        ("becomes", pa.string()),  # kept, removed, or what the handling does with it instead
        ("reason", pa.string()),
        ("evidence", pa.string()),
        ("worth", pa.float64()),  # dB on the reference that it saves, by `raysep worth`; null = not known
        ("worth_spread", pa.float64()),  # over seeds
        ("uri", pa.string()),
    ]
)
FOR_YOU = ("verdict", "note")  # empty columns of the CSV, to be filled in


def suspects(run: Run, labels: Sequence[str] | None = None, top: int | None = None) -> pa.Table:
    """The stems that could be read, the most suspect first (``SCHEMA``); of ``labels`` only, and ``top`` of them at most.

    Raises ``BadInput`` for a label that no stem has.
    """
    known = {stem.stem_id: stem for stem in manifest.read(run.path("manifest.parquet"))}
    if strange := sorted(set(labels or ()) - {stem.stem for stem in known.values()}):
        raise BadInput(f"--label {strange[0]}: the run's labels are {', '.join(manifest.labels_of(known.values()))}")
    worth, used = {row["stem_id"]: row for row in _worth(run)}, used_in(run)
    scores = run.read_table("stems.parquet")
    standing = standings(scores, oriented_in(scores))
    judged = [row for row in run.read_table("decision.parquet").to_pylist() if row["outcome"] != Outcome.FAILED]
    judged.sort(key=most_suspect)
    rows = [
        {
            "label": None,
            **row,
            "rank": rank,
            "becomes": fate(row, used),
            "evidence": _evidence(standing.get(row["stem_id"], {}), row["stem"]),
            "worth": worth.get(row["stem_id"], {}).get("worth"),
            "worth_spread": worth.get(row["stem_id"], {}).get("spread"),
            "uri": known[row["stem_id"]].uri,
        }
        for rank, row in enumerate(judged, start=1)
        if not labels or row["stem"] in labels
    ]
    return pa.Table.from_pylist(rows[:top], schema=SCHEMA)


def _worth(run: Run) -> list[dict[str, Any]]:
    return run.read_table("worth.parquet").to_pylist() if run.has("worth.parquet") else []


def _evidence(standing: dict[str, float], label: str) -> str:
    """ "among the lowest 2 % of vocals by loss, 5 % by agreement"; nothing for a stem that no probe scored."""
    names = strongest(standing, PROBES)
    shares = [f"{100 * standing[name]:.0f} %" for name in names]
    words = [f"{share} by {name}" for share, name in zip(shares[1:], names[1:], strict=True)]
    return ", ".join([f"among the lowest {shares[0]} of {label} by {names[0]}", *words]) if names else ""


def to_fill_in(table: pa.Table) -> pa.Table:
    """The table with an empty verdict and an empty note to each stem: filled in, `raysep decide --verdicts` obeys it."""
    for name in FOR_YOU:
        table = table.append_column(name, pa.array([""] * len(table), pa.string()))
    return table


def as_json(table: pa.Table) -> str:
    return json.dumps([finite(row) for row in table.to_pylist()], indent=2, ensure_ascii=False)


def lines(table: pa.Table) -> list[str]:
    """The list for a terminal: names and addresses as they are, everything else within 80 columns."""
    told = [f"{'rank':>5}  P(corrupt)  stem"]
    for row in table.to_pylist():
        told.append(f"{row['rank']:>5}  {_probability(row):>10}  {row['stem_id']}  ({row['becomes']})")
        told += [
            line
            for text in (row["reason"], row["evidence"], price(row["worth"], row["worth_spread"]))
            for line in _wrapped(text)
        ]
        told.append(INDENT + row["uri"])
    return told


def _probability(row: dict[str, Any]) -> str:
    return "" if row["p_corrupt"] is None else f"{row['p_corrupt']:.2f}"


def _wrapped(text: str) -> list[str]:
    options: dict[str, Any] = {"break_long_words": False, "break_on_hyphens": False}
    return textwrap.wrap(text, COLUMNS, initial_indent=INDENT, subsequent_indent=INDENT, **options)


def told(run: Run, stems: int, shown: int) -> list[str]:
    """What the list does not show: how many more there are, and those that could not be read."""
    failed = run.read_table("failed.parquet").to_pylist() if run.has("failed.parquet") else []
    return [
        *([f"{stems - shown} more: --top {stems}, or --csv FILE"] if stems > shown else []),
        *([f"{len(failed)} stems could not be read, first {failed[0]['stem_id']}: failed.parquet"] if failed else []),
    ]
