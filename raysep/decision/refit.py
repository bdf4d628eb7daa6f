"""What a person's word on stems teaches: more examples for the fusion, and stems of which the truth is known.

Those that one listens to are the most suspect ones, not stems like the rest. So they are

- *examples* of the fusion: right ones beside the calibration stems, wrong ones beside the planted (``fusion.example_weights``),
  and a stem is still never scored by a model that was fitted on its own track;
- *no calibration*: the spread of the clean, the p-values, both densities and the guard go by the same stems as before;
- *known* in the share: for a stem that was called wrong, or right, that counts in place of its P(corrupt). Were they left out, what
  remains would look cleaner than it is, since the top of the list is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from raysep.corpus.names import normal
from raysep.decision.handling.by_word import KEEP
from raysep.decision.local_fdr import likelihood_ratio, posterior
from raysep.decision.share import Share

RIGHT, WRONG = -1.0, 1.0


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

    However they were estimated, their mean P(corrupt) moves by what a word says instead of it: by at most one stem for each, and
    by nothing on average where P(corrupt) is right and the stems were chosen by their scores. The interval reaches as far as
    it did, and to the new estimate. As it is where nothing was planted, and where nothing was said.
    """
    if share is None or share.injection is None or not words.any():
        return share
    ratio = likelihood_ratio(calibration, planted, judged, share.strong)
    news = np.where(words == 0, 0.0, (words == WRONG) - posterior(ratio, share.estimate))
    found = float(np.clip(share.estimate + news.mean(), 0.0, 1.0))
    return replace(share, estimate=found, low=min(share.low, found), high=max(share.high, found))


def learned(words: np.ndarray, fused: bool) -> dict[str, int]:
    """From how many stems that were called ``right`` and ``wrong`` the fusion learnt; none where there is no fusion."""
    return {"right": int(fused * (words == RIGHT).sum()), "wrong": int(fused * (words == WRONG).sum())}


def sentence(told: Mapping[str, Any] | None) -> str:
    """The summary's ``learned`` in words; "" where nothing was to be learnt."""
    if told is None:
        return ""
    if not told["right"] + told["wrong"]:
        return "nothing is learnt from your verdicts: none is of a scored stem, or there is no fusion to learn (one probe, or too few reference tracks)"
    right = f"{told['right']} {'stem' if told['right'] == 1 else 'stems'} right"
    return f"learnt from {told['right'] + told['wrong']} of your verdicts: {right}, {told['wrong']} wrong"
