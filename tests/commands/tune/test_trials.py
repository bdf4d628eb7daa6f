from __future__ import annotations

import json

import pytest

from raysep.commands.tune import trials
from raysep.commands.tune.trials import AUTOMATIC, NOTHING, RANDOM, Candidate
from raysep.config import DecisionSettings
from raysep.corpus import storage
from raysep.corpus.inputs import Inputs
from raysep.stages import prove, train
from raysep.training.entry import Entry
from raysep.training.plan import sidecar_of


@pytest.fixture
def decided(make_context, make_stems, write_rows):
    """(context, inputs): a corpus of six tracks; two vocals and one drums are removed."""
    context, corpus = make_context(), make_stems([f"t{k}" for k in range(6)])
    removed = {"t0/vocals", "t1/vocals", "t2/drums"}
    rows = [
        {"stem_id": s.stem_id, "stem": s.stem, "outcome": "scored", "keep": s.stem_id not in removed, "weight": 1.0}
        for s in corpus
    ]
    write_rows(context.run, "decision.parquet", rows)
    return context, Inputs(corpus, [], [])


def test_the_decision_and_two_controls_are_always_among_the_trials(decided):
    automatic, nothing, random = trials.controls(*decided)
    assert [c.name for c in (automatic, nothing, random)] == [AUTOMATIC, NOTHING, RANDOM]
    assert automatic.left_out == random.left_out == pytest.approx(3 / 24)
    assert (nothing.left_out, nothing.ratio) == (0.0, 0.0)
    assert (automatic.probe, automatic.handling) == ("fused", "auto")
    assert (nothing.handling, random.handling) == (None, "drop")
    left = {name: sum(e.label == name for e in random.entries) for name in ("vocals", "drums", "bass", "other")}
    assert left == {"vocals": 4, "drums": 5, "bass": 6, "other": 6}
    assert {e.stem.stem_id for e in random.entries} != {e.stem.stem_id for e in automatic.entries}


def test_a_decision_by_a_ratio_is_ranked_by_its_probe():
    assert trials.ranked_by(DecisionSettings(probe="fad")) == "fused"  # a threshold goes by the fusion
    assert trials.ranked_by(DecisionSettings(rule="ratio", probe="fad")) == "fad"


def candidate(name: str, entries, stems: int = 24) -> Candidate:
    return Candidate(name, 0.3, "fused", "drop", entries, stems)


def test_what_uses_the_corpus_alike_is_one_training(decided):
    entries = [Entry(s) for s in decided[1].corpus]
    one, same = (
        candidate("one", entries),
        candidate(
            "same",
            [
                *entries[::-1],
            ],
        ),
    )
    half = candidate("half", [Entry(e.stem, 0.5) for e in entries])
    unused = candidate("unused", [*entries[:-1], Entry(entries[-1].stem, 0.0)])
    assert one.content == same.content
    assert len({one.content, half.content, unused.content}) == 3
    assert half.left_out == 0.5
    assert [arm.name for arm in trials.arms_of([one, same, half])] == [one.content, half.content]


def test_the_best_that_differ_survive(decided, monkeypatch):
    context, inputs = decided
    asked = []

    def entries_at(run, point, stems):
        asked.append(point["ratio"])
        return [Entry(s) for s in stems[: round(len(stems) * (1 - min(point["ratio"], 0.5)))]]  # no more than half

    monkeypatch.setattr(trials, "entries_at", entries_at)
    rows = [
        {"ratio": ratio, "probe": "fad", "handling": "drop", "validation_sdr": sdr, "rung": rung, "error": error}
        for ratio, sdr, rung, error in [
            (0.1, 9.0, 1, ""),  # stopped: behind all that went on
            (0.25, 3.0, 2, ""),
            (0.5, 5.0, 2, ""),
            (0.7, 4.0, 2, ""),  # as 0.5
            (0.2, 8.0, 2, "lost"),
        ]
    ]
    found = trials.survivors(context.run, rows, inputs.corpus, 2)
    assert [c.name for c in found] == ["50% by fad, drop", "25% by fad, drop"]
    assert asked == [0.5, 0.7, 0.25]
    [beside] = trials.survivors(context.run, rows, inputs.corpus, 1)
    assert [c.name for c in trials.survivors(context.run, rows, inputs.corpus, 1, [beside])] == ["25% by fad, drop"]
    assert [c.name for c in trials.survivors(context.run, rows, inputs.corpus, 9)][2:] == ["10% by fad, drop"]


def test_a_training_of_the_proof_is_taken_over_when_it_is_the_same(decided, make_context_in, save_network, tmp_path):
    context, inputs = decided
    folder = make_context_in(tmp_path / "run" / "tune")
    arms = trials.arms_of(trials.controls(context, inputs))
    assert trials.adopt(context, folder, arms) == []
    # What the run's proof leaves: the arm `cleaned`, trained on just the stems of the automatic decision.
    plan = train.plan(context, prove.trained_as("cleaned", 0), arms[0].entries, seed=prove.seed_of(0))
    save_network(context, plan.name)
    storage.write_bytes(sidecar_of(plan.out), json.dumps({"fingerprint": plan.fingerprint}).encode())
    assert trials.adopt(context, folder, arms) == ["cleaned-seed0"]
    taken = trials.plan_of(folder, arms[0], 0)
    assert taken.is_trained()
    assert storage.read_bytes(taken.out) == storage.read_bytes(plan.out)
    assert not trials.plan_of(folder, arms[1], 0).is_trained()
    assert trials.adopt(context, folder, arms) == []  # it is there
