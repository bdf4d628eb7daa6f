"""What a person sees of a run: the table in the terminal, ``report.html``, and ``raysep status``."""

from __future__ import annotations

from typing import Any

import numpy as np

from raysep.corpus import manifest
from raysep.errors import AudioError, FinishedWithFailures
from raysep.rundir import Run
from raysep.stages.context import Context, terminal
from raysep.stages.effort import FIRST_LOOK

SUSPECTS = 10
EXCERPT_SECONDS = 6.0
ORDER = ("clean", "oracle", "cleaned", "weighted", "contaminated", "random", "reference")  # of the table's rows
BASELINE = "contaminated"  # what the other arms are compared with
STAGES = ("plant", "train", "attribute", "score", "decide", "search", "retrain", "evaluate")


def report(context: Context, benchmark: Any = None) -> None:
    """Write ``report.html``; with a benchmark's truth, its detection curves too."""
    truth = benchmark.truth if benchmark else None
    if truth:
        context.run.update({"truth": truth})
    write(context.run, truth)


def again(run: Run) -> None:
    write(run, run.read_json("run.json").get("truth"))
    print_result(run)
    print(f"report: {run.path('report.html')}")


def finish(context: Context) -> None:
    """Print the table; raise when some stems failed, so that the exit code says so."""
    run = context.run
    run.update({"finished": True})
    if not context.progress.console.quiet:
        print_result(run)
    failed = run.read_table("failed.parquet").to_pylist()
    if failed:
        first = failed[0]
        raise FinishedWithFailures(
            f"{run.root}: finished, but {len(failed)} stems failed, first {first['stem_id']} ({first['message']}); all are in "
            "failed.parquet; put them right and run the same command with --retry-failed"
        )


# Figures


def arm_rows(run: Run, draws: int = 2000) -> list[dict[str, Any]]:
    """A row per arm: mean SDR in dB over tracks, stems and seeds with its interval, per label, and the gain."""
    from raysep.evaluation.compare import compare
    from raysep.evaluation.table import STEMS, figures

    table = _results(run)
    found = {
        (f.model, f.measure, f.stem, f.track_aggregate): f for f in figures(table, ("sdr", "framewise_sdr"), draws)
    }
    labels = sorted({row["stem"] for row in table})
    sizes = {row["arm"]: row["trained_stems"] for row in table}
    rows = []
    for arm in sorted(sizes, key=_place):
        mean = found[arm, "sdr", STEMS, "mean"]
        row: dict[str, Any] = {
            "arm": arm,
            "sdr_mean": mean.value.estimate,
            "low": mean.value.low,
            "high": mean.value.high,
            # museval's way: the median over tracks of each stem, then the mean over stems and seeds.
            "framewise_sdr": found[arm, "framewise_sdr", STEMS, "median"].value.estimate,
            "per_label": {label: found[arm, "sdr", label, "mean"].value.estimate for label in labels},
            "seeds": mean.seeds,
            "stems": sizes[arm],
        }
        if arm != BASELINE and BASELINE in sizes:
            gain = compare(table, arm, BASELINE, ("sdr",), draws=draws)[0].difference
            row |= {"gain": gain.estimate, "gain_low": gain.low, "gain_high": gain.high}
        rows.append(row)
    return rows


def gain(run: Run, draws: int = 2000) -> dict[str, Any] | None:
    """What cleaning brought over contaminated training, and the share of the gap to clean training it closed.

    The share has no bounds where the gap itself cannot be told from none.
    """
    from raysep.evaluation.compare import compare
    from raysep.evaluation.crossed import share_interval
    from raysep.evaluation.table import grid

    table = _results(run)
    names = {row["arm"] for row in table}
    if not {"cleaned", BASELINE} <= names:
        return None
    found = compare(table, "cleaned", BASELINE, ("sdr",), draws=draws)[0].difference
    result = {"arm": "cleaned", "over": BASELINE, "db": found.estimate, "low": found.low, "high": found.high}
    if "clean" in names:
        cleaned, contaminated, clean = (grid(table, arm, "sdr").values for arm in ("cleaned", BASELINE, "clean"))
        closed = share_interval(cleaned - contaminated, clean - contaminated, draws=draws)
        result |= {"closed": closed.estimate, "closed_low": closed.low, "closed_high": closed.high}
    return result


def _results(run: Run) -> list[dict[str, Any]]:
    """The rows of ``results.parquet`` as evaluation reads them: a model is an arm."""
    return [{**row, "model": row["arm"]} for row in run.read_table("results.parquet").to_pylist()]


def _place(name: str) -> tuple[int, str]:
    # Probes stand between the decision they are compared with and what is worse.
    return (ORDER.index(name) if name in ORDER else 3, name)


# The terminal


def print_result(run: Run) -> None:
    """The table of arms, the estimate, the stages and what they cost."""
    from rich.table import Table

    console = terminal()
    rows = arm_rows(run)
    labels = list(rows[0]["per_label"])
    table = Table(
        title=f"SDR in dB on the {tested_on(run)}: whole track, mean over tracks, stems and seeds; 95 % intervals over tracks "
        "and seeds; framewise: museval's, median over 1 s frames and over tracks",
        title_justify="left",
    )
    table.add_column("trained on")
    for column in ("stems", "SDR", "interval", f"over {BASELINE}", *labels, "framewise"):
        table.add_column(column, justify="right")
    for row in rows:
        difference = f"{row['gain']:+.2f} ({row['gain_low']:+.2f} … {row['gain_high']:+.2f})" if "gain" in row else ""
        cells = (f"{row['per_label'][label]:.2f}" for label in labels)
        interval = f"{row['low']:.2f} … {row['high']:.2f}"
        table.add_row(
            row["arm"],
            str(row["stems"]),
            f"{row['sdr_mean']:.2f}",
            interval,
            difference,
            *cells,
            f"{row['framewise_sdr']:.2f}",
        )
    console.print(table)
    if rows[0]["seeds"] == 1:
        console.print("trained with one seed, so that the intervals know nothing of seed noise")
    summary = run.read_json("summary.json")
    console.print(share_sentence(summary))
    record = run.read_json("run.json")
    seconds = ", ".join(
        f"{name} {stage['seconds']:.0f} s" for name, stage in record["stages"].items() if "seconds" in stage
    )
    console.print(f"stages: {seconds}; peak memory {record.get('peak_memory_gib', 0):.2f} GiB")
    if (best := record["stages"].get("search", {}).get("best_ratio")) is not None:
        console.print(
            f"search by retraining prefers a ratio of {best:.0%}; the estimate removed {summary['removed_share']:.0%}"
        )
    console.print(f"run: {run.root}")


def tested_on(run: Run) -> str:
    """Which tracks the arms were judged on, in words."""
    if run.has("test.parquet"):
        return "test tracks"
    return "reference tracks (no --test was given; the decision was calibrated on them)"


def share_sentence(summary: dict[str, Any]) -> str:
    share, counts = summary["estimated_share"], summary["counts"]
    removed = f"{counts['removed']} of {counts['stems']} stems removed"
    if share is None:
        return f"share of wrong stems: not estimated ({summary['warning']}); {removed}"
    low, high = summary["estimated_share_interval"]
    return f"share of wrong stems: {share:.0%} ({low:.0%} … {high:.0%}), estimated without retraining; {removed}"


def rule_text(rule: dict[str, Any]) -> str:
    """``{"name": "Threshold", "p": 0.5}`` as "threshold, p 0.5"."""
    words = [rule["name"].lower(), *(f"{name} {value}" for name, value in rule.items() if name != "name")]
    return ", ".join(words)


def print_status(run: Run) -> None:
    record = run.read_json("run.json")
    console = terminal()
    console.print(f"{run.root}: run {record['fingerprint']}, started {record['started']}")
    for name in STAGES:
        if name == "search" and not record.get("search"):
            continue
        if name in record["stages"] and run.is_done(name):
            console.print(f"  {name:<10} done in {record['stages'][name]['seconds']:.1f} s")
            continue
        console.print(f"  {name:<10} {_so_far(run, name, record['fingerprint'])}")
    if run.has("failed.parquet") and (failed := len(run.read_table("failed.parquet"))):
        console.print(f"  {failed} stems failed: failed.parquet")


def _so_far(run: Run, stage: str, fingerprint: str) -> str:
    """What a stage that is not done has done."""
    if shards := len(run.shards_done(stage, fingerprint)):
        return f"{shards} shards done"
    if stage == "score" and (shards := len(run.shards_done(FIRST_LOOK, fingerprint))):
        return f"{shards} shards done of the first look"
    return "not done"


# The page


def write(run: Run, truth: str | None) -> None:
    from raysep.report.html import ReportData, render

    record, summary = run.read_json("run.json"), run.read_json("summary.json")
    decision = run.read_table("decision.parquet").to_pylist()
    stages = record.pop("stages")
    data = ReportData(
        title=f"raysep: {run.root.rstrip('/').rsplit('/', 1)[-1]}",
        run={
            "run_id": record.pop("fingerprint"),
            "created": record.pop("started"),
            "version": record["versions"]["raysep"],
            **record,
        },
        summary={
            "share": summary["share"],
            "gain": gain(run),
            "tracks": tested_on(run),
            "baseline": BASELINE,
            "cleaned": "cleaned",
            "rule": rule_text(summary["rule"]),
            "handling": "drop",
        },
        results=[_shown(row) for row in arm_rows(run)],
        decision=decision,
        detection=_detection(run, truth) if truth else None,
        suspects=_suspects(run, decision),
        stages=[{"name": name, "seconds": stage["seconds"]} for name, stage in stages.items() if "seconds" in stage],
        memory_gib=record.get("peak_memory_gib"),
        failures=run.read_table("failed.parquet").to_pylist(),
    )
    run.write_bytes(render(data).encode(), "report.html")


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    """An arm's row as the page has it: the column of framewise SDR says how it was made."""
    row = {key: value for key, value in row.items() if not key.startswith("gain")}
    return row | {"SDR by museval, dB: median over 1 s frames and over tracks": row.pop("framewise_sdr")}


def _detection(run: Run, truth: str) -> dict[str, Any]:
    from raysep.stages import judge

    found = judge.judge(run, truth)

    def row(group: str, name: str, interval: Any, stems: Any) -> dict[str, Any]:
        return {
            "group": group,
            "name": name,
            "auroc": interval.estimate,
            "low": interval.low,
            "high": interval.high,
            "stems": stems,
        }

    rows = [
        row("all", "macro over kinds", found.macro, None),
        row("all", "overall", found.overall.auroc, found.overall.positives),
    ]
    for group, part in (("kind", found.by_kind), ("severity", found.by_severity), ("label", found.by_label)):
        rows += [row(group, name, ranking.auroc, ranking.positives) for name, ranking in part.items()]
    roc = {"overall": found.roc["all"], **{kind: points for kind, points in found.roc.items() if kind != "all"}}
    removal = found.removal
    return {
        "roc": roc,
        "auroc": rows,
        "clean stems lost": removal.clean_lost,
        "corrupted stems removed": removal.corrupted_removed,
        "false discoveries": removal.false_discoveries,
        "contamination left": removal.contamination_left,
    }


def _suspects(run: Run, decision: list[dict]) -> list[dict[str, Any]]:
    """The most suspect stems with what speaks against them and an excerpt to listen to."""
    stems = {s.stem_id: s for s in manifest.read(run.path("manifest.parquet"))}
    scores = {row["stem_id"]: row for row in run.read_table("stems.parquet").to_pylist()}
    worst = sorted((r for r in decision if r["outcome"] == "scored"), key=lambda r: (-r["suspicion"], r["stem_id"]))
    rows = []
    for row in worst[:SUSPECTS]:
        audio, mime = _excerpt(run, stems[row["stem_id"]])
        keys = ("stem_id", "stem", "suspicion", "p_corrupt", "reason")
        strongest = _strongest(scores, row)
        rows.append({**{key: row[key] for key in keys}, "probes": strongest, "audio": audio, "mime": mime})
    return rows


def _strongest(scores: dict[str, dict], row: dict, count: int = 4) -> dict[str, float]:
    """The oriented probes by which a stem stands lowest among the stems of its label."""
    from raysep.probes.catalogue import PROBES

    own = scores[row["stem_id"]]
    peers = [s for s in scores.values() if s["stem"] == row["stem"] and s["outcome"] == "scored"]
    standings = {}
    for name in own:
        if name in PROBES and PROBES[name].oriented and own[name] is not None:
            values = np.array([np.nan if peer[name] is None else peer[name] for peer in peers], dtype=float)
            standings[name] = float(np.nanmean(values <= own[name]))
    chosen = sorted(standings, key=lambda name: (standings[name], name))[:count]
    return {name: own[name] for name in chosen}


def _excerpt(run: Run, stem: manifest.Stem) -> tuple[bytes | None, str]:
    """The stem's first audible seconds as Ogg Vorbis; nothing when it cannot be read any more."""
    from raysep.audio.files import encode
    from raysep.audio.levels import SILENCE_DBFS
    from raysep.corpus.reading import read_stem

    try:
        audio = read_stem(stem, stem.sample_rate, min(2, stem.channels))
    except AudioError:
        return None, "audio/ogg"
    loud = np.flatnonzero(np.abs(audio).max(axis=0) > 10 ** (SILENCE_DBFS / 20))
    start = int(loud[0]) if len(loud) else 0
    piece = audio[:, start : start + round(EXCERPT_SECONDS * stem.sample_rate)]
    return encode(piece, stem.sample_rate, format="OGG", subtype="VORBIS"), "audio/ogg"
