"""The tables of `raysep fad`: a row for each stem, a row for each label, and both on the terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from raysep.commands.fad.embedding import CANCEL
from raysep.commands.fad.scoring import ENDINGS, schema_of
from raysep.corpus.tables import csv_bytes, finite
from raysep.outcome import Outcome
from raysep.probes.fad import measures as stem_level
from raysep.probes.fad import set_level
from raysep.probes.fad.reference_file import MadeWith, ReferenceFile
from raysep.rundir import Run
from raysep.screen import print_table, terminal

if TYPE_CHECKING:
    from rich.table import Table

TABLE, CSV, RECORD = "fad.parquet", "fad.csv", "fad.json"
SHOWN = 10  # most distant stems
NUMBERS = {
    "raw": "the distance itself; its size depends on how many frames the stem has, so never rank stems by it",
    "z": "standard deviations by which raw exceeds that of clean excerpts of the same number of frames; higher = further",
    "p": "share of those excerpts at least as far, (1 + count) / (excerpts + 1)",
    "in_reference": "the stem is one of the reference's own: it was left out of the frames and of the excerpts it is "
    "compared with",
}


def write(
    run: Run,
    rows: Sequence[dict[str, Any]],
    sets: Sequence[dict[str, Any]],
    inputs: dict[str, Any],
    reference: ReferenceFile,
    about: MadeWith,
) -> None:
    """Leaves ``fad.parquet``, ``fad.csv`` and, last, ``fad.json``. ``rows`` come in any order."""
    rows = sorted(rows, key=lambda row: (row["track"], row["stem"]))
    table = pa.Table.from_pylist(rows, schema=schema_of(about.measures))
    run.write_table(table, TABLE)
    run.write_bytes(csv_bytes(table), CSV)
    run.write_json(record(rows, sets, inputs, reference, about), RECORD)


def record(
    rows: Sequence[dict[str, Any]],
    sets: Sequence[dict[str, Any]],
    inputs: dict[str, Any],
    reference: ReferenceFile,
    about: MadeWith,
) -> dict[str, Any]:
    """``fad.json``: every number of every label with its definition, and what all rests on."""
    return finite(
        {
            **inputs,
            "seed": about.seed,
            "measures": list(about.measures),
            "definitions": {
                "stems": NUMBERS | {name: stem_level.DEFINITIONS[name] for name in about.measures},
                "sets": set_level.DEFINITIONS,
            },
            "labels": {found["label"]: {**found, **_summary(rows, found["label"], about)} for found in sets},
            "made_of": reference.provenance(),
        }
    )


def _summary(rows: Sequence[dict[str, Any]], label: str, about: MadeWith) -> dict[str, Any]:
    own = [row for row in rows if row["stem"] == label]
    told = (Outcome.SCORED, Outcome.SILENT, Outcome.FAILED)
    counts = {str(outcome): sum(row["outcome"] == outcome for row in own) for outcome in told}
    ranked = [row[f"{ranking(about.measures)}-z"] for row in own if row["outcome"] == Outcome.SCORED]
    ranked = [z for z in ranked if finite(z) is not None]
    return {"rows": len(own), **counts, "median_z": median(ranked) if ranked else None}


def ranking(measures: Sequence[str]) -> str:
    """The measure whose z ranks stems."""
    return "fad" if "fad" in measures else measures[0]


def most_distant(rows: Sequence[dict[str, Any]], measures: Sequence[str], count: int = SHOWN) -> list[dict[str, Any]]:
    """Highest z first; ties in the corpus's order."""
    column = f"{ranking(measures)}-z"
    scored = [row for row in rows if row["outcome"] == Outcome.SCORED and finite(row[column]) is not None]
    return sorted(scored, key=lambda row: -row[column])[:count]


def show(rows: Sequence[dict[str, Any]], result: dict[str, Any], root: str) -> None:
    """Print what ``write`` wrote."""
    console = terminal()
    print_table(console, _labels(result))
    labels = result["labels"].items()
    if few := [f"{label} {found['frames']}" for label, found in labels if found["fad_infinity"]["value"] is None]:
        console.print(f"no FAD-∞, which needs more than {set_level.LEAST} frames: {', '.join(few)}")
    if own := [f"{label} {found['in_reference']}" for label, found in labels if found["in_reference"]]:
        console.print(
            f"in the reference, so scored with themselves left out and not counted in the sets: {', '.join(own)}"
        )
    if any(row["outcome"] == Outcome.SCORED for row in rows):
        print_table(console, _distant(rows, result["measures"]))
    for outcome, text in ((Outcome.SILENT, "silent, so not scored"), (Outcome.FAILED, "failed")):
        if named := [f"{row['track']}/{row['stem']}" for row in rows if row["outcome"] == outcome]:
            console.print(f"{text}: {len(named)} stems, for example {named[0]}")
    if reversed_one := [r for r in rows if r["outcome"] == Outcome.SCORED and r["message"].startswith(CANCEL)]:
        first = reversed_one[0]
        console.print(
            f"polarity of one channel reversed: {len(reversed_one)} stems, for example {first['track']}/{first['stem']}: "
            f"{first['message']}"
        )
    console.print(f"distances: {root}")


def _labels(result: dict[str, Any]) -> Table:
    from rich.table import Table

    about = result["embedder"]
    table = Table(
        title=f"whole sets against the reference; embedder {about['name']} at {about['sample_rate']} Hz; higher = "
        "further; unscaled = of the embedding as it is",
        title_justify="left",
    )
    table.add_column("label")
    for column in ("stems", "frames", "FAD", "FAD-∞", "r²", "FAD unscaled", "FAD-∞ unscaled", "KAD", "median z"):
        table.add_column(column, justify="right")
    for label, found in result["labels"].items():
        infinity, unscaled = found["fad_infinity"], found["fad_infinity_unscaled"]
        numbers = (found["fad"], infinity["value"], infinity.get("r2"), found["fad_unscaled"], unscaled["value"])
        cells = [_text(value) for value in (*numbers, found["kad"], found["median_z"])]
        table.add_row(label, str(found["stems"]), str(found["frames"]), *cells)
    return table


def _distant(rows: Sequence[dict[str, Any]], measures: Sequence[str]) -> Table:
    from rich.table import Table

    name = ranking(measures)
    found = most_distant(rows, measures)
    table = Table(title=f"the {len(found)} most distant stems by {name}-z", title_justify="left")
    for column in ("track", "stem"):
        table.add_column(column)
    columns = [name + ENDINGS[kind] for kind in ("z", "p", "raw")] + [f"{m}-z" for m in measures if m != name]
    for column in ("frames", *columns):
        table.add_column(column, justify="right")
    for row in found:
        table.add_row(row["track"], row["stem"], str(row["frames"]), *(_text(row[column]) for column in columns))
    return table


def _text(value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return ""
    return f"{value:.3f}" if abs(value) < 100 else f"{value:.1f}"
