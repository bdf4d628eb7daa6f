"""What a person's word on stems teaches: more examples for the fusion, and stems of which the truth is known.

Those that one listens to are the most suspect ones, not stems like the rest. So they are

- *examples* of the fusion: right ones beside the calibration stems, wrong ones beside the planted (``fusion.example_weights``),
  and a stem is still never scored by a model that was fitted on its own track;
- *no calibration*: the spread of the clean, the p-values, both densities and the guard go by the same stems as before;
- *known* in the share: a stem that was called wrong, or right, counts as that, by its likelihood. Were they left out, what remains
  would look cleaner than it is, since the top of the list is missing: in simulation, with verdicts on the 40 most suspect of 240
  stems, the share of the others comes out as 0.05 where it is 0.3. By their likelihood that of all stays at 0.40, as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from raysep.corpus.names import normal
from raysep.decision.handling.by_word import KEEP
from raysep.decision.local_fdr import Densities
from raysep.decision.samples import Sample
from raysep.decision.share import Share, injection

RIGHT, WRONG = -1.0, 1.0
CERTAIN = 1e12  # a likelihood ratio


def words_on(stems: pa.Table, judged: np.ndarray, said: Mapping[str, str]) -> np.ndarray:
    """What was said of each row, of those that are judged ``(row,)``: ``RIGHT``, ``WRONG``, or 0 where nothing was.

    A stem that is to be used under another label is wrong under its own.
    """
    if not said:
        return np.zeros(len(stems))
    verdicts = {normal(name): verdict for name, verdict in said.items()}
    own = zip(stems["stem_id"].to_pylist(), stems["stem"].to_pylist(), strict=True)
    words = [(verdicts.get(normal(stem_id)), label) for stem_id, label in own]
    values = [0.0 if word is None else RIGHT if word in (KEEP, label) else WRONG for word, label in words]
    return np.where(judged, np.array(values), 0.0)


def with_words(
    share: Share | None, calibration: np.ndarray, judged: np.ndarray, planted: np.ndarray, words: np.ndarray
) -> Share | None:
    """The share with what is known of judged stems in it: the scores ``(n,)``, ``(m,)``, ``(k,)``, and the words ``(m,)``.

    By maximum likelihood, which holds where the stems were chosen by their scores; the interval reaches as far as it did,
    and to the new estimate. As it is where nothing was planted, and where nothing was said.
    """
    if share is None or share.injection is None or not words.any():
        return share

    densities = Densities(Sample.of(calibration), Sample.of(planted), judged)

    def estimate(strong: float | None) -> float:
        ratio = densities.ratio(strong)
        return injection(np.where(words == WRONG, CERTAIN, np.where(words == RIGHT, 0.0, ratio)))

    alike, part = estimate(None), densities.strong_part()
    fitted = estimate(part)
    found, strong = (fitted, part) if fitted < alike else (alike, None)
    return replace(share, estimate=found, strong=strong, low=min(share.low, found), high=max(share.high, found))


def learned(words: np.ndarray, fused: bool) -> dict[str, int]:
    """From how many stems that were called ``right`` and ``wrong`` the fusion learnt; none where there is no fusion."""
    return {"right": int(fused * (words == RIGHT).sum()), "wrong": int(fused * (words == WRONG).sum())}


def sentence(told: Mapping[str, Any] | None) -> str:
    """The summary's ``learned`` in words; "" where nothing was to be learnt."""
    if told is None:
        return ""
    if not told["right"] + told["wrong"]:
        return "nothing is learnt from your verdicts: none is of a scored stem, or there is no fusion to learn (one probe, or too few reference tracks)"
    return f"learnt from {told['right'] + told['wrong']} of your verdicts: {told['right']} stems right, {told['wrong']} wrong"
