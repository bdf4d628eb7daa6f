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
    from raysep.evaluation.bootstrap import hierarchical_bootstrap

    table = run.read_table("results.parquet").to_pylist()
    arms = {name: _grid(table, name) for name in sorted({row["arm"] for row in table}, key=_place)}
    rows = []
    for name, (sdr, framewise, labels, size) in arms.items():
        interval = hierarchical_bootstrap(np.nanmean, sdr, draws=draws)
        row: dict[str, Any] = {
            "arm": name,
            "sdr_mean": interval.estimate,
            "low": interval.low,
            "high": interval.high,
            "framewise_sdr": _median_mean(framewise),
            "per_label": dict(zip(labels, np.nanmean(sdr, axis=(0, 1)).tolist(), strict=True)),
            "seeds": sdr.shape[0],
            "stems": size,
        }
        if name != "contaminated" and "contaminated" in arms:
            gain = hierarchical_bootstrap(lambda a, b: np.nanmean(a - b), sdr, arms["contaminated"][0], draws=draws)
            row |= {"gain": gain.estimate, "gain_low": gain.low, "gain_high": gain.high}
        rows.append(row)
    return rows


def gain(run: Run, draws: int = 2000) -> dict[str, Any] | None:
    """What cleaning brought over contaminated training, and the share of the gap to clean training it closed."""
    from raysep.evaluation.bootstrap import gap_closed, hierarchical_bootstrap

    table = run.read_table("results.parquet").to_pylist()
    names = {row["arm"] for row in table}
    if not {"cleaned", "contaminated"} <= names:
        return None
    cleaned, contaminated = (_grid(table, name)[0] for name in ("cleaned", "contaminated"))
    difference = hierarchical_bootstrap(lambda a, b: np.nanmean(a - b), cleaned, contaminated, draws=draws)
    result = {
        "arm": "cleaned",
        "over": "contaminated",
        "db": difference.estimate,
        "low": difference.low,
        "high": difference.high,
    }
    if "clean" in names:
        closed = hierarchical_bootstrap(gap_closed, cleaned, contaminated, _grid(table, "clean")[0], draws=draws)
        result |= {"closed": closed.estimate, "closed_low": closed.low, "closed_high": closed.high}
    return result


def _grid(table: list[dict], arm: str) -> tuple[np.ndarray, np.ndarray, list[str], int]:
    """Global and framewise SDR of an arm, each ``(seed, track, stem)``; the labels; the stems trained on."""
    rows = [row for row in table if row["arm"] == arm]
    axes = [sorted({row[key] for row in rows}) for key in ("seed", "track", "stem")]
    grids = np.full((2, *map(len, axes)), np.nan)
    for row in rows:
        cell = tuple(axis.index(row[key]) for axis, key in zip(axes, ("seed", "track", "stem"), strict=True))
        grids[(slice(None), *cell)] = row["sdr"], row["framewise_sdr"]
    return grids[0], grids[1], axes[2], rows[0]["trained_stems"]


def _median_mean(framewise: np.ndarray) -> float:
    """museval's way: median over tracks for each stem, then the mean over stems (and seeds). NaN when nothing is scored."""
    medians = [
        np.median(v)
        for cell in framewise.transpose(0, 2, 1).reshape(-1, framewise.shape[1])
        if len(v := cell[np.isfinite(cell)])
    ]
    return float(np.mean(medians)) if medians else float("nan")


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
        title="SDR in dB on the test tracks: whole track, mean over stems, tracks and seeds; 95 % intervals over tracks and seeds",
        title_justify="left",
    )
    table.add_column("trained on")
    for column in ("stems", "SDR", "interval", "over contaminated", *labels, "framewise"):
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
            "baseline": "contaminated",
            "cleaned": "cleaned",
            "rule": rule_text(summary["rule"]),
            "handling": "drop",
        },
        results=[{k: v for k, v in row.items() if not k.startswith("gain")} for row in arm_rows(run)],
        decision=decision,
        detection=_detection(run, truth) if truth else None,
        suspects=_suspects(run, decision),
        stages=[{"name": name, "seconds": stage["seconds"]} for name, stage in stages.items() if "seconds" in stage],
        memory_gib=record.get("peak_memory_gib"),
        failures=run.read_table("failed.parquet").to_pylist(),
    )
    run.write_bytes(render(data).encode(), "report.html")


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
