"""A person's verdicts in a run's decision: read, obeyed, learnt from, written beside the run's own, and shown."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pyarrow as pa

from raysep import own_verdicts
from raysep.again import Again, Outputs, beside, judge_again
from raysep.corpus import outputs, storage
from raysep.corpus.names import normal
from raysep.decision.by_hand import spelt_as_in
from raysep.errors import BadInput
from raysep.report import page as pages
from raysep.report.reviewed import Change, Review, Reviewed, changes
from raysep.report.verdict import Verdict, plain
from raysep.rundir import Run

COMMAND = "review"
NEEDS = ("decision.parquet", "stems.parquet", "manifest.parquet", "summary.json")  # in the run
DEFAULT = "reviewed.parquet"  # in the run
MARK = b"<!-- raysep review -->"  # at the end of a page that this command made, and may replace
SHOWN = 10  # stems of each list in the terminal
SCHEMA = pa.schema(
    [
        ("stem_id", pa.string()),
        ("track", pa.string()),
        ("stem", pa.string()),
        ("verdict", pa.string()),  # your own; null = nothing was said of it
        ("before", pa.string()),  # what became of it, as `raysep suspects` says it
        ("after", pa.string()),
        ("p_before", pa.float64()),
        ("p_after", pa.float64()),
    ]
)


def how_to_begin(run: Run, name: str) -> list[str]:
    """What a person does who has said nothing yet."""
    quoted = shlex.quote(name)
    page = f"   (or open {run.path('report.html')})" if run.has("report.html") else ""
    return [
        f"listen, and say keep, remove or a label: raysep listen {quoted}{page}",
        f"the page downloads verdicts.csv; then: raysep review {quoted} verdicts.csv",
    ]


def refuse_without_verdicts(run: str, **given: Any) -> None:
    """Raise ``BadInput`` for an option that says what to do with verdicts, where there are none."""
    if named := [name for name, value in given.items() if value]:
        raise BadInput(
            f"--{named[0]}: comes with verdicts: raysep review {run} VERDICTS.csv; `raysep listen {run}` gives the page that "
            "writes them"
        )


def review(
    run: Run, verdicts: str, out: str | None = None, *, refit: bool = True, overwrite: bool = False
) -> tuple[Review, Again, str]:
    """What the verdicts change, the decision with them in it, and where its page is; all three are written.

    Raises ``BadInput`` for a file that says nothing of this run's stems, ``RunConflict`` for an output that is somebody else's;
    then nothing is written.
    """
    out = out or run.path(DEFAULT)
    places = Outputs.tried(out, None, overwrite, COMMAND)
    page = re.sub(r"\.(parquet|csv)$", "", out, flags=re.IGNORECASE) + ".html"
    address = outputs.try_file(page, "--out", (".html",), overwrite=overwrite, ours=_is_ours)
    again = judge_again(run, {}, verdicts, refit)
    reviewed = Reviewed(run, again.table, again.used, again.summary, again.words)
    _refuse_nothing_said(again, verdicts, run)
    said = spelt_as_in(again.table["stem_id"].to_pylist(), again.said or [])
    found = Review(
        file=verdicts,
        said=said,
        changes=changes(run, reviewed, said),
        before=Verdict.of(run.read_json("summary.json")),
        after=again.verdict,
        run=run.root,
        decision=out,
        manifest=beside(out),
    )
    made = pages.made(reviewed, run.read_json("run.json").get("truth"), found)
    places.write(again, COMMAND)
    storage.write_bytes(address, made.encode() + MARK + b"\n")
    return found, again, page


def _is_ours(uri: str) -> bool:
    return storage.read_bytes(uri).rstrip().endswith(MARK)


def _refuse_nothing_said(again: Again, file: str, run: Run) -> None:
    said = again.said or []
    if not said:
        raise BadInput(f"{file}: says nothing: no row has a verdict (keep, remove or a label)")
    found = again.summary["verdicts"]
    if found["unknown"] == found["given"]:
        raise BadInput(
            f"{file}: none of its {found['given']} verdicts names a stem of {run.root}, first {found['first_unknown']}; of which "
            "run is it?"
        )


# What is said of it --------------------------------------------------------------------------------------------------


def lines(review: Review, again: Again, page: str) -> list[str]:
    """For a terminal: what was read, what it changed, the share and the counts before and now, and what comes next."""
    named = {normal(change.stem_id) for change in review.named}
    stems = [each for each in review.said if normal(each.stem_id) in named]
    tracks = len({change.track for change in review.named})
    read = f"{_count(len(review.said), 'verdict')} read from {review.file}: on {_count(len(stems), 'stem')} of {_count(tracks, 'track')}"
    by_hand = own_verdicts.lines(again.summary)
    others = review.others
    told = [read, *by_hand, *_list(review.named)]
    told.append(f"beyond these {_count(len(others), 'stem is', 'stems are')} judged otherwise than before")
    told += _list(others)
    shares = review.before.share_sentence, review.after.share_sentence
    counts = review.before.counts_sentence, review.after.counts_sentence
    for before, after in (tuple(map(plain, each)) for each in (shares, counts)):
        told += [f"before: {before}", f"now:    {after}"] if before != after else [f"as before: {after}"]
    known = {*by_hand, *(plain(after) for _, after in (shares, counts))}
    told += [line for line in again.sentences if line not in known]
    told += [f"decision: {review.decision}", f"{len(again.used)} stems are used ({again.handling}): {review.manifest}"]
    told.append(f"look and listen: {page}")
    first, *rest = review.next_commands
    return [*told, f"next: {first}", *(f"  or: {line}" for line in rest)]


def _list(changed: list[Change]) -> list[str]:
    told = [f"  {change.stem_id}  {_became(change)}" for change in changed[:SHOWN]]
    more = len(changed) - SHOWN
    return [*told, f"  {more} more: --json lists all of them, the page too"] if more > 0 else told


def _became(change: Change) -> str:
    chances = (change.p_before, change.p_after)
    chance = "" if change.verdict or None in chances else f"  P(corrupt) {chances[0]:.2f} → {chances[1]:.2f}"
    return (f"{change.before} → {change.after}" if change.otherwise else f"{change.after}, as before") + chance


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def as_table(review: Review) -> pa.Table:
    """The stems that were named and those that are judged otherwise (``SCHEMA``)."""
    rows = [change._asdict() | {"verdict": change.verdict or None} for change in review.changes]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def as_json(review: Review, again: Again, page: str) -> dict[str, Any]:
    """``docs/json.md`` says what is in it."""
    return {
        "run": review.run,
        "file": review.file,
        "by_hand": again.summary["verdicts"],
        "learned": again.summary.get("learned"),
        "changed": as_table(review).to_pylist(),
        "before": review.before.to_dict(),
        "verdict": review.after.to_dict(),
        "decision": review.decision,
        "manifest": review.manifest,
        "report": page,
        "used": again.handled["used"],
        "next": review.next_commands,
    }
