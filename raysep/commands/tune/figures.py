"""What the trials showed: the table of all of them, the choice, and the automatic decision beside it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from raysep.commands.tune.trials import AUTOMATIC, NOTHING, RANDOM, Candidate, name_of
from raysep.corpus import storage
from raysep.decision.rules import FUSED
from raysep.evaluation.one_error import Shortfall, on_the_same, shortfalls, simplest, standard_error
from raysep.evaluation.table import grid
from raysep.stages.search import ERROR, METRIC, SECONDS, Trial
from raysep.training.plan import Plan, sidecar_of

CONTROLS = (NOTHING, RANDOM)
WARM, FULL = "warm start", "full"
BEFORE = ("plant", "train", "attribute", "score", "decide")  # stages that the automatic decision takes
TRIALS = pa.schema(
    [
        ("trial", pa.string()),
        ("ratio", pa.float64()),  # asked for; null where a trial does not go by one
        ("probe", pa.string()),
        ("handling", pa.string()),
        ("left_out", pa.float64()),  # share of the stems; null for a warm start
        ("fidelity", pa.string()),
        ("steps", pa.int64()),
        ("seeds", pa.int64()),
        ("sdr", pa.float64()),  # dB
        ("standard_error", pa.float64()),  # of it
        ("below_best", pa.float64()),  # dB, on the same songs
        ("below_best_error", pa.float64()),
        ("seconds", pa.float64()),
        ("chosen", pa.bool_()),
        ("automatic", pa.bool_()),
        ("error", pa.string()),
    ]
)
Row = dict[str, Any]


def warm_row(row: Mapping[str, Any], trial: Trial) -> Row:
    return {
        "trial": name_of(dict(row)),
        **{name: row[name] for name in ("ratio", "probe", "handling", "error")},
        "fidelity": WARM,
        "steps": trial.steps_at(row.get("rung") or 0),
        "seeds": 1,
        "sdr": row.get(METRIC),
        "standard_error": row.get(ERROR),
        "seconds": row.get(SECONDS),
        "chosen": False,
        "automatic": False,
    }


def full_rows(
    candidates: Sequence[Candidate], results: Sequence[Mapping[str, Any]], plans: Mapping[str, Sequence[Plan]]
) -> list[Row]:
    """A row for each candidate, of the rows of ``results.parquet`` by content; ``plans`` are its trainings, likewise."""
    rows = [{**row, "model": row["arm"]} for row in results]
    by_content = on_the_same({c.content: grid(rows, c.content, "sdr").values for c in candidates})
    values = {c.name: by_content[c.content] for c in candidates}
    found = judged(candidates, values)
    chosen = chosen_of(candidates, found)
    return [
        {
            "trial": one.name,
            "ratio": one.ratio,
            "probe": one.probe,
            "handling": one.handling,
            "left_out": one.left_out,
            "fidelity": FULL,
            "steps": sum(plan.recipe.steps for plan in plans[one.content]),
            "seeds": len(values[one.name]),
            "sdr": float(values[one.name].mean()),
            "standard_error": standard_error(values[one.name]),
            "below_best": found[one.name].below,
            "below_best_error": found[one.name].error,
            "seconds": sum(map(seconds_of, plans[one.content])),
            "chosen": one.name == chosen,
            "automatic": one.name == AUTOMATIC,
            "error": "",
        }
        for one in candidates
    ]


def judged(candidates: Sequence[Candidate], values: Mapping[str, np.ndarray]) -> dict[str, Shortfall]:
    """By how much each is below the best. Random removal is no way to clean: it is judged, and never the best."""
    best = max((c.name for c in candidates if c.name != RANDOM), key=lambda name: float(values[name].mean()))
    return shortfalls(values, best)


def chosen_of(candidates: Sequence[Candidate], found: Mapping[str, Shortfall]) -> str:
    """The simplest within one standard error of the best: least left out, then the fusion, then dropping."""
    known = {c.name: c for c in candidates if c.name != RANDOM}

    def complexity(name: str) -> tuple[Any, ...]:
        one = known[name]
        return round(one.left_out, 4), one.probe not in (FUSED, None), one.handling not in ("drop", None), name

    return simplest({name: found[name] for name in known}, complexity)


def seconds_of(plan: Plan) -> float:
    """What a training took since it began, or was last gone on with."""
    took = json.loads(storage.read_bytes(sidecar_of(plan.out)))["metadata"].get("seconds", {})
    return float(sum(took.values()))


def costs_of(
    warm: Sequence[Row], trainings: Sequence[Plan], stages: Mapping[str, Mapping[str, Any]], deciding: float
) -> Row:
    """Training steps and seconds of the search's trials, and of the automatic decision from the planting on.

    The seconds of the trials are those of one after another.
    """
    took = {name: float(stages[name]["seconds"]) for name in BEFORE if "seconds" in stages.get(name, {})}
    automatic = {
        "steps": int(stages.get("train", {}).get("steps", 0)),
        "seconds": sum((took | {"decide": deciding}).values()),
    }
    search = {
        "steps": sum(row["steps"] for row in warm) + sum(plan.recipe.steps for plan in trainings),
        "seconds": sum(row["seconds"] or 0.0 for row in warm) + sum(map(seconds_of, trainings)),
    }
    return {
        "automatic": automatic,
        "search": search | {"warm_starts": len(warm), "trainings": len(trainings)},
        "automatic_share": {name: automatic[name] / search[name] if search[name] else None for name in search},
    }


def marked(rows: Sequence[Row], mark: str) -> Row:
    """The trial that is ``chosen`` or ``automatic``: what it used and what it reached; None for what is not known."""
    names = (
        "trial",
        "ratio",
        "probe",
        "handling",
        "left_out",
        "sdr",
        "standard_error",
        "below_best",
        "below_best_error",
    )
    one = next(row for row in rows if row[mark])
    return {
        name: None if isinstance(one[name], float) and not math.isfinite(one[name]) else one[name] for name in names
    }


def sentences(rows: Sequence[Row], costs: Row, songs: int) -> list[str]:
    """The findings, in words."""
    full = {row["trial"]: row for row in rows if row["fidelity"] == FULL}
    chosen = next(row for row in full.values() if row["chosen"])
    best = min((row for row in full.values() if row["trial"] != RANDOM), key=lambda row: row["below_best"])
    text = f"chosen: {chosen['trial']} ({chosen['left_out']:.0%} left out), {_db(chosen)} on {songs} held-out reference tracks"
    text += (
        "" if chosen is best else f"; the best, {best['trial']}, has {_db(best)}, which is within one standard error"
    )
    share = costs["automatic_share"]
    lines = [
        text,
        f"automatic decision: {full[AUTOMATIC]['left_out']:.0%} left out, {_db(full[AUTOMATIC])}, {_below(full[AUTOMATIC])}, "
        f"for {costs['automatic']['steps']} training steps and {costs['automatic']['seconds']:.0f} s; the trials took "
        f"{costs['search']['steps']} steps and {costs['search']['seconds']:.0f} s"
        + (
            f", so that it costs {share['steps']:.0%} and {share['seconds']:.0%} of them" if all(share.values()) else ""
        ),
        "; ".join(f"{row['trial']}: {_db(row)}, {_below(row)}" for row in full.values() if row["trial"] in CONTROLS),
    ]
    removed = full[RANDOM]["left_out"] > full[NOTHING]["left_out"]
    if removed and Shortfall(full[RANDOM]["below_best"], full[RANDOM]["below_best_error"]).is_none:
        lines.append("random removal is as good as the best: on these tracks the scores show no use")
    if chosen["seeds"] == 1:
        lines.append("one seed: the standard errors know nothing of seed noise")
    if failed := [row for row in rows if row["error"]]:
        reason = failed[0]["error"].strip().splitlines()[-1]
        lines.append(f"{len(failed)} of the short trainings failed, first {failed[0]['trial']} ({reason})")
    return lines


def _db(row: Row) -> str:
    return f"{row['sdr']:.2f} dB ({_error(row['standard_error'])})"


def _below(row: Row) -> str:
    return f"{row['below_best']:.2f} dB below the best ({_error(row['below_best_error'])})"


def _error(value: float) -> str:
    return f"standard error {value:.2f}" if math.isfinite(value) else "one track: no standard error"
