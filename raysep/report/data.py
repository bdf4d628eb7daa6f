"""What the report is told: plain Python values, so that any stage, notebook or test can fill them in.

Everything but the title may be missing. A missing part is named in the report as not measured, never drawn as zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from raysep.report.decided import Decided
from raysep.report.verdict import Verdict

if TYPE_CHECKING:
    import pyarrow as pa

    from raysep.report.reviewed import Review

Row = dict[str, Any]


@dataclass(frozen=True)
class Outline:
    """The lowest and the highest sample of each column of a sound, full scale = 1, over ``seconds``."""

    low: list[float]
    high: list[float]
    seconds: float


@dataclass(frozen=True)
class Take:
    """One sound that belongs to a stem: itself, its mixture, a trusted one; with its pictures on one axis of time."""

    name: str
    source: str  # a ``data:audio/…`` address, or a path of the server's
    start: float  # seconds in the whole sound at which it begins
    outline: Outline
    spectrogram: bytes = b""  # PNG; empty = none
    ticks: tuple[tuple[str, float], ...] = ()  # frequency, and its height in the spectrogram, 0 … 1 from below
    span: tuple[float, float] | None = None  # what is marked, seconds in the whole sound
    about: str = ""  # whose it is, or what is missing in it


@dataclass(frozen=True)
class Place:
    """Where an excerpt lies in the whole stem."""

    outline: Outline
    start: float  # seconds
    stop: float


@dataclass(frozen=True)
class Listing:
    """Every stem of the corpus, column by column, for the page's table; the texts of few values are numbers into a list."""

    columns: dict[str, list[Any]]  # of one length: track, label, suspicion, p, place, fate, kind, evidence, file
    tracks: list[str]
    labels: list[str]
    kinds: list[str]
    fates: list[str]  # what becomes of a stem, in words
    root: str  # what all files begin with
    run: str = ""  # the run, as a command names it
    key: str = ""  # of the run, under which a browser keeps the verdicts
    left_out: int = 0  # the least suspect ones, where there are more than a page holds
    said: tuple[tuple[str, str, str], ...] = ()  # stem_id, verdict, note: those that a page begins with


@dataclass(frozen=True)
class ReportData:
    """The content of one report. Numbers may be Python or numpy scalars; ``None`` and NaN mean *not known*.

    ``summary`` keys, all optional; any further key is listed under "How it was made":

    - ``share``: the estimated contamination, ``None`` when it could not be estimated, else a dict with ``estimate``,
      ``low``, ``high``, ``storey``, ``bbe`` (shares in 0..1), ``exchangeable`` (bool) and ``warning`` (text);
    - ``gain``: the measured effect, a dict with ``db``, ``low``, ``high`` (SDR in dB, positive = cleaning helped),
      ``arm`` and ``over`` (the two arms compared), ``seeds`` (of the arm with fewer) and ``closed``, ``closed_low``, ``closed_high`` (share of the gap to
      clean training that was closed);
    - ``reference_alone``: likewise, training on the reference alone against the cleaned arm (``db``, ``low``, ``high``, ``seeds``);
    - ``silence``: which test stems are silent and in no SDR, as a sentence;
    - ``tracks``: what the arms were tested on, in words ("test tracks" unless given);
    - ``baseline`` and ``cleaned``: arm names, used to mark rows of ``results`` (``gain`` names them too);
    - ``rule`` and ``handling``: how stems were chosen and what was done with them, as text;
    - ``threshold``: suspicion from which a stem was set aside, one number or one per label; found from the decision
      when absent;
    - ``level``: confidence of every interval, 0.95 unless given.
    """

    title: str
    verdict: str = ""  # one sentence; what the verdict says when empty
    judged: Verdict | None = None  # what may be said of the run; made from the summary when it is not given
    run: Row = field(default_factory=dict)  # provenance and configuration; nested dicts are flattened
    summary: Row = field(default_factory=dict)
    # arm, sdr_mean, low, high (dB), per_label {label: dB}, seeds, stems; further keys become columns
    results: list[Row] = field(default_factory=list)
    # stem_id, stem (label), suspicion, p_corrupt, keep; optional: track, outcome, reason, weight; or a table of these columns
    decision: Sequence[Row] | pa.Table = field(default_factory=list)
    # roc {name: [(false positive rate, true positive rate), …]}, auroc [{group, name, auroc, low, high, …}], any figure
    detection: Row | None = None
    # stem_id, stem, suspicion, p_corrupt, reason; optional: track, group (changed, suspect, doubtful, kept), place (kept, removed),
    # evidence [sentence, …], kind (what it looks like), harm, used (as what), price (what it costs or brings), path, takes [Take, …], where (Place), worst
    # (what is marked, in words), note; the suspects first, and of them the worst
    suspects: list[Row] = field(default_factory=list)
    listing: Listing | None = None  # of all stems, for the table that sorts, filters and searches
    unheard: str = ""  # a sentence on what is missing among the sounds
    served: bool = False  # by `raysep listen`, which gives the sounds when they are asked for
    stages: list[Row] = field(default_factory=list)  # name, seconds; further keys become columns
    memory_gib: float | None = None  # peak, GiB
    failures: list[Row] = field(default_factory=list)  # stem_id, error, message
    # of a search by retraining: rows (as tune.parquet), found (sentences), or stale (why it is not shown)
    tuning: Row | None = None
    review: Review | None = None  # what a person's verdicts changed, on the page of a decision with them in it

    @cached_property
    def decided(self) -> Decided:
        """The decision by column, whichever it was given as."""
        return Decided.of(self.decision)
