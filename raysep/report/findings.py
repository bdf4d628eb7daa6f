"""What the report's data say, before any markup: counts, thresholds, the verdict, and what was not measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from raysep.report.data import ReportData, Row
from raysep.report.decided import PLACES, Decided
from raysep.report.numbers import known
from raysep.report.verdict import LEVEL, UNMEASURED, Difference, Share, Verdict
from raysep.report.verdict import Counts as Judged


@dataclass(frozen=True)
class Counts:
    """How many stems of one label (or of all) ended where; the first four add up to ``total``."""

    kept: int = 0
    removed: int = 0  # judged and set aside
    silent: int = 0
    failed: int = 0

    @property
    def total(self) -> int:
        return self.kept + self.removed + self.silent + self.failed


def counts_by_label(decided: Decided) -> dict[str, Counts]:
    """Label → counts, in order of first appearance."""
    return {label: _counted(decided.place[decided.label == label]) for label in decided.labels}


def counts_of(decided: Decided) -> Counts:
    return _counted(decided.place)


def _counted(places: np.ndarray) -> Counts:
    return Counts(*np.bincount(places, minlength=len(PLACES)).tolist())


def threshold_of(data: ReportData, label: str, kept: Sequence[float], removed: Sequence[float]) -> float | None:
    """The suspicion from which stems of ``label`` were set aside: as given, or the middle of the gap between the two.

    ``None`` when the decision does not follow suspicion alone (a floor, a ratio over several labels), or took nothing.
    """
    given = data.summary.get("threshold")
    given = given.get(label) if isinstance(given, Mapping) else given
    if known(given):
        return float(given)
    if len(kept) and len(removed) and (low := float(np.max(kept))) <= (high := float(np.min(removed))):
        return (low + high) / 2
    return None


def share_of(data: ReportData) -> Row:
    """The estimated share as a dict, empty when there is no estimate and nothing to say about it."""
    share = data.summary.get("share")
    return {"estimate": share} if known(share) else dict(share or {})


def doubtful(share: Row) -> bool:
    """Whether the estimate comes with a warning, or from calibration stems that cannot stand for the corpus."""
    exchangeable = share.get("exchangeable")
    return bool(share.get("warning")) or (exchangeable is not None and not exchangeable)


def gain_of(data: ReportData) -> Row:
    """The measured effect; without one, the plain difference of the two arms' means, which has no interval."""
    gain = data.summary.get("gain")
    if known(gain):
        gain = {"db": gain}
    gain = {"arm": data.summary.get("cleaned"), "over": data.summary.get("baseline"), **(gain or {})}
    if known(gain.get("db")):
        return gain
    means = {row.get("arm"): row.get("sdr_mean") for row in data.results}
    cleaned, baseline = means.get(gain["arm"]), means.get(gain["over"])
    return {**gain, "db": cleaned - baseline} if known(cleaned) and known(baseline) else {}


def one_seed(data: ReportData) -> bool:
    """Whether every arm was trained once, so that no interval can hold the noise between trainings."""
    return bool(data.results) and all(row.get("seeds") == 1 for row in data.results)


def few(data: ReportData, difference: Row) -> str:
    """``one seed`` or ``two seeds`` where that is all that a difference of two arms rests on, else nothing."""
    return _difference(data, difference).few


def _difference(data: ReportData, found: Row) -> Difference:
    """With the seeds of its arms, where it does not say them itself."""
    arms = [row for row in data.results if row.get("arm") in (found.get("arm"), found.get("over"))]
    seeds = [row["seeds"] for row in arms if known(row.get("seeds"))]
    return Difference.of({"seeds": min(seeds, default=None), **found})


def level_of(data: ReportData) -> str:
    return verdict(data).level_words


def verdict(data: ReportData) -> Verdict:
    """What the run's own verdict is, or else one by the same rules from what the report was given."""
    if data.judged:
        return data.judged
    share, counts, level = share_of(data), counts_of(data.decided), data.summary.get("level")
    refusal = ""
    if doubtful(share) or not known(share.get("estimate")):
        refusal = str(share.get("warning") or "there was no calibration to estimate it from")
    why = data.summary.get("none_removed")
    return Verdict(
        counts=Judged(counts.total, counts.kept + counts.silent, counts.removed, counts.silent, counts.failed),
        share=Share.of(share, refusal),
        gain=_difference(data, gain_of(data)),
        reference_alone=_difference(data, data.summary.get("reference_alone") or {}),
        none_removed=str(why) if why else "",
        level=float(level) if known(level) else LEVEL,
    )


def sentences(data: ReportData) -> list[str]:
    """The caller's sentence, or else what the verdict says; at least one."""
    return [data.verdict] if data.verdict else list(verdict(data).sentences)


def verdict_of(data: ReportData) -> str:
    """The same in one."""
    return " ".join(sentences(data))


def reference_sentence(data: ReportData) -> str:
    """Says so when the reference alone gives a better separator than the cleaned corpus, and what to do; else empty."""
    return verdict(data).reference_sentence


def unmeasured(data: ReportData) -> list[str]:
    """What a reader may look for and will not find, each with the reason."""
    notes = []
    if not data.results:
        why = "nothing was retrained and tested yet" if data.run.get("test") else "no test set was given"
        notes.append(f"The effect on separation: {why}, so no separator was compared.")
    elif verdict(data).effect == UNMEASURED:
        notes.append("The gain from cleaning: the results do not hold both a cleaned arm and the baseline.")
    if not known(share_of(data).get("estimate")):
        notes.append(
            "The share of corrupt stems: it needs calibration stems from the reference set that can be exchanged with"
            " the corpus; without them the stems are ranked, not counted."
        )
    if len(data.decided) and not np.isfinite(data.decided.p_corrupt).any():
        notes.append("The probability that a given stem is corrupt, for the same reason.")
    if not data.detection:
        notes.append("Detection curves: they need a table of the true faults, which a real corpus does not have.")
    return notes


def most_suspect(data: ReportData, number: int) -> list[Row]:
    """The given suspects, or else the decision's most suspicious scored stems; the worst first."""
    if suspects := [row for row in data.suspects if row.get("group") != "changed"]:
        return suspects[:number]
    return data.decided.worst(np.flatnonzero(data.decided.audible), number)
