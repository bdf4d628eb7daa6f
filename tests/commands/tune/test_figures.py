from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from raysep.commands.tune import figures
from raysep.commands.tune.trials import AUTOMATIC, NOTHING, RANDOM, Candidate
from raysep.corpus import storage
from raysep.evaluation.one_error import Shortfall
from raysep.stages import train
from raysep.training.entry import Entry
from raysep.training.plan import sidecar_of

SONGS = (-5.0, 0.0, 9.0, 3.0)


@pytest.fixture
def made(make_context, make_stems):
    """(candidates, rows of results, plans): the automatic one is 0.05 dB below the best, about; dropping more is best."""
    context, corpus = make_context(), make_stems([f"t{k}" for k in range(5)])
    uses = {AUTOMATIC: 12, NOTHING: 20, RANDOM: 12, "50% by fad, drop": 10, "60% by fused, drop": 8}
    about = {
        AUTOMATIC: (None, "fused"),
        NOTHING: (0.0, None),
        RANDOM: (None, "random"),
        "50% by fad, drop": (0.5, "fad"),
        "60% by fused, drop": (0.6, "fused"),
    }
    sdr = {
        AUTOMATIC: [4.0, 3.9, 4.1, 3.8],
        NOTHING: [2.0, 2.1, 1.9, 2.0],
        RANDOM: [1.0, 1.2, 1.1, 0.9],
        "50% by fad, drop": [4.0, 3.8, 4.0, 4.2],
        "60% by fused, drop": [3.0, 3.1, 2.9, 3.0],
    }
    candidates, results, plans = [], [], {}
    for name, count in uses.items():
        stems = corpus[:count] if name != RANDOM else corpus[-count:]
        one = Candidate(name, *about[name], "drop", [Entry(s) for s in stems], 20)
        candidates.append(one)
        plan = train.plan(context, one.content, one.entries, steps=7)
        plans[one.content] = [plan]
        note = {"metadata": {"seconds": {"reading": 1.0, "training": 2.5}}}
        storage.write_bytes(sidecar_of(plan.out), json.dumps(note).encode())
        results += [
            {"arm": one.content, "seed": 0, "track": f"r{k}", "stem": stem, "sdr": song + value + shift}
            for k, (song, value) in enumerate(zip(SONGS, sdr[name], strict=True))
            for stem, shift in (("bass", -1.0), ("drums", 1.0))
        ]
    return candidates, results, plans


def test_the_table_of_full_trainings(made):
    rows = {row["trial"]: row for row in figures.full_rows(*made)}
    table = pa.Table.from_pylist(list(rows.values()), schema=figures.TRIALS)
    assert table.column_names == figures.TRIALS.names
    best, automatic = rows["50% by fad, drop"], rows[AUTOMATIC]
    assert best["sdr"] == pytest.approx(np.mean(SONGS) + 4.0)
    assert best["standard_error"] == pytest.approx(np.std(np.add(SONGS, [4.0, 3.8, 4.0, 4.2]), ddof=1) / 2)
    assert automatic["below_best"] == pytest.approx(0.05)
    assert automatic["below_best_error"] == pytest.approx(np.std([0.0, -0.1, -0.1, 0.4], ddof=1) / 2)
    assert (best["steps"], best["seconds"], best["seeds"]) == (7, 3.5, 1)
    # Within one standard error of the best, and less is left out; what removes nothing is clearly below.
    assert [name for name, row in rows.items() if row["chosen"]] == [AUTOMATIC]
    assert [name for name, row in rows.items() if row["automatic"]] == [AUTOMATIC]
    assert automatic["left_out"] == pytest.approx(0.4)


def candidate(name: str, left: int, probe: str | None = "fused", handling: str = "drop") -> Candidate:
    stem = Entry(train.Stem("a/bass", "a", "bass", "", 8000, 1, 8000, "", 0, ""))
    return Candidate(name, 0.3, probe, handling, [stem] * left, 10)


def test_the_simplest_leaves_least_out_then_goes_by_the_fusion_then_drops():
    alike = Shortfall(0.0, 0.1)

    def chosen(*candidates: Candidate) -> str:
        return figures.chosen_of(candidates, {c.name: alike for c in candidates})

    assert chosen(candidate("more", 5), candidate("less", 7, "fad", "table")) == "less"
    assert chosen(candidate("a", 7, "fad"), candidate("b", 7, "fused", "table")) == "b"
    assert chosen(candidate("a", 7, "fused", "table"), candidate("b", 7)) == "b"
    assert chosen(candidate("a", 7), candidate(RANDOM, 9)) == "a"  # which is no way to clean


def test_random_removal_is_judged_and_never_the_best():
    candidates = [candidate("a", 7), candidate(RANDOM, 7)]
    found = figures.judged(candidates, {"a": np.array([[1.0, 2.0]]), RANDOM: np.array([[2.0, 3.0]])})
    assert found[RANDOM].below == -1.0


def warm(rung: int | None = 2, error: str = "") -> dict:
    class Steps:
        def steps_at(self, rung: int) -> int:
            return 10 * rung

    found = {"validation_sdr": 2.0, "standard_error": 0.5, "seconds": 4.0, "rung": rung} if rung else {}
    return figures.warm_row({"ratio": 0.3, "probe": "fad", "handling": "drop", "error": error, **found}, Steps())


def test_a_short_training_is_a_row_too_whether_it_was_judged_or_failed():
    table = pa.Table.from_pylist([warm(), warm(None, "lost")], schema=figures.TRIALS).to_pylist()
    assert [(row["steps"], row["sdr"], row["fidelity"]) for row in table] == [
        (20, 2.0, "warm start"),
        (0, None, "warm start"),
    ]
    assert table[0]["trial"] == "30% by fad, drop"


def test_costs_are_those_of_the_trials_beside_what_the_decision_took(made):
    trainings = [plan for each in made[2].values() for plan in each]
    stages = {
        "plant": {"seconds": 1.0},
        "train": {"seconds": 10.0, "steps": 16},
        "score": {"seconds": 5.0},
        "retrain": {"seconds": 99.0},
    }
    costs = figures.costs_of([warm(), warm(None, "lost")], trainings, stages, deciding=2.0)
    assert costs["automatic"] == {"steps": 16, "seconds": 18.0}
    assert costs["search"] == {"steps": 5 * 7 + 20, "seconds": 5 * 3.5 + 4.0, "warm_starts": 2, "trainings": 5}
    assert costs["automatic_share"] == {"steps": pytest.approx(16 / 55), "seconds": pytest.approx(18 / 21.5)}


def test_what_was_found_is_told(made):
    rows = [*figures.full_rows(*made), warm(None, "Traceback\nValueError: lost")]
    costs = figures.costs_of(
        [], [plan for each in made[2].values() for plan in each], {"train": {"steps": 16, "seconds": 10.0}}, 2.0
    )
    told = "\n".join(figures.sentences(rows, costs, 4))
    assert "chosen: automatic (40% left out), 5.70 dB" in told
    assert "4 held-out reference tracks; the best, 50% by fad, drop, has 5.75 dB" in told
    assert (
        "0.05 dB below the best (standard error 0.12), for 16 training steps and 12 s; the trials took 35 steps" in told
    )
    assert "nothing removed: 3.75 dB" in told
    assert "random removal is as good" not in told
    assert "one seed" in told
    assert "1 of the short trainings failed, first 30% by fad, drop (ValueError: lost)" in told


def test_scores_of_no_use_are_told(made):
    candidates, results, plans = made
    low = next(c for c in candidates if c.name == RANDOM).content
    lifted = [row | {"sdr": row["sdr"] + 9.0 * (row["arm"] == low)} for row in results]
    rows = figures.full_rows(candidates, lifted, plans)
    told = figures.sentences(rows, figures.costs_of([], [], {}, 0.0), 4)
    assert "random removal is as good as the best: on these tracks the scores show no use" in told


def test_one_track_has_no_standard_error_and_says_so(made):
    candidates, results, plans = made
    rows = figures.full_rows(candidates, [row for row in results if row["track"] == "r3"], plans)
    assert [row["trial"] for row in rows if row["chosen"]] == ["50% by fad, drop"]  # nothing excuses a lower one
    told = "\n".join(figures.sentences(rows, figures.costs_of([], [], {}, 0.0), 1))
    assert "7.20 dB (one track: no standard error)" in told
    assert "nan" not in told
    assert figures.marked(rows, "automatic")["standard_error"] is None
    assert figures.marked(rows, "chosen")["sdr"] == pytest.approx(7.2)
