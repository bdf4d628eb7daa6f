"""``worth.parquet`` from the parts of the seeds, and how it is told."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa

from raysep.commands.worth.worker import ALL, PART
from raysep.corpus.manifest import Stem
from raysep.evaluation.datamodels import within_label
from raysep.screen import terminal

SHOWN = 5  # stems at either end
LEVEL = 0.95  # of the interval over seeds that must lie below 0 for a stem to be said to cost something
DB = 10.0 / math.log(10.0)


def table_of(parts: Sequence[pa.Table], markers: Sequence[Mapping[str, Any]], stems: Sequence[Stem]) -> pa.Table:
    """A row per stem of the corpus: ``worth`` in dB as a mean over seeds and its ``spread`` (standard deviation; null for
    one seed), ``drawn``, and ``worth-LABEL`` on each label where that was asked for.

    Worth is null for a stem that no seed drew: silent, not readable, or never its turn. ``parts`` and ``markers`` are the
    seeds', in order.
    """
    names = [
        name for name in parts[0].column_names if name not in ("stem_id", "drawn", ALL)
    ]  # labels that were asked for
    place = {stem_id: number for number, stem_id in enumerate(parts[0]["stem_id"].to_pylist())}
    trained = np.array([stem.stem_id in place for stem in stems])
    rows = np.array([place.get(stem.stem_id, 0) for stem in stems])
    labels = np.array([stem.stem for stem in stems])
    drawn = np.where(trained, np.array([part["drawn"].to_numpy() for part in parts]).mean(axis=0)[rows], 0.0)
    columns: dict[str, Any] = {name: [getattr(stem, name) for stem in stems] for name in ("stem_id", "track", "stem")}
    for name in (ALL, *names):
        of_seeds = [
            beside_others(_worth(part, marker, name, names)[rows], labels, drawn)
            for part, marker in zip(parts, markers, strict=True)
        ]
        worth = np.array(of_seeds)
        if name == ALL:
            spread = worth.std(axis=0, ddof=1) if len(worth) > 1 else np.full(len(rows), np.nan)
            columns |= {"worth": _nullable(worth.mean(axis=0)), "spread": _nullable(spread), "drawn": drawn}
        else:
            columns[f"worth-{name}"] = _nullable(worth.mean(axis=0))
    return pa.table(columns)


def scores_of(
    parts: Sequence[pa.Table], markers: Sequence[Mapping[str, Any]], labels: np.ndarray, fold: np.ndarray
) -> pa.Table:
    """``(stem_id, worth)`` as a probe has it, of corpus and evidence: each stem's on the reference of its fold, mean over seeds."""
    drawn = np.array([part["drawn"].to_numpy() for part in parts]).mean(axis=0)
    several = f"{PART}0" in parts[0].column_names
    found = []
    for part, marker in zip(parts, markers, strict=True):
        losses = np.array(marker["counts"]["losses"])
        names = [f"{PART}{k}" for k in range(len(losses))] if several else [ALL]
        each = np.array([-DB * part[name].to_numpy() / loss for name, loss in zip(names, losses, strict=True)])
        found.append(beside_others(each[fold if several else 0, np.arange(len(fold))], labels, drawn))
    return pa.table({"stem_id": parts[0]["stem_id"], "worth": _nullable(np.mean(found, axis=0))})


def beside_others(worth: np.ndarray, labels: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """``(stem,)`` less the mean of the other stems of the label, which are drawn in its place where it is not there.

    NaN for a stem that was never drawn, and for one that is alone.
    """
    result = np.full(len(worth), np.nan)
    for label in np.unique(labels):
        members = (labels == label) & (drawn > 0)
        if (count := members.sum()) > 1:
            result[members] = (worth[members] - worth[members].mean()) * count / (count - 1)
    return result


def _worth(part: pa.Table, marker: Mapping[str, Any], name: str, labels: Sequence[str]) -> np.ndarray:
    """dB of one seed by the weights of the stems' losses, ``(stem,)``: -10 / ln 10 · G / L."""
    losses = marker["counts"]["losses"]
    loss = np.mean(losses) if name == ALL else losses[list(labels).index(name)]
    return -DB * part[name].to_numpy() / loss


def agreement(parts: Sequence[pa.Table], labels: np.ndarray) -> float | None:
    """Rank correlation within labels of two seeds, mean over pairs; None for a single one."""
    each = [part[ALL].to_numpy() for part in parts]
    found = [within_label(a, b, labels) for a, b in combinations(each, 2)]
    return float(np.mean(found)) if found else None


def of_the_mean(agree: float, seeds: int) -> float:
    """What the means of so many seeds would agree with those of as many others: Spearman and Brown."""
    return seeds * agree / (1 + (seeds - 1) * agree) if agree > -1 / max(1, seeds - 1) else agree


def certainly_costs(row: Mapping[str, Any], seeds: int) -> bool:
    """Whether its interval over seeds, by Student's t, lies below 0; of one seed there is none."""
    if row["worth"] is None or row["spread"] is None or seeds < 2:
        return False
    from scipy import stats

    half = stats.t.ppf((1 + LEVEL) / 2, seeds - 1) * row["spread"] / math.sqrt(seeds)
    return bool(row["worth"] < -half)


def sentences(table: pa.Table, seeds: int, agree: float | None) -> list[str]:
    """What was found, in lines."""
    rows = table.to_pylist()
    known = [row for row in rows if row["worth"] is not None]
    told = [f"{len(known)} of {len(rows)} stems have a worth"]
    if len(known) < len(rows):
        first = next(row["stem_id"] for row in rows if row["worth"] is None)
        told[0] += f"; the others were never drawn (silent, or not read), first {first}"
    if agree is None:
        told.append("one seed: nobody knows what another would say; give --seeds 4")
    else:
        costly = sum(certainly_costs(row, seeds) for row in known)
        told += [
            f"two seeds agree {agree:.2f} (rank correlation within labels), the means of {seeds} by that "
            f"{of_the_mean(agree, seeds):.2f}",
            f"{costly} stems cost something beyond doubt: their {LEVEL:.0%} interval over the {seeds} seeds is below 0",
        ]
    return told


def show(table: pa.Table, seeds: int) -> None:
    """The stems at both ends, in the terminal."""
    from rich.table import Table

    rows = sorted((row for row in table.to_pylist() if row["worth"] is not None), key=lambda row: row["worth"])
    ends = rows if len(rows) <= 2 * SHOWN else [*rows[:SHOWN], *rows[-SHOWN:]]
    shown = Table(title="dB of loss on the reference that a stem's presence saves", title_justify="left")
    shown.add_column("stem")
    for column in ("worth", f"spread over {seeds} seeds", "drawn"):
        shown.add_column(column, justify="right")
    for row in ends:
        spread = "" if row["spread"] is None else f"{row['spread']:.4f}"
        shown.add_row(row["stem_id"], f"{row['worth']:+.4f}", spread, f"{row['drawn']:.0f}")
    terminal().print(shown)


def _nullable(values: np.ndarray) -> pa.Array:
    return pa.array(values, mask=~np.isfinite(values))
