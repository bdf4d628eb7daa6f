from __future__ import annotations

import json

import pyarrow as pa
import pytest

from raysep.corpus.inputs import Inputs
from raysep.decision.verdicts import METADATA
from raysep.stages import decide, plant, rounds
from raysep.stages.plant import Planting
from raysep.training.entry import Entry


def decided(rows, removed=()) -> pa.Table:
    told = {"evidence_removed": list(removed), "estimated_share": 0.25, "counts": {"removed": 1, "stems": 4}}
    return pa.Table.from_pylist(rows).replace_schema_metadata({METADATA: json.dumps(told).encode()})


def keeping(corpus, *left_out) -> list[dict]:
    return [{"stem_id": s.stem_id, "keep": s.stem_id not in left_out, "weight": 1.0, "label": None} for s in corpus]


@pytest.fixture
def given(make_context, make_stems, monkeypatch):
    """A run of two rounds that needs no scores: the judging is handed in, the decision is made up."""
    context, corpus, calibration = make_context(rounds=2), make_stems(["A"]), make_stems(["C", "D"])
    context.run.open("abc", {"config": {}})
    inputs, planting = Inputs(corpus, calibration, []), Planting([], calibration, [], {})
    table = decided(keeping(corpus, "A/drums"), removed=["C/bass"])
    monkeypatch.setattr(plant, "plant", lambda *_: planting)
    monkeypatch.setattr(decide, "per_stem", lambda *_: table)
    monkeypatch.setattr(decide, "by_rule", lambda *_: table)
    monkeypatch.setattr(
        decide, "summarise", lambda run, _: {"warning": None, **json.loads(table.schema.metadata[METADATA])}
    )
    return context, inputs, planting


def test_a_round_is_judged_once_in_a_folder_of_its_own(given):
    context, inputs, _ = given
    judged = []

    def judge(inner, found, planting, before):
        judged.append((inner.run.root, inner.fingerprint, before))

    first = rounds.play(context, inputs, 1, None, judge)
    again = rounds.play(context, inputs, 1, None, judge)
    assert first.root == again.root == context.run.path("rounds", "1")
    ((root, fingerprint, before),) = judged
    assert (root, before) == (first.root, None)
    assert fingerprint != context.fingerprint
    told = context.run.read_json("done", "round-1.json")
    assert (told["removed"], told["stems"], told["evidence_removed"]) == (1, 4, 1)


def test_a_round_that_was_killed_in_its_judging_is_judged_again(given):
    context, inputs, _ = given

    def killed(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rounds.play(context, inputs, 1, None, killed)
    judged = []
    rounds.play(context, inputs, 1, None, lambda *_: judged.append(True))
    assert judged == [True]


def test_the_next_round_is_trained_on_what_was_kept_and_on_the_evidence_that_would_have_been(given):
    context, inputs, planting = given
    first = rounds.play(context, inputs, 1, None, lambda *_: None)
    entries = rounds.kept(context, inputs, planting, first)
    assert all(isinstance(entry, Entry) for entry in entries)
    trained = {entry.stem.stem_id for entry in entries if entry.weight}
    everything = {s.stem_id for s in inputs.corpus + planting.calibration}
    assert everything - trained == {"A/drums", "C/bass"}
