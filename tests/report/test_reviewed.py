"""What a person's verdicts changed: found by columns as a loop over rows finds it, and told on a page of its own."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from raysep.decision.by_hand import Said
from raysep.decision.handling.fate import fate
from raysep.decision.verdicts import SCHEMA
from raysep.report.data import ReportData
from raysep.report.html import render
from raysep.report.reviewed import LISTED, Change, Review, Reviewed, changed, changes
from raysep.report.verdict import Counts, Share, Verdict
from raysep.rundir import Run

LABELS = ("bass", "drums", "vocals")


def decision(rng: np.random.Generator, tracks: int) -> pa.Table:
    rows = []
    for track in range(tracks):
        for label in LABELS:
            keep = bool(rng.random() < 0.6)
            about = {"stem_id": f"é {track}/{label}", "track": f"é {track}", "stem": label, "outcome": "scored"}
            rows.append(about | {"keep": keep, "weight": float(keep), "p_corrupt": float(rng.random())})
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def used(rng: np.random.Generator, table: pa.Table) -> dict[str, str]:
    """Some of the removed ones are used all the same, or as another label."""
    chosen = {}
    for row in table.to_pylist():
        draw = rng.random()
        if row["keep"] or draw < 0.2:
            chosen[row["stem_id"]] = row["stem"]
        elif draw < 0.4:
            chosen[row["stem_id"]] = "vocals"
    return chosen


class Stem:
    def __init__(self, stem_id: str, stem: str) -> None:
        self.stem_id, self.stem = stem_id, stem


@pytest.fixture
def two(tmp_path):
    """(run, reviewed, what both decide as rows and uses) of two decisions drawn at random."""
    rng = np.random.default_rng(5)
    run = Run(str(tmp_path / "run"))
    run.write_json({"fingerprint": "abc", "stages": {"decide": {"handling": "auto: so", "seconds": 1.0}}}, "run.json")
    before, after = decision(rng, 20), decision(rng, 20)
    use_before, use_after = used(rng, before), used(rng, after)
    run.write_table(before, "decision.parquet")
    run.write_table(pa.table({"stem_id": list(use_before), "stem": list(use_before.values())}), "cleaned.parquet")
    run.write_table(pa.table({"arm": ["cleaned"]}), "results.parquet")
    after = after.take(np.random.default_rng(1).permutation(len(after)))  # in another order
    reviewed = Reviewed(run, after, [Stem(*each) for each in use_after.items()], {"share": None}, "drop: out")
    return run, reviewed, [(t.to_pylist(), u) for t, u in ((before, use_before), (after, use_after))]


def test_changes_are_those_of_a_loop_over_the_rows(two):
    run, reviewed, ((old, used_old), (new, used_new)) = two
    was = {row["stem_id"]: fate(row, used_old) for row in old}
    now = {row["stem_id"]: fate(row, used_new) for row in new}
    said = [Said("é 3/bass", "keep", "", 2), Said("e\u0301 4/drums", "vocals", "", 3), Said("none/bass", "keep", "", 4)]
    found = changes(run, reviewed, said)
    named = ["é 3/bass", "é 4/drums"]  # the second one's name was written in another form
    assert [(c.stem_id, c.verdict) for c in found[:2]] == [(named[0], "keep"), (named[1], "vocals")]
    others = found[2:]
    assert {c.stem_id for c in others} == {name for name in was if was[name] != now[name]} - set(named)
    assert 10 < len(others) < 50
    for change in found:
        assert (change.before, change.after) == (was[change.stem_id], now[change.stem_id])
    moves = [abs(c.p_after - c.p_before) for c in others]
    assert moves == sorted(moves, reverse=True)


def test_a_reviewed_run_is_the_run_but_for_what_hangs_on_the_decision(two):
    run, reviewed, _ = two
    assert not reviewed.has("results.parquet")  # proven of another decision
    assert reviewed.has("decision.parquet")
    assert not reviewed.has("worth.parquet")
    assert reviewed.read_json("summary.json") == {"share": None}
    assert reviewed.read_json("run.json")["stages"]["decide"] == {
        "handling": "drop: out",
        "otherwise": "",
        "seconds": 1.0,
    }
    reviewed.read_json("run.json").pop("stages")  # whoever takes it apart has a copy
    assert "stages" in reviewed.read_json("run.json")
    assert run.read_json("run.json")["stages"]["decide"]["handling"] == "auto: so"


def review(number: int) -> Review:
    rows = [
        Change(f"<b>{k}/bass", f"<b>{k}", "bass", "keep" if k < 2 else "", "removed", "kept", 0.9, 0.1)
        for k in range(number)
    ]
    before, after = (Verdict(share=Share(0.3, low, 0.4, ""), counts=Counts(stems=9)) for low in (0.2, 0.25))
    return Review("v.csv", [], rows, before, after, "a run", "mine & own.parquet", "mine & own-cleaned.parquet")


def test_the_page_says_what_changed_and_what_comes_next():
    page = render(ReportData("a run", review=review(3), run={"test": "T"}))
    assert "With your 2 verdicts in it: 1 other stem is judged otherwise than before." in page
    assert "Nothing was trained yet on the decision with your verdicts in it." in page
    assert page.index("What did your verdicts change?") < page.index(
        "What did it cost?" if "What did it cost?" in page else "</main>"
    )
    assert "<b>0" not in page
    assert (
        "raysep export &#x27;a run&#x27; --decision &#x27;mine &amp; own.parquet&#x27; --to cleaned --form msst" in page
    )
    assert changed(ReportData("a run")) == ""


def test_a_long_list_is_cut_and_says_so():
    page = changed(ReportData("a run", review=review(LISTED + 5)))
    assert page.count("<tr>") == LISTED + 1
    assert "5 more" in page
