"""The figures of `raysep benchmark harm`, from its results, and how they are written and shown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from raysep.corpus import benchmark
from raysep.corpus.harm import HarmTable, Measured
from raysep.corpus.truth import CLEAN
from raysep.evaluation.compare import compare
from raysep.evaluation.gate import Gate, gate
from raysep.evaluation.table import STEMS, grid
from raysep.rundir import Run, environment
from raysep.screen import print_table, terminal

if TYPE_CHECKING:
    from raysep.commands.benchmark.harm import HarmRequest

COLUMNS = ("kind", "severity", "dB below clean", "95 % interval", "gate")


@dataclass(frozen=True)
class Harm:
    """What one kind and severity cost, and whether that is enough to measure anything in."""

    measured: Measured
    gate: Gate
    test_songs: int  # that count


def figures(rows: Sequence[Mapping[str, Any]], songs: int, request: HarmRequest, draws: int = 2000) -> list[Harm]:
    """Of the rows ``kind, severity, seed, track, stem, sdr``, the most harmful first.

    Clean minus contaminated, paired over seeds and songs, mean over stems; the interval is crossed over both.
    """
    named = [{**row, "model": _model(row["kind"], row["severity"])} for row in rows]
    pairs = dict.fromkeys((row["kind"], row["severity"]) for row in rows if row["kind"] != CLEAN)
    clean = grid(named, CLEAN, "sdr")
    found = []
    for kind, severity in pairs:
        model = _model(kind, severity)
        whole = next(c for c in compare(named, CLEAN, model, ("sdr",), draws=draws) if c.stem == STEMS)
        spoilt = grid(named, model, "sdr").on(clean.tracks, clean.stems)
        interval = whole.difference
        measured = Measured(
            kind=kind,
            severity=severity,
            db=interval.estimate,
            low=_finite(interval.low),
            high=_finite(interval.high),
            seeds=len(clean.seeds),
            songs=songs,
            steps=request.steps,
            share=request.share,
        )
        found.append(Harm(measured, gate(clean.values, spoilt), whole.tracks))
    return sorted(found, key=lambda harm: (-harm.measured.db, harm.measured.kind, harm.measured.severity))


def write(run: Run, found: Sequence[Harm], request: HarmRequest) -> None:
    """``harm.parquet``, ``harm.json`` in the form in which raysep comes with it, ``harm.md``."""
    columns = [{**asdict(h.measured), "deviation": h.gate.deviation, "gate": h.gate.passed} for h in found]
    run.write_table(pa.Table.from_pylist(columns), "harm.parquet")
    table = HarmTable(about(run, found), command(request), tuple(h.measured for h in found))
    run.write_bytes(table.to_json().encode(), "harm.json")
    lines = [f"| {' | '.join(COLUMNS)} |", "|---|---|---:|---:|---|", *(f"| {' | '.join(cells(h))} |" for h in found)]
    head = f"# How much each fault harms\n\nCommand: `{table.command}`. {table.about}\n\n"
    run.write_bytes((head + "\n".join(lines) + "\n").encode(), "harm.md")


def command(request: HarmRequest) -> str:
    """The command that measures the same again, and the one before that makes its corpus, where that is known."""
    words = [f"raysep benchmark harm bench --out harm --share {request.share:g} --steps {request.steps}"]
    words += [f"--seeds {request.seeds} --seed {request.seed}"]
    words += [f"--kind {kind}" for kind in request.kinds] + [f"--severity {name}" for name in request.severities]
    words += [f"--set {section}.{key}={value}" for section, key, value in _flat(request.overrides)]
    note, measure = benchmark.note_of(request.bench), " ".join(words)
    if not note.get("size"):
        return measure
    corpus = f"raysep benchmark corpus bench --size {note['size']} --songs {note['train']} --seed {note['seed']}"
    return f"{corpus} && {measure}"


def about(run: Run, found: Sequence[Harm]) -> str:
    """What the figures are of, for whoever finds them without their run."""
    first, here, record = found[0], environment(), run.read_json("run.json")
    commit = f"raysep {here['versions']['raysep']}"
    if here["git"]:
        commit = f"commit {here['git']['commit'][:12]}" + " with local changes" * here["git"]["dirty"]
    return (
        f"SDR in dB below training on the clean songs, mean over stems, of {first.measured.songs} training songs and "
        f"{first.test_songs} test songs; {first.measured.steps} steps, {first.measured.seeds} seed"
        f"{'s' * (first.measured.seeds != 1)}, {100 * first.measured.share:g} % of the stems with the fault; intervals over "
        f"seeds and songs; network {record['settings']['network']['model']}, {commit}, {here['machine']['cores']} cores."
    )


def cells(harm: Harm) -> tuple[str, ...]:
    """A row of the table, for the terminal and for Markdown."""
    measured = harm.measured
    interval = "none" if measured.low is None else f"{measured.low:+.2f} … {measured.high:+.2f}"
    return (
        measured.kind,
        measured.severity,
        f"{measured.db:+.2f}",
        interval,
        "passed" if harm.gate.passed else "not passed",
    )


def show(found: Sequence[Harm], root: str) -> None:
    from rich.table import Table

    console = terminal()
    table = Table(title="Harm: SDR in dB below training on the clean songs", title_justify="left")
    for number, column in enumerate(COLUMNS):
        table.add_column(column, justify="right" if number in (2, 3) else "left")
    for harm in found:
        table.add_row(*cells(harm))
    print_table(console, table)
    first = found[0]
    console.print(f"{first.measured.kind} {first.measured.severity}: {first.gate.words}")
    console.print(
        f"{first.measured.songs} training songs, {first.test_songs} test songs, {first.measured.seeds} trainings of "
        f"{first.measured.steps} steps each, {100 * first.measured.share:g} % of the stems with the fault"
    )
    console.print(f"harm: {root}")


def _model(kind: str, severity: str) -> str:
    return f"{kind} {severity}".strip()


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _flat(overrides: Mapping[str, Any]) -> list[tuple[str, str, Any]]:
    return [
        (section, key, value)
        for section, each in overrides.items()
        if isinstance(each, Mapping)
        for key, value in each.items()
    ]
