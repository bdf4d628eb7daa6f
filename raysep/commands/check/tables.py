"""What was found, as files and on a terminal of eighty columns."""

from __future__ import annotations

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from raysep.commands.check.findings import Row
from raysep.corpus.layouts.naming import MIXTURE
from raysep.corpus.leaks import Place
from raysep.outcome import Outcome
from raysep.probes.flaws import FAULT
from raysep.screen import terminal
from raysep.stages.check import SCHEMA

if TYPE_CHECKING:
    from rich.table import Table

CHECK, STEMS, UNIQUE = "check.parquet", "stems.parquet", "unique.parquet"
STANDARD_OUTPUT = "-"
RANKED = 3  # stems of each label that are shown
RANKINGS = pa.schema([("unusual", pa.float64()), ("nearest", pa.string()), ("like_other", pa.float64())])
NO_VERDICT = "a ranking, not a verdict: what is rare is far from the rest, right or wrong"


def stems_table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """A row per file, the corpus's first."""
    schema = pa.schema([*SCHEMA, *RANKINGS])
    ordered = sorted(rows, key=lambda row: (row["role"], row["track"], row["stem"]))
    return pa.Table.from_pylist([{name: row.get(name) for name in schema.names} for row in ordered], schema=schema)


def counts(rows: Sequence[Mapping[str, Any]], found: Sequence[Row], copies: Mapping[str, str]) -> dict[str, Any]:
    """Of the corpus: tracks, hours and levels by label, without ``copies``; and how often each thing was found."""
    own = [r for r in rows if r["role"] == "corpus" and r["stem"] != MIXTURE and r["track"] not in copies]
    labels = sorted({row["stem"] for row in own})
    wrong = {(row.track, row.stem) for row in found if row.level == FAULT and row.role == "corpus"}
    return {
        "tracks": len({row["track"] for row in own}),
        "copies_left_out": len(copies),
        "labels": {label: _of_label([row for row in own if row["stem"] == label], wrong) for label in labels},
        "faults": dict(Counter(row.what for row in found if row.level == FAULT)),
        "notes": dict(Counter(row.what for row in found if row.level != FAULT)),
    }


def _of_label(rows: Sequence[Mapping[str, Any]], wrong: set[tuple[str, str]]) -> dict[str, Any]:
    levels = sorted(row["level_dbfs"] for row in rows if row["outcome"] == Outcome.SCORED)
    return {
        "stems": len(rows),
        "hours": sum(row["seconds"] or 0.0 for row in rows) / 3600,
        "silent": sum(row["outcome"] == Outcome.SILENT for row in rows),
        "unreadable": sum(row["outcome"] == Outcome.FAILED for row in rows),
        "with_faults": sum((row["track"], row["stem"]) in wrong for row in rows),
        "level_dbfs": {"median": median(levels), "lowest": levels[0], "highest": levels[-1]} if levels else None,
    }


def csv_bytes(table: pa.Table) -> bytes:
    """As a spreadsheet opens it; a number that there is none of is an empty cell."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(table.column_names)
    writer.writerows([["" if _finite(v) is None else v for v in row.values()] for row in table.to_pylist()])
    return stream.getvalue().encode()


def json_bytes(counted: dict[str, Any], rows: Sequence[Mapping[str, Any]]) -> Callable[[pa.Table], bytes]:
    """The counts, all that was found, and the rankings."""

    def of(table: pa.Table) -> bytes:
        found = [{name: _finite(value) for name, value in row.items()} for row in table.to_pylist()]
        ranked = {
            name: [{key: row.get(key) for key in ("track", "stem", *RANKINGS.names)} for row in ranking(rows, name)]
            for name in ("unusual", "like_other")
        }
        record = {**counted, "found": found, "rankings": {"about": NO_VERDICT, **ranked}}
        return json.dumps(record, indent=2, ensure_ascii=False).encode() + b"\n"

    return of


def ranking(rows: Sequence[Mapping[str, Any]], by: str) -> list[Mapping[str, Any]]:
    """The stems that have a standing, the most striking first."""
    known = [row for row in rows if _finite(row.get(by)) is not None]
    return sorted(known, key=lambda row: (-row[by], row["track"], row["stem"]))


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


# On the terminal


def show(
    counted: dict[str, Any],
    found: Sequence[Row],
    rows: Sequence[Mapping[str, Any]],
    incomparable: Sequence[Place],
    root: str,
) -> None:
    console = terminal()

    def say(text: str) -> None:
        console.print(text, markup=False)

    hours = sum(label["hours"] for label in counted["labels"].values())
    left = f", {counted['copies_left_out']} copies not counted" if counted["copies_left_out"] else ""
    say(f"{counted['tracks']} tracks, {hours:.2f} h of stems{left}")
    console.print(_labels(counted))
    if found:
        console.print(_found(found))
    else:
        say("nothing found")
    if incomparable:
        say(
            f"too short or too silent to be compared with others: {len(incomparable)} tracks, first {incomparable[0].words}"
        )
    if any(_finite(row.get("unusual")) is not None for row in rows):
        say(f"by what they sound like, {NO_VERDICT}")
        console.print(_unusual(rows))
        if _like_another(rows):
            console.print(_other(rows))
    say(f"all of it: {root}/{CHECK}, the measures of every file: {root}/{STEMS}")


def _labels(counted: dict[str, Any]) -> Table:
    table = _table("label", "stems", "hours", "silent", "unreadable", "with faults", "dBFS")
    for label, found in counted["labels"].items():
        level = found["level_dbfs"]
        dbfs = f"{level['median']:.0f} ({level['lowest']:.0f} … {level['highest']:.0f})" if level else ""
        numbers = [str(found[name]) for name in ("silent", "unreadable", "with_faults")]
        table.add_row(_text(label), str(found["stems"]), f"{found['hours']:.2f}", *numbers, dbfs)
    return table


def _found(found: Sequence[Row]) -> Table:
    """A line for each kind: how often, and the first."""
    table = _table("", "found", "times", "first")
    kinds: dict[tuple[str, str], list[Row]] = {}
    for row in found:
        kinds.setdefault((row.level, row.what), []).append(row)
    for (level, what), rows in sorted(kinds.items(), key=lambda kind: (kind[0][0], -len(kind[1]))):
        table.add_row(level, what, str(len(rows)), _text(f"{rows[0].where}: {rows[0].words}"))
    return table


def _unusual(rows: Sequence[Mapping[str, Any]]) -> Table:
    table = _table("label", "most unusual", "× usual distance")
    ranked = ranking(rows, "unusual")
    for label in sorted({row["stem"] for row in ranked}):
        for row in [row for row in ranked if row["stem"] == label][:RANKED]:
            table.add_row(_text(label), _text(row["track"]), f"{row['unusual']:.2f}")
    return table


def _like_another(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [row for row in ranking(rows, "like_other") if row["like_other"] > 1]


def _other(rows: Sequence[Mapping[str, Any]]) -> Table:
    like = _like_another(rows)
    table = _table("label", "sounds more like", "track", "×")
    for row in like[: 4 * RANKED]:
        table.add_row(_text(row["stem"]), _text(row["nearest"]), _text(row["track"]), f"{row['like_other']:.2f}")
    if len(like) > 4 * RANKED:
        table.add_row("…", "", f"and {len(like) - 4 * RANKED} more in {STEMS}", "")
    return table


def _table(*columns: str) -> Table:
    from rich.table import Table

    table = Table()
    for name in columns:
        numeric = name in ("stems", "hours", "silent", "unreadable", "with faults", "times", "×", "× usual distance")
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    return table


def _text(name: str) -> Any:
    """As it is: brackets in a name are no markup."""
    from rich.text import Text

    return Text(name)
