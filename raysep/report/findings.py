"""What the report's data say, before any markup: counts, thresholds, the verdict, and what was not measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from raysep.evaluation.compare import few_seeds
from raysep.outcome import Outcome
from raysep.report.data import ReportData, Row
from raysep.report.numbers import NARROW, count, decibels, decimal, known, percent, span


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

    def plus(self, name: str) -> Counts:
        return replace(self, **{name: getattr(self, name) + 1})


def place(row: Mapping[str, Any]) -> str:
    """Where a decision row belongs: ``kept``, ``removed``, ``silent`` or ``failed``.

    A silent stem that the decision removed counts as removed: it is set aside like any other.
    """
    outcome = str(row.get("outcome") or Outcome.SCORED)
    if outcome.startswith(Outcome.FAILED):
        return Outcome.FAILED
    keep = row.get("keep")
    if keep is not None and not keep:
        return "removed"
    return Outcome.SILENT if outcome == Outcome.SILENT else "kept"


def counts_by_label(rows: list[Row]) -> dict[str, Counts]:
    """Label → counts, in order of first appearance."""
    counts: dict[str, Counts] = {}
    for row in rows:
        label = str(row.get("stem", ""))
        counts[label] = counts.get(label, Counts()).plus(place(row))
    return counts


def counts_of(rows: list[Row]) -> Counts:
    total = Counts()
    for row in rows:
        total = total.plus(place(row))
    return total


def threshold_of(data: ReportData, label: str, kept: list[float], removed: list[float]) -> float | None:
    """The suspicion from which stems of ``label`` were set aside: as given, or the middle of the gap between the two.

    ``None`` when the decision does not follow suspicion alone (a floor, a ratio over several labels), or took nothing.
    """
    given = data.summary.get("threshold")
    given = given.get(label) if isinstance(given, Mapping) else given
    if known(given):
        return float(given)
    if kept and removed and max(kept) <= min(removed):
        return (max(kept) + min(removed)) / 2
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


def effect(gain: Row) -> str:
    """``helped``, ``hurt``, ``unclear`` (the interval holds zero, or there is none) or ``unmeasured``."""
    if not known(gain.get("db")):
        return "unmeasured"
    low, high = gain.get("low"), gain.get("high")
    if known(low) and low > 0:
        return "helped"
    if known(high) and high < 0:
        return "hurt"
    return "unclear"


def one_seed(data: ReportData) -> bool:
    """Whether every arm was trained once, so that no interval can hold the noise between trainings."""
    return bool(data.results) and all(row.get("seeds") == 1 for row in data.results)


def few(data: ReportData, difference: Row) -> str:
    """``one seed`` or ``two seeds`` where that is all that a difference of two arms rests on, else nothing."""
    arms = [row for row in data.results if row.get("arm") in (difference.get("arm"), difference.get("over"))]
    counts = [difference["seeds"]] if known(difference.get("seeds")) else [row.get("seeds") for row in arms]
    return few_seeds(int(number) for number in counts if known(number))


def level_of(data: ReportData) -> str:
    level = data.summary.get("level")
    return f"{100 * (level if known(level) else 0.95):g}{NARROW}%"


def interval_of(data: ReportData, gain: Row) -> str:
    """The gain's interval in words, or that there is none to judge it by."""
    low, high = gain.get("low"), gain.get("high")
    if not (known(low) or known(high)):
        return "without an interval to judge it by"
    words = f"{level_of(data)} interval {span(low, high, lambda value: decimal(value, 2, signed=True))}{NARROW}dB"
    return f"{words}, over tracks with one training each" if one_seed(data) else words


def verdict_of(data: ReportData) -> str:
    """The caller's sentence, or one composed from the summary that claims no more than the intervals allow."""
    if data.verdict:
        return data.verdict
    counts = counts_of(data.decision)
    share = share_of(data).get("estimate")
    if known(share):
        second = f"About {percent(share, 0)} of the stems look corrupt; {count(counts.removed)} of"
        second += f" {count(counts.total)} were set aside."
    elif counts.removed:
        second = f"{count(counts.removed)} of {count(counts.total)} stems were set aside."
    elif counts.total:
        second = f"{count(counts.total)} stems were ranked by suspicion; none was set aside."
    else:
        second = "Nothing has been judged yet."
    return " ".join(part for part in (effect_sentence(data), reference_sentence(data), second) if part)


def effect_sentence(data: ReportData) -> str:
    """What cleaning did to separation, and by how many seeds that is known; empty when it was not measured."""
    gain = gain_of(data)
    sentences = {
        "helped": "Cleaning helped{few}: {db} SDR over {over} ({interval}).",
        "hurt": "Cleaning hurt{few}: {db} SDR against {over} ({interval}).",
        "unclear": "No clear effect on separation: {db} SDR against {over} ({interval}).",
        "unmeasured": "",
    }
    return sentences[effect(gain)].format(
        few=f", with {few(data, gain)} (a verdict needs three)" if few(data, gain) else "",
        db=decibels(gain.get("db"), signed=True),
        over=gain.get("over") or "the corpus as it was",
        interval=interval_of(data, gain),
    )


def reference_sentence(data: ReportData) -> str:
    """Says so when the reference alone gives a better separator than the cleaned corpus, and what to do; else empty."""
    alone = data.summary.get("reference_alone") or {}
    if not (known(alone.get("db")) and alone["db"] > 0):
        return ""
    surely = effect(alone) == "helped"
    rest = few(data, alone) if surely else ""
    return (
        f"The reference alone is above the cleaned corpus{f', with {rest}' if rest else ''}: "
        f"{decibels(alone['db'], signed=True)} SDR ({interval_of(data, alone)}{'' if surely else ': not told from equal'}). "
        "Use the reference as it is."
    )


def unmeasured(data: ReportData) -> list[str]:
    """What a reader may look for and will not find, each with the reason."""
    notes = []
    if not data.results:
        notes.append("The effect on separation: no test set was given, so no separator was compared.")
    elif effect(gain_of(data)) == "unmeasured":
        notes.append("The gain from cleaning: the results do not hold both a cleaned arm and the baseline.")
    if not known(share_of(data).get("estimate")):
        notes.append(
            "The share of corrupt stems: it needs calibration stems from the reference set that can be exchanged with"
            " the corpus; without them the stems are ranked, not counted."
        )
    if data.decision and not any(known(row.get("p_corrupt")) for row in data.decision):
        notes.append("The probability that a given stem is corrupt, for the same reason.")
    if not data.detection:
        notes.append("Detection curves: they need a table of the true faults, which a real corpus does not have.")
    return notes


def most_suspect(data: ReportData, number: int) -> list[Row]:
    """The given suspects, or else the decision's most suspicious scored stems; the worst first."""
    if data.suspects:
        return data.suspects[:number]
    scored = [row for row in data.decision if known(row.get("suspicion")) and place(row) in ("kept", "removed")]
    return sorted(scored, key=lambda row: (-row["suspicion"], str(row.get("stem_id"))))[:number]
