"""A run as it is with a person's verdicts in its decision, and what they changed: told in a terminal, and on a page of its own.

The run's own files stay as they are. What was proven of its own decision is not said of the new one.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from raysep.corpus.names import normal
from raysep.decision.handling.fate import fate, used_in
from raysep.decision.handling.reading import Rows, rows_of
from raysep.report.markup import Column, note, section, stem_name, table, text
from raysep.report.numbers import count, known, probability
from raysep.report.verdict import Verdict
from raysep.rundir import Run

if TYPE_CHECKING:
    from raysep.corpus.manifest import Stem
    from raysep.decision.by_hand import Said
    from raysep.report.data import ReportData

HANGS = ("decision.parquet", "cleaned.parquet", "summary.json", "run.json")  # on the decision, and told anew
PROVEN = ("results.parquet", "tune.json")  # of the run's own decision
LEAD = "Your word stands above the rule. The others are judged again with what it teaches, unless you said otherwise."
LISTED = 200  # changed stems on the page; all of them are in --json


class Change(NamedTuple):
    """What became of one stem, of which something was said or which is judged otherwise."""

    stem_id: str
    track: str
    stem: str
    verdict: str  # keep, remove, a label, or "" where nothing was said of it
    before: str  # as ``fate`` has it
    after: str
    p_before: float | None
    p_after: float | None

    @property
    def otherwise(self) -> bool:
        return self.before != self.after


@dataclass(frozen=True)
class Review:
    """What a person's verdicts changed."""

    file: str  # the verdicts, as given
    said: Sequence[Said]
    changes: Sequence[Change]
    before: Verdict  # of the run's own decision
    after: Verdict
    run: str  # whose decision it was, and where the new one and what is used by it lie, as a command names them
    decision: str
    manifest: str

    @property
    def named(self) -> list[Change]:
        """The stems that something was said of."""
        return [change for change in self.changes if change.verdict]

    @property
    def others(self) -> list[Change]:
        """Those that are judged otherwise though nothing was said of them."""
        return [change for change in self.changes if not change.verdict]

    @property
    def next_commands(self) -> list[str]:
        """What to do with it: train on what is used, or take it elsewhere."""
        manifest, decision, run = (shlex.quote(place) for place in (self.manifest, self.decision, self.run))
        return [
            f"raysep train {manifest} --out runs/mine --test TEST",
            f"raysep export {run} --decision {decision} --to cleaned --form msst",
        ]


class Reviewed(Run):
    """The folder of a run with another decision in it, to be read like any other; nothing of it is written."""

    def __init__(
        self, run: Run, decision: pa.Table, used: Sequence[Stem], summary: Mapping[str, Any], words: str
    ) -> None:
        super().__init__(run.root)
        record = run.read_json("run.json")
        stages = record.get("stages", {})
        decided = {**stages.get("decide", {}), "handling": words, "otherwise": ""}
        self._records = {"summary.json": dict(summary), "run.json": {**record, "stages": {**stages, "decide": decided}}}
        cleaned = {"stem_id": [stem.stem_id for stem in used], "stem": [stem.stem for stem in used]}
        self._tables = {"decision.parquet": decision, "cleaned.parquet": pa.table(cleaned)}

    def has(self, *parts: str) -> bool:
        return parts[0] in HANGS or (parts[0] not in PROVEN and super().has(*parts))

    def read_json(self, *parts: str) -> Any:
        found = self._records.get(parts[0])
        return super().read_json(*parts) if found is None else dict(found)

    def read_table(self, *parts: str) -> pa.Table:
        found = self._tables.get(parts[0])
        return super().read_table(*parts) if found is None else found


# What changed --------------------------------------------------------------------------------------------------------


def changes(run: Run, reviewed: Run, said: Sequence[Said]) -> list[Change]:
    """The stems that were named, in their order, then those that are judged otherwise, what changed most first."""
    was, now = (rows_of(each.read_table("decision.parquet")) for each in (run, reviewed))
    used_before, used_after = used_in(run), used_in(reviewed)

    def change(stem_id: str, verdict: str) -> Change:
        before, after = was[stem_id], now[stem_id]
        fates = fate(before, used_before), fate(after, used_after)
        chances = before["p_corrupt"], after["p_corrupt"]
        return Change(after["stem_id"], after["track"], after["stem"], verdict, *fates, *chances)

    words = {normal(each.stem_id): each.verdict for each in said}
    named = [change(stem_id, verdict) for stem_id, verdict in words.items() if stem_id in now and stem_id in was]
    others = [change(stem_id, "") for stem_id in _otherwise(run, reviewed, was, now) if stem_id not in words]
    others.sort(key=lambda each: (-abs((each.p_after or 0.0) - (each.p_before or 0.0)), each.stem_id))
    return [*named, *(each for each in others if each.otherwise)]


def _otherwise(run: Run, reviewed: Run, was: Rows, now: Rows) -> list[str]:
    """The stems of both decisions that are kept or used otherwise: of a million no row is made but theirs."""
    ids = now.columns["stem_id"]
    ids = ids.filter(pc.is_in(ids, value_set=was.columns["stem_id"]))
    kept = [_beside(ids, rows.columns["stem_id"], rows.columns["keep"]) for rows in (was, now)]
    used = [_used(ids, folder).fill_null("") for folder in (run, reviewed)]
    found: list[str] = ids.filter(pc.or_(pc.not_equal(*kept), pc.not_equal(*used))).to_pylist()
    return found


def _beside(ids: pa.Array, names: pa.Array, values: pa.Array) -> pa.Array:
    """Of each of ``ids`` the value that stands beside its name; null where there is none."""
    return values.take(pc.index_in(ids, value_set=names))


def _used(ids: pa.Array, run: Run) -> pa.Array:
    """The label that each is used as; null where it is not."""
    if not run.has("cleaned.parquet"):
        return pa.nulls(len(ids), pa.string())
    cleaned = run.read_table("cleaned.parquet")
    names, labels = (
        pc.utf8_normalize(cleaned[name].combine_chunks().cast(pa.string()), "NFC") for name in ("stem_id", "stem")
    )
    return _beside(ids, names, labels)


# On the page ---------------------------------------------------------------------------------------------------------


def sentences(review: Review | None) -> list[str]:
    """What the page says first; nothing on the page of a run's own decision."""
    if review is None:
        return []
    verdicts = f"{count(len(review.named))} {'verdict' if len(review.named) == 1 else 'verdicts'}"
    others = f"{count(len(review.others))} other {'stem is' if len(review.others) == 1 else 'stems are'}"
    return [f"With your {verdicts} in it: {others} judged otherwise than before."]


def changed(data: ReportData) -> str:
    """The section "What did your verdicts change?"; empty on the page of a run's own decision."""
    review = data.review
    if review is None:
        return ""
    shown = review.changes[:LISTED]
    columns = [Column("Stem"), Column("Your verdict"), Column("Before"), Column("Now")]
    columns += [Column("P(corrupt) before", "number"), Column("now", "number")]
    rows = [
        [
            stem_name(each._asdict()),
            text(each.verdict or "–"),
            text(each.before),
            text(each.after),
            *map(_chance, each[6:]),
        ]
        for each in shown
    ]
    body = table(
        "The stems that you named, then the others that are judged otherwise, what changed most first", columns, rows
    )
    if len(review.changes) > LISTED:
        body += note(f"{count(len(review.changes) - LISTED)} more: raysep review … --json lists all of them.")
    body += _before_and_after("How many are wrong", review.before.share_sentence, review.after.share_sentence)
    body += _before_and_after("What is done", review.before.counts_sentence, review.after.counts_sentence)
    commands = "".join(f"<li><code>{text(line)}</code></li>" for line in review.next_commands)
    body += f'<p class="soft">It was not trained on yet. Next:</p><ul>{commands}</ul>'
    return section("review", "What did your verdicts change?", body, LEAD)


def _before_and_after(what: str, before: str, after: str) -> str:
    if before == after:
        return f"<p><b>{what}</b>, as before: {text(after)}</p>"
    return f"<p><b>{what}</b>, before: {text(before)} Now: {text(after)}</p>"


def _chance(value: float | None) -> str:
    return probability(value) if known(value) else ""
