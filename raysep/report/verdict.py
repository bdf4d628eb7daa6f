"""What may be said of a run: one object that the terminal, the page, `raysep decide`, `raysep status` and JSON all show.

It claims no more than the intervals do: an effect needs an interval on one side of zero and three seeds of each arm, a share
of wrong stems an interval that says something. Pure values and words; neither Ray nor torch nor a file is needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from raysep.report.numbers import NARROW, count, decibels, decimal, known, percent, span
from raysep.seeds import few_seeds

WIDEST = 0.4  # interval of a share that still says how many stems are wrong
LEVEL = 0.95  # of every interval, unless said otherwise
HELPED, HURT, UNCLEAR, UNMEASURED = "helped", "hurt", "unclear", "unmeasured"


@dataclass(frozen=True)
class Difference:
    """Mean SDR of one arm minus that of another, in dB, with its interval; ``None`` where a figure is not known."""

    arm: str | None = None
    over: str | None = None
    db: float | None = None
    low: float | None = None
    high: float | None = None
    seeds: int | None = None  # of the arm with fewer
    closed: float | None = None  # of the gap to clean training
    closed_low: float | None = None
    closed_high: float | None = None

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Difference:
        """From a dict of these names; what is no usable number counts as not known."""
        arm, over = (None if found.get(name) is None else str(found[name]) for name in ("arm", "over"))
        db, low, high, seeds = (_number(found.get(name)) for name in ("db", "low", "high", "seeds"))
        closed = [_number(found.get(name)) for name in ("closed", "closed_low", "closed_high")]
        return cls(arm, over, db, low, high, None if seeds is None else int(seeds), *closed)

    @property
    def one_sided(self) -> bool:
        """Whether the interval is known and does not hold zero."""
        return (self.low is not None and self.low > 0) or (self.high is not None and self.high < 0)

    @property
    def few(self) -> str:
        """``one seed`` or ``two seeds`` where it rests on no more, else nothing."""
        return few_seeds([] if self.seeds is None else [self.seeds])

    @property
    def effect(self) -> str:
        """``helped``, ``hurt``, ``unclear`` (the interval holds zero, there is none, or too few seeds) or ``unmeasured``."""
        if self.db is None:
            return UNMEASURED
        if not self.one_sided or self.few:
            return UNCLEAR
        return HELPED if self.db > 0 else HURT


@dataclass(frozen=True)
class Share:
    """The share of wrong stems. It is *known* only where ``why_not`` is empty; the numbers are shown for what they are."""

    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    why_not: str = "it was not estimated"

    @classmethod
    def of(cls, found: Mapping[str, Any], refusal: str = "") -> Share:
        """``estimate, low, high`` (shares), and why it must not be acted on ("" = it may)."""
        estimate, low, high = (_number(found.get(name)) for name in ("estimate", "low", "high"))
        if estimate is None or refusal:
            why = refusal or "it was not estimated"
        elif low is None or high is None:
            why = f"the estimate of {percent(estimate, 0)} has no interval"
        elif high - low > WIDEST:
            interval = span(low, high, lambda value: percent(value, 0))
            why = (
                f"the interval is {interval}, wider than {round(100 * WIDEST)} points; more reference tracks narrow it"
            )
        else:
            why = ""
        return cls(estimate, low, high, why)

    @property
    def known(self) -> bool:
        return not self.why_not


@dataclass(frozen=True)
class Counts:
    """What became of the stems of a corpus. ``None``: not recorded (runs of before)."""

    stems: int = 0
    kept: int = 0  # by the decision
    removed: int = 0  # by the decision; those that could not be read are not among them
    silent: int = 0  # kept or removed
    failed: int = 0  # could not be read
    kept_by_floor: int = 0  # of the kept
    relabelled: int | None = None  # of the removed: used under another label
    spared: int | None = None  # of the removed: used as they are, as their fault does no harm
    masked: int | None = None  # of the removed: used without the seconds that are wrong
    unseen: int | None = None  # of the removed: left out by such a handling, as nothing says where they are wrong
    restored: int | None = None  # of the removed: used as the separator restored them
    weighed: int | None = None  # of the removed: drawn more or less often than others instead
    left_out: int | None = None  # that could be read and are not used at all: what the handling leaves of the removed

    @classmethod
    def of(cls, summary: Mapping[str, Any]) -> Counts:
        """From ``summary.json``, which counts what could not be read among the removed."""
        told, handled = summary.get("counts") or {}, summary.get("handled") or {}
        numbers = {name: int(told.get(name) or 0) for name in ("stems", "kept", "silent", "failed", "kept_by_floor")}
        removed = max(0, int(told.get("removed") or 0) - numbers["failed"])
        used: dict[str, Any] = {name: handled.get(name) for name in _HANDLED}
        return cls(**numbers, removed=removed, **used)

    @property
    def out(self) -> int:
        """How many are not used; of a run that did not record it, the removed without those that are used otherwise."""
        if self.left_out is not None:
            return self.left_out
        return max(
            0, self.removed - sum(known or 0 for known in (self.relabelled, self.spared, self.masked, self.restored))
        )


_HANDLED = ("relabelled", "spared", "masked", "unseen", "restored", "weighed", "left_out")


@dataclass(frozen=True)
class Verdict:
    """All of it. ``sentences`` is what a person reads, ``to_dict`` what a program does."""

    counts: Counts = field(default_factory=Counts)
    share: Share = field(default_factory=Share)
    gain: Difference = field(default_factory=Difference)  # of the cleaned arm over the corpus as it was
    reference_alone: Difference = field(default_factory=Difference)  # over the cleaned arm
    none_removed: str = ""  # why no stem that could be heard is removed; "" where one is
    none_removed_by: str = ""  # floor, threshold, rate, clean, refused, or "" where it is not known
    unchosen: str = ""  # why the handling uses none of the removed stems otherwise; "" where it does, or never would
    level: float = LEVEL

    @classmethod
    def of(
        cls,
        summary: Mapping[str, Any],
        gain: Mapping[str, Any] | None = None,
        reference_alone: Mapping[str, Any] | None = None,
    ) -> Verdict:
        """From ``summary.json`` and, where arms were compared, what ``results`` measured."""
        found = dict(summary.get("share") or {})
        refusal = ""
        if summary.get("estimated_share") is None:
            refusal = str(summary.get("warning") or "it was not estimated")
        return cls(
            counts=Counts.of(summary),
            share=Share.of(found, refusal),
            gain=Difference.of(gain or {}),
            reference_alone=Difference.of(reference_alone or {}),
            none_removed=str(summary.get("none_removed") or ""),
            none_removed_by=str(summary.get("none_removed_by") or ""),
            unchosen=str((summary.get("handled") or {}).get("unchosen") or ""),
        )

    @property
    def effect(self) -> str:
        return self.gain.effect

    @property
    def reference_is_better(self) -> bool:
        """Whether training on the reference alone is above training on the cleaned corpus, by its mean."""
        return self.reference_alone.db is not None and self.reference_alone.db > 0

    @property
    def sentences(self) -> tuple[str, ...]:
        """What is known, in the order in which a person asks: did it help, is there better, how many, which, why none."""
        told = (
            self.effect_sentence,
            self.reference_sentence,
            self.share_sentence,
            self.counts_sentence,
            self.unchosen_sentence,
            self.none_sentence,
        )
        return tuple(sentence for sentence in told if sentence)

    @property
    def effect_sentence(self) -> str:
        """What cleaning did to separation; empty when it was not measured."""
        gain = self.gain
        words = {
            HELPED: "Cleaning helped: {db} SDR over {over} ({interval}).",
            HURT: "Cleaning hurt: {db} SDR against {over} ({interval}).",
            UNCLEAR: "No clear effect on separation: {db} SDR against {over} ({interval}).",
            UNMEASURED: "",
        }[self.effect]
        if self.effect == UNCLEAR and gain.few:
            words = "Not clear yet whether cleaning helps: {db} SDR against {over} with {few}; a verdict needs three ({interval})."
        return words.format(
            db=decibels(gain.db, signed=True),
            over=gain.over or "the corpus as it was",
            interval=self.interval_of(gain),
            few=gain.few,
        )

    @property
    def reference_sentence(self) -> str:
        """Says so when the reference alone gives a better separator than the cleaned corpus, and what to do; else empty."""
        alone = self.reference_alone
        if not self.reference_is_better:
            return ""
        rest = f", with {alone.few}" if alone.few else ""
        doubt = "" if alone.one_sided else ": not told from equal"
        return (
            f"The reference alone is above the cleaned corpus{rest}: {decibels(alone.db, signed=True)} SDR "
            f"({self.interval_of(alone)}{doubt}). Use the reference as it is."
        )

    @property
    def share_sentence(self) -> str:
        if not self.counts.stems:
            return ""
        share = self.share
        if not share.known:
            return f"How many stems are wrong is not known: {share.why_not}."
        interval = span(share.low, share.high, lambda value: percent(value, 0))
        return f"About {percent(share.estimate, 0)} of the stems look wrong ({self.level_words} interval {interval})."

    @property
    def counts_sentence(self) -> str:
        """How many were removed, and what else became of the stems."""
        counts = self.counts
        if not counts.stems:
            return "Nothing has been judged yet."
        one = counts.spared == 1
        otherwise = [
            (counts.relabelled, "used under another label"),
            (
                counts.spared,
                f"kept although {'it looks' if one else 'they look'} wrong, since what is wrong does no harm",
            ),
            (counts.masked, "used without the seconds that are wrong"),
            (counts.restored, "used without what the separator takes for other labels"),
            (counts.weighed, "drawn by their weight although they look wrong"),
        ]
        rest = [
            (counts.unseen, "of the removed left out whole, as nothing says where they are wrong"),
            (counts.kept_by_floor, "more kept by the floor"),
            (counts.silent, "silent"),
            (counts.failed, "could not be read"),
        ]
        words = [f"{count(counts.out)} of {count(counts.stems)} stems removed", *_counted(otherwise)]
        return "; ".join([", ".join(words), *_counted(rest)]) + "."

    @property
    def unchosen_sentence(self) -> str:
        return _sentence(self.unchosen)

    @property
    def none_sentence(self) -> str:
        words = self.none_removed
        if self.counts.out:  # silent ones: without this the line before would be contradicted
            words = words.replace("no stem is removed", "no stem that can be heard is removed", 1)
        return _sentence(words)

    @property
    def level_words(self) -> str:
        return f"{100 * self.level:g}{NARROW}%"

    def interval_of(self, difference: Difference) -> str:
        """A difference's interval in words, or that there is none to judge it by."""
        if difference.low is None and difference.high is None:
            return "without an interval to judge it by"
        ends = span(difference.low, difference.high, lambda value: decimal(value, 2, signed=True))
        words = f"{self.level_words} interval {ends}{NARROW}dB"
        return f"{words}, over tracks with one training each" if difference.seeds == 1 else words

    def to_dict(self) -> dict[str, Any]:
        """Plain values; ``docs/json.md`` describes them."""
        return {
            "effect": self.effect,
            **{name: asdict(getattr(self, name)) for name in ("gain", "reference_alone")},
            "reference_is_better": self.reference_is_better,
            "share": {"known": self.share.known, **asdict(self.share)},
            "counts": asdict(self.counts),
            "none_removed": self.none_removed or None,
            "none_removed_by": self.none_removed_by or None,
            "unchosen": self.unchosen or None,
            "level": self.level,
            "sentences": [plain(sentence) for sentence in self.sentences],
        }


def plain(sentence: str) -> str:
    """A sentence for a terminal, a log or a program: ordinary blanks and minus signs."""
    return sentence.replace(NARROW, " ").replace("−", "-")


def _counted(what: Iterable[tuple[int | None, str]]) -> list[str]:
    """ "3 silent" of (3, "silent"); of what there is none, nothing."""
    return [f"{count(number)} {words}" for number, words in what if number]


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:].removesuffix(".") + "." if words else ""


def _number(value: Any) -> float | None:
    return float(value) if known(value) else None
