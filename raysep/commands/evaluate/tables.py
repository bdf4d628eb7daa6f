"""What an evaluation finds, as it is written and printed: figures, and who is better than whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from raysep.commands.evaluate.models import MIXTURE
from raysep.evaluation import compare
from raysep.evaluation.measures import MEASURES, SILENT
from raysep.evaluation.table import INTERVALS, figures
from raysep.outcome import Outcome
from raysep.seeds import few_seeds as few


def standings(rows: Sequence[dict], measures: Sequence[str], against: str | None, draws: int) -> dict[str, Any]:
    """Figures of every model and, with ``against``, its comparison with all others; plain values, for JSON.

    ``rows`` are those of ``evaluation.parquet``.
    """
    models = list(dict.fromkeys(row["model"] for row in rows))
    silent = silent_references(rows)
    judged = [name for name in measures if silent["stems"] or MEASURES[name].references != SILENT]
    compared = [
        found
        for model in models
        if against and model != against
        for found in compare.compare(rows, model, against, judged, draws=draws)
    ]
    doubtful = {row["track"] for row in rows if row.get("conditioned") is False}
    failed = {
        model: sorted({row["track"] for row in rows if row["model"] == model and row["outcome"] == Outcome.FAILED})
        for model in models
    }
    return {
        "definitions": {name: vars(MEASURES[name]) for name in measures},
        "intervals": INTERVALS,
        "tracks": len({row["track"] for row in rows}),
        "failed": sorted({track for tracks in failed.values() for track in tracks}),
        "failed_by_model": failed,
        "silent": silent,
        "ill_conditioned": sorted(doubtful),
        "figures": [figure.to_dict() for figure in figures(rows, judged, draws)],
        "against": against,
        "comparisons": [found.to_dict() | {"few_seeds": few_seeds(found)} for found in compared],
    }


def silent_references(rows: Sequence[dict]) -> dict[str, Any]:
    """How many stems of all tracks are silent in the reference, and the first of them."""
    stems = dict.fromkeys((row["track"], row["stem"]) for row in rows if row["outcome"] != Outcome.FAILED)
    silent = dict.fromkeys((row["track"], row["stem"]) for row in rows if row.get("silent"))
    return {"stems": len(silent), "of": len(stems), "first": "/".join(next(iter(silent), ()))}


def few_seeds(found: compare.Comparison) -> str:
    """``one seed`` or ``two seeds`` when the comparison rests on no more; the mixture is not trained and needs none."""
    pairs = zip((found.model, found.against), found.seeds, strict=True)
    return few(seeds for model, seeds in pairs if model != MIXTURE)
