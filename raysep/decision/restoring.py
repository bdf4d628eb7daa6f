"""Does restoring a stem beat dropping it? Asked of trusted stems, label by label, before any suspect one is touched.

Faults are planted in trusted stems whose songs the separator never heard, and taken out again by it. Of a label, restoring is
worth it where, over the planted stems that would be restored,

    gain    = SI-SDR of what is restored - SI-SDR of what was planted        is above 0, and
    reached = SI-SDR of what is restored                                     is not below ``WORTH_DB``,

both as medians, with the lower end of an interval that is bootstrapped over songs. ``WORTH_DB`` stands for "worth training on": what
is as near to the clean stem as the middle of the simulator's strongest bleed, which lies 3 to 12 dB below the stem. Bleed of all
strengths in half of the stems cost a separator 0.03 dB (``corpus.harm``).

Which stems would be restored is decided without a look at the kind of fault, by the share of the stem that is its own label to the
separator: less than of nearly all clean stems of the label, and more than of nearly all stems that were exchanged for it. What passes
between these bounds counts for the label or against it, whatever was planted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from raysep.evaluation.bootstrap import Interval, cluster_bootstrap

CLEAN, EXCHANGED = "clean", "swap"  # kinds: a trusted stem as it is, and another one in its place
CLEAN_QUANTILE = 0.1  # of the clean stems' shares: what has less of its own is no usual clean stem
FOREIGN_QUANTILE = 0.9  # of the exchanged stems' shares: what has no more of its own belongs elsewhere
WORTH_DB = 7.5
FEWEST = 5  # songs that a rule is made of
DRAWS = 1000

TRIALS = pa.schema(
    [
        ("track", pa.string()),
        ("stem", pa.string()),
        ("kind", pa.string()),
        ("share", pa.float64()),  # of the separator's outputs that is its own label
        ("before", pa.float64()),  # dB
        ("after", pa.float64()),
    ]
)


@dataclass(frozen=True)
class Rule:
    """What trusted stems of a label say of restoring."""

    label: str
    pays: bool
    usual: float | None  # share of its own that nearly all clean stems have, at least; None where too few are known
    foreign: float | None  # share that nearly all exchanged stems have, at most; likewise
    songs: int  # of which planted stems look like bleed
    stems: int
    gain: Interval | None  # dB; None where there are too few
    reached: Interval | None  # dB
    words: str  # why it pays, or not

    def looks_like_bleed(self, share: float) -> bool:
        """Whether a stem of which this share is its own label would be restored, if it pays."""
        return self.foreign is not None and self.usual is not None and self.foreign < share < self.usual

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def rules(trials: pa.Table, labels: Sequence[str], seed: int) -> dict[str, Rule]:
    """label → its rule, from ``TRIALS``: planted and clean stems that went through the separator."""
    rows = trials.to_pylist()
    return {label: _rule(label, [row for row in rows if row["stem"] == label], seed) for label in labels}


def _rule(label: str, rows: list[Mapping[str, Any]], seed: int) -> Rule:
    usual = _bound(rows, CLEAN, CLEAN_QUANTILE, "lower")
    foreign = _bound(rows, EXCHANGED, FOREIGN_QUANTILE, "higher")
    blank = Rule(label, False, usual, foreign, 0, 0, None, None, "")
    chosen = [row for row in rows if row["kind"] != CLEAN and blank.looks_like_bleed(row["share"])]
    tracks = np.array([row["track"] for row in chosen], dtype=object)
    songs = len(set(tracks.tolist()))
    if songs < FEWEST:
        return Rule(label, False, usual, foreign, songs, len(chosen), None, None, _too_few(usual, foreign, songs))
    before, after = (np.array([row[name] for row in chosen]) for name in ("before", "after"))
    gain, reached = _median(after - before, tracks, seed), _median(after, tracks, seed)
    pays = gain.low > 0 and reached.low >= WORTH_DB
    words = _words(gain, reached, songs)
    return Rule(label, bool(pays), usual, foreign, songs, len(chosen), gain, reached, words)


def _bound(
    rows: Sequence[Mapping[str, Any]], kind: str, quantile: float, method: Literal["lower", "higher"]
) -> float | None:
    """Of the shares of a kind; None where there are too few."""
    shares = [row["share"] for row in rows if row["kind"] == kind]
    return float(np.quantile(shares, quantile, method=method)) if len(shares) >= FEWEST else None


def _median(values: np.ndarray, tracks: np.ndarray, seed: int) -> Interval:
    return cluster_bootstrap(lambda rows: float(np.median(values[rows])), tracks, DRAWS, seed)


def _too_few(usual: float | None, foreign: float | None, songs: int) -> str:
    if usual is None or foreign is None:
        return f"fewer than {FEWEST} trusted songs that the separator never heard have an audible stem of it"
    if foreign >= usual:
        return "the separator does not tell clean stems of it from exchanged ones"
    return f"the planted stems that look like bleed are of {songs} trusted songs, and {FEWEST} are needed"


def _words(gain: Interval, reached: Interval, songs: int) -> str:
    """What was found, in one line."""
    gained = f"planted faults gain {gain.estimate:+.1f} dB ({gain.low:+.1f} … {gain.high:+.1f}, {songs} trusted songs)"
    if not gain.low > 0:
        return f"{gained}: not surely more than nothing"
    told = f"{gained} and reach {reached.estimate:.1f} dB ({reached.low:.1f} … {reached.high:.1f})"
    return told if reached.low >= WORTH_DB else f"{told}: not surely {WORTH_DB:g} dB, below which it may harm"
