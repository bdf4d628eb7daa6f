"""How the figures of `raysep benchmark run` are written and shown: Parquet, Markdown, pictures, the terminal."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from raysep.commands.benchmark.run_detection import Detected, Found
from raysep.commands.benchmark.run_figures import ArmFigure, Both, Figures
from raysep.commands.benchmark.sources import Own, arms_for
from raysep.evaluation.bootstrap import Interval
from raysep.evaluation.paired import Versus
from raysep.report.forest import Dot, forest
from raysep.rundir import Run, environment
from raysep.screen import print_table, terminal
from raysep.seeds import ENOUGH_SEEDS
from raysep.stages.arms import CONTAMINATED

if TYPE_CHECKING:
    from raysep.commands.benchmark.run import Draw, RunRequest

REFUSED = "nothing may be concluded"
ARMS = ("trained on", "stems", "SDR", "over contaminated", "gap closed", "verdict")
COMPARED = ("arm", "against", "dB", "verdict")
DETECTED = ("AUROC", "fused", "fused, within label", "best single probe, within label, with hindsight", "difference")
DRAWS = (
    "draw",
    "wrong stems",
    "estimated",
    "removed",
    "of the wrong",
    "of the clean",
    "wrong after",
    "by harm",
    "macro",
)

Table = tuple[tuple[str, ...], list[tuple[str, ...]]]  # names of the columns, rows


# Files


def write(run: Run, request: RunRequest, draws: Sequence[Draw], found: Figures, seen: Detected) -> None:
    """Every table and picture of the folder but ``results.parquet``."""
    passed = dict(zip(found.paired.draws, found.gates or [], strict=False))
    run.write_table(pa.Table.from_pylist([_arm_row(arm, found) for arm in found.arms]), "benchmark.parquet")
    rows = [{"arm": v.arm, "against": v.against, **_versus_row("db", v)} for v in found.comparisons]
    if rows:
        run.write_table(pa.Table.from_pylist(rows), "comparisons.parquet")
    if seen.found:
        run.write_table(pa.Table.from_pylist([_found_row(each) for each in seen.found]), "detection.parquet")
    gates = {
        draw: {"gate_db": gate.db, "gate_deviation": gate.deviation, "gate": gate.passed}
        for draw, gate in passed.items()
    }
    seeds = {draw.number: draw.seed for draw in draws}
    per_draw = [{**asdict(each), "seed": seeds[each.draw], **gates.get(each.draw, {})} for each in seen.draws]
    run.write_table(pa.Table.from_pylist(per_draw), "draws.parquet")
    run.write_bytes(markdown(run, request, draws, found, seen).encode(), "benchmark.md")
    for name, text in pictures(found, seen).items():
        run.write_bytes(text.encode(), name)


def markdown(run: Run, request: RunRequest, draws: Sequence[Draw], found: Figures, seen: Detected) -> str:
    """The page: gates first, then arms, comparisons, detection, draws, and how it was made."""
    parts = [f"# Does cleaning pay? {_of_what(request)}", "\n".join(f"- {line}" for line in gate_lines(found))]
    if not found.allowed:
        parts.append(f"**The gate is not passed: {REFUSED} from these tables.**")
    parts += [
        _about_intervals(found),
        _in_markdown(arm_table(found)),
        "![SDR by arm](sdr.svg) ![Gain by arm](gain.svg)",
    ]
    if found.comparisons:
        parts += ["## What was cleaned against the other arms", _in_markdown(comparison_table(found))]
    if seen.found:
        parts += ["## Detection", _in_markdown(detection_table(seen)), "![AUROC by kind](detection.svg)"]
    parts += ["## Every draw", _in_markdown(draw_table(seen)), "## How it was made"]
    parts.append("\n".join(f"- {line}" for line in made_lines(run, request, draws, found)))
    return "\n\n".join(parts) + "\n"


def pictures(found: Figures, seen: Detected) -> dict[str, str]:
    """SVG files by name; their intervals are of these corpora, which one scale can hold."""
    sdr = [(arm.arm, [_dot(arm.sdr[1])]) for arm in found.arms]
    gain = [(arm.arm, [_dot(arm.gain.on_these)]) for arm in found.arms if arm.gain]
    level = next((arm.sdr[1].estimate for arm in found.arms if arm.arm == CONTAMINATED), None)
    words = "95 % over seeds and songs of these corpora"
    made = {
        "sdr.svg": forest(f"SDR in dB by arm, {words}; line: {CONTAMINATED}", sdr, level),
        "gain.svg": forest(f"dB over {CONTAMINATED}, {words}", gain, 0.0),
    }
    if seen.found:
        rows = [(each.measure, [_dot(each.fused_within), _dot(each.best)]) for each in seen.found]
        series = ("fused", "best single probe")
        made["detection.svg"] = forest("AUROC within label, 95 % over songs", rows, 0.5, series, digits=3)
    return made


# Lines and tables, for the terminal and for Markdown


def gate_lines(found: Figures) -> list[str]:
    if found.gates is None:
        return ["no gate: clean training is not among the arms, so nobody knows how far there is to go"]
    return [f"draw {draw}: {gate.words}" for draw, gate in zip(found.paired.draws, found.gates, strict=True)]


def arm_table(found: Figures) -> Table:
    rows: list[tuple[str, ...]] = []
    for arm in found.arms:
        verdict = "" if not arm.gain else arm.gain.verdict if found.allowed else REFUSED
        gain = _both((arm.gain.over_corpora, arm.gain.on_these), found, "+.2f") if arm.gain else ""
        closed = _both(arm.closed, found, ".0%") if arm.closed else ""
        rows.append((arm.arm, f"{arm.stems:g}", _both(arm.sdr, found, ".2f"), gain, closed, verdict))
    return ARMS, rows


def comparison_table(found: Figures) -> Table:
    return COMPARED, [
        (v.arm, v.against, _both((v.over_corpora, v.on_these), found, "+.2f"), v.verdict if found.allowed else REFUSED)
        for v in found.comparisons
    ]


def detection_table(seen: Detected) -> Table:
    return DETECTED, [
        (
            each.measure,
            _with_bounds(each.fused, ".3f"),
            _with_bounds(each.fused_within, ".3f"),
            f"{each.probe} {_with_bounds(each.best, '.3f')}" if each.probe else "none",
            _number(each.fused_within.estimate - each.best.estimate, "+.3f"),
        )
        for each in seen.found
    ]


def draw_table(seen: Detected) -> Table:
    rows: list[tuple[str, ...]] = []
    for each in seen.draws:
        estimated = "not estimated"
        if each.estimated_share is not None:
            bounds = f" ({each.low:.0%} … {each.high:.0%})" if each.low is not None and each.high is not None else ""
            estimated = f"{each.estimated_share:.0%}{bounds}"
        shares = (each.corrupted_removed, each.clean_lost, each.contamination_left)
        ranking = (_number(each.by_harm, ".3f"), _number(each.macro, ".3f"))
        removed = (f"{each.removed} stems", *(_number(share, ".1%") for share in shares))
        rows.append((str(each.draw), f"{each.true_share:.0%}", estimated, *removed, *ranking))
    return DRAWS, rows


def made_lines(run: Run, request: RunRequest, draws: Sequence[Draw], found: Figures) -> list[str]:
    """What whoever finds the table must know to make it again, and what is not in it."""
    here, configs = environment(), [draw.run.read_json("run.json") for draw in draws]
    commit = f"raysep {here['versions']['raysep']}"
    if here["git"]:
        commit = f"commit {here['git']['commit'][:12]}" + " with local changes" * here["git"]["dirty"]
    config, songs = configs[0]["config"], found.paired.songs
    seconds = sum(stage.get("seconds", 0) for record in configs for stage in record["stages"].values())
    lines = [
        f"`{command(request)}`",
        f"{commit}, {here['machine']['cores']} cores; {seconds / 60:.0f} minutes in the stages of all draws",
        f"{config['training']['steps']} steps of {config['network']['model']} for every arm, seeds "
        f"{', '.join(map(str, found.paired.seeds))}; {len(draws)} draw{'s' * (len(draws) != 1)} (seeds "
        f"{', '.join(str(draw.seed) for draw in draws)}), {' and '.join(map(str, songs))} test songs",
    ]
    if len(draws) == 1:
        lines.append("one draw: the intervals say nothing of other corpora")
    if len(found.paired.seeds) < ENOUGH_SEEDS:
        count = len(found.paired.seeds)
        lines.append(f"{count} seed{'s' * (count != 1)}: a verdict needs {ENOUGH_SEEDS}")
    return lines + left_out(draws, found)


def left_out(draws: Sequence[Draw], found: Figures) -> list[str]:
    """Arms and stems that have no place in the tables, with a count and the first of them."""
    lines = []
    if stems := found.paired.left_out:
        lines.append(f"{len(stems)} test stems left out for all arms, silent or without a figure: first {stems[0]}")
    reasons = {
        arm: f"draw {draw.number}: {why}"
        for draw in reversed(draws)
        for arm, why in draw.run.read_json("run.json").get("arms_left_out", {}).items()
    }
    return lines + [
        f"the arm {arm} is left out ({reasons.get(arm, 'it has no results in every draw')})"
        for arm in sorted({*reasons, *found.paired.arms_left_out})
    ]


def command(request: RunRequest) -> str:
    """The command that gives the same again, with folders under names of their own."""
    source = request.source
    if isinstance(source, Own):
        words = ["--corpus CORPUS", *(["--clean CLEAN"] if source.clean else []), "--reference REF --test TEST"]
        words += ["--truth TRUTH", *([f"--layout {source.layout}"] if source.layout else [])]
    else:
        words = [f"--size {source.size} --condition {source.condition} --draws {request.draws}"]
        words += [f"--songs {source.songs}"] if source.songs else []
        words += [f"--reference-songs {source.reference}"] if source.reference else []
    words += [f"--seeds {request.seeds} --seed {request.seed} --out OUT"]
    words += [f"--arms {','.join(request.arms)}"] if request.arms != arms_for(source) else []
    words += [f"--preset {request.preset}"] if request.preset else []
    words += [f"--set '{name}={_yaml(value)}'" for name, value in _flat(request.overrides)]
    return " ".join(["raysep benchmark run", *words])


def show(run: Run, found: Figures, seen: Detected) -> None:
    console = terminal()
    for line in gate_lines(found):
        console.print(line)
    if not found.allowed:
        console.print(f"The gate is not passed: {REFUSED}.")
    titles = [
        (_about_intervals(found), arm_table(found)),
        ("What was cleaned against the other arms", comparison_table(found)),
    ]
    if seen.found:
        titles.append(("Detection: AUROC over all draws, 95 % over songs", detection_table(seen)))
    titles.append(("Every draw", draw_table(seen)))
    for title, table in titles:
        if table[1]:
            print_table(console, _on_terminal(title, table))
    console.print(f"benchmark: {run.path('benchmark.md')}")


# Cells


def _of_what(request: RunRequest) -> str:
    source = request.source
    return "A corpus of one's own" if isinstance(source, Own) else f"`{source.condition}`, {source.size}"


def _about_intervals(found: Figures) -> str:
    words = "SDR in dB, whole track, mean over draws, seeds, songs and stems; 95 % intervals over "
    if len(found.paired.draws) == 1:
        return f"{words}seeds and songs of this one corpus, paired"
    return f"{words}corpora, seeds and songs, paired; in brackets over seeds and songs of these corpora alone"


def _both(both: Both, found: Figures, form: str) -> str:
    over, these = both
    text = _with_bounds(over, form)
    if len(found.paired.draws) > 1 and math.isfinite(these.low):
        text += f" [{these.low:{form}} … {these.high:{form}}]"
    return text


def _with_bounds(interval: Interval, form: str) -> str:
    if not math.isfinite(interval.estimate):
        return "none"
    bounds = f" ({interval.low:{form}} … {interval.high:{form}})" if math.isfinite(interval.low) else " (no interval)"
    return f"{interval.estimate:{form}}{bounds}"


def _number(value: float, form: str) -> str:
    return f"{value:{form}}" if math.isfinite(value) else "none"


def _in_markdown(table: Table) -> str:
    head, rows = table
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _on_terminal(title: str, table: Table) -> Any:
    from rich.table import Table as Shown

    shown = Shown(title=title, title_justify="left")
    for column in table[0]:
        shown.add_column(column)
    for row in table[1]:
        shown.add_row(*row)
    return shown


def _dot(interval: Interval) -> Dot:
    return Dot(interval.estimate, interval.low, interval.high)


def _bounds(name: str, both: Both) -> dict[str, float]:
    over, these = both
    return {
        name: over.estimate,
        f"{name}_low": over.low,
        f"{name}_high": over.high,
        f"{name}_low_here": these.low,
        f"{name}_high_here": these.high,
    }


def _versus_row(name: str, versus: Versus) -> dict[str, Any]:
    return {**_bounds(name, (versus.over_corpora, versus.on_these)), "verdict": versus.verdict}


def _arm_row(arm: ArmFigure, found: Figures) -> dict[str, Any]:
    """A row of ``benchmark.parquet``; what an arm does not have is empty."""
    gain = _versus_row("gain", arm.gain) if arm.gain else {}
    closed = _bounds("closed", arm.closed) if arm.closed else {}
    empty = dict.fromkeys(
        f"{name}{end}" for name in ("gain", "closed") for end in ("", "_low", "_high", "_low_here", "_high_here")
    )
    about = {"arm": arm.arm, "stems": arm.stems, "draws": len(found.paired.draws), "seeds": len(found.paired.seeds)}
    return {**about, **_bounds("sdr", arm.sdr), **empty, "verdict": None, **gain, **closed, "allowed": found.allowed}


def _found_row(each: Found) -> dict[str, Any]:
    figures = {"fused": each.fused, "fused_within": each.fused_within, "best": each.best}
    plain = {
        f"{name}{end}": getattr(interval, key)
        for name, interval in figures.items()
        for end, key in (("", "estimate"), ("_low", "low"), ("_high", "high"))
    }
    return {"measure": each.measure, "probe": each.probe, **plain}


def _flat(overrides: dict[str, Any], path: str = "") -> Iterable[tuple[str, Any]]:
    for key, value in overrides.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value


def _yaml(value: Any) -> str:
    """As `--set` reads it back."""
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_yaml(each) for each in value)}]"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
