"""Why a decision removes nothing: a threshold that no stem can reach must not look like a corpus without faults."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from raysep.decision.local_fdr import largest_ratio, posterior
from raysep.decision.rules import LEAST_STEMS, Ratio, Rule, Threshold
from raysep.decision.share import Share

AS_CLEAN = 0.005  # a share below half a per cent is written as 0 %
REFUSED, CLEAN, RATE, THRESHOLD, FLOOR = "refused", "clean", "rate", "threshold", "floor"


class Why(NamedTuple):
    """What keeps a decision from removing a scored stem, by its name, and in one line with the way out."""

    by: str
    words: str


def ceiling(calibration: np.ndarray, planted: np.ndarray, share: float, strong: float | None = None) -> float:
    """The highest P(corrupt) that any stem could have, whatever its score.

    Args:
        calibration, planted: their scores ``(n,)`` and ``(k,)``; few of them say little about the tails, and a share that
            is small keeps even a clear stem doubtful.
        share, strong: of the estimate, see ``share.Share``.
    """
    return float(posterior(np.array([largest_ratio(calibration, planted, strong)]), share)[0])


def why_none_removed(
    rule: Rule,
    p_corrupt: np.ndarray,
    share: Share | None,
    refusal: str | None,
    calibration: np.ndarray,
    planted: np.ndarray,
) -> Why | None:
    """For a rule that removes no scored stem: what keeps it from it.

    Args:
        p_corrupt: of the scored corpus stems ``(m,)``; NaN where there is none.
        refusal: why the share must not be acted on; None = it may.

    Returns:
        None for a ratio, which says itself how much it removes.
    """
    if isinstance(rule, Ratio):
        return None
    ways = "give more reference tracks, or remove the most suspect share with --rule ratio"
    if refusal is not None or share is None:
        return Why(
            REFUSED, f"no stem is removed, only ranked: {refusal or 'there is no estimate of the share'}; {ways}"
        )
    if share.estimate < AS_CLEAN:
        return Why(
            CLEAN,
            f"no stem is removed: the corpus looks as clean as the reference (share of wrong stems 0 %, at most "
            f"{share.high:.0%} by its interval)",
        )
    if not isinstance(rule, Threshold):
        return Why(
            RATE,
            f"no stem is removed: {len(calibration)} calibration stems show none that is surely wrong at a false discovery "
            f"rate of {rule.level:g}; {ways}",
        )
    highest = float(np.nanmax(p_corrupt, initial=0.0))
    text = f"no stem is removed although about {share.estimate:.0%} look wrong: P(corrupt) of the most suspect is {highest:.2f}"
    if share.injection is not None and (most := ceiling(calibration, planted, share.estimate, share.strong)) <= rule.p:
        text += f", and with {len(calibration)} calibration stems it cannot exceed {most:.2f}, below the threshold {rule.p:g}"
    else:
        text += f", not above the threshold {rule.p:g}"
    return Why(THRESHOLD, f"{text}; {ways}")


def why_floor_keeps_all(wanted: int, floor: float) -> Why:
    """For a rule that would remove ``wanted`` scored stems, of labels that would all be left with too few."""
    return Why(
        FLOOR,
        f"no stem is removed: the rule would remove {wanted}, and the floor keeps {LEAST_STEMS} stems of each label at least, "
        f"and {floor:.0%} of them; give a corpus of more tracks",
    )
