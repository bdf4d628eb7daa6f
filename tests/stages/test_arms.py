"""What each arm trains on, and which names are refused before any work."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raysep import config as settings
from raysep.corpus import truth
from raysep.corpus.inputs import Inputs
from raysep.errors import BadInput
from raysep.pipeline import Benchmark
from raysep.stages import train
from raysep.stages.arms import ARMS, Arm, NotScored, check_arms, make_arm

NAMED = {"cleaned:": "weight", "oracle-ratio:": "fad-z"}  # what can follow the colon


def weights_of(arm: Arm) -> dict[str, float]:
    return {entry.stem.stem_id: entry.weight for entry in arm.entries}


def removed_by(arm: Arm, inputs: Inputs) -> dict[str, int]:
    """How many readable stems of each label the arm does not train on."""
    counts = dict.fromkeys(("vocals", "drums", "bass", "other"), 0)
    for s in inputs.corpus:
        counts[s.stem] += s.frames > 0 and not weights_of(arm).get(s.stem_id, 0.0)
    return counts


# Arms


def test_contaminated_trains_on_all_that_can_be_read(decided):
    context, inputs = decided
    arm = make_arm(context, inputs, "contaminated")
    assert arm.size == 23
    assert "t5/bass" not in weights_of(arm)


def test_cleaned_trains_on_what_is_kept(decided):
    context, inputs = decided
    arm = make_arm(context, inputs, "cleaned")
    assert arm.size == 20
    assert removed_by(arm, inputs) == {"vocals": 2, "drums": 1, "bass": 0, "other": 0}
    assert set(weights_of(arm).values()) == {1.0}


def test_weighted_trains_on_all_by_their_weights(decided):
    context, inputs = decided
    arm = make_arm(context, inputs, "weighted")
    assert (weights_of(arm)["t0/vocals"], weights_of(arm)["t3/vocals"]) == (0.1, 0.9)
    assert "t5/bass" not in weights_of(arm)


def test_cleaned_goes_by_the_handling_of_the_settings(decided, make_context):
    context, inputs = decided
    by_weight = make_context(decision={"handling": "weight"})
    assert make_arm(by_weight, inputs, "cleaned").entries == make_arm(context, inputs, "weighted").entries
    assert make_arm(by_weight, inputs, "random") == make_arm(context, inputs, "random")


@pytest.mark.parametrize("name", ["fad-z", "random"])
def test_a_rival_removes_as_many_of_each_label(decided, name):
    context, inputs = decided
    arm = make_arm(context, inputs, name)
    assert removed_by(arm, inputs) == {"vocals": 2, "drums": 1, "bass": 0, "other": 0}
    assert arm.size == make_arm(context, inputs, "cleaned").size


def test_random_leaves_out_as_many_as_cleaned_and_a_probe_as_many_as_are_not_kept(decided, write_rows):
    """By default one of them is used under the label it belongs to, one whose fault does no harm as it is."""
    context, inputs = decided
    rows = context.run.read_table("decision.parquet").to_pylist()
    label, harm = {"t0/vocals": "bass"}, {"t1/vocals": 0.9, "t2/drums": 0.1}
    rows = [row | {"label": label.get(row["stem_id"]), "harm": harm.get(row["stem_id"])} for row in rows]
    write_rows(context.run, "decision.parquet", rows)
    cleaned = make_arm(context, inputs, "cleaned")
    assert cleaned.entries == make_arm(context, inputs, "cleaned:auto").entries
    assert removed_by(cleaned, inputs) == {"vocals": 1, "drums": 0, "bass": 0, "other": 0}
    assert removed_by(make_arm(context, inputs, "random"), inputs) == removed_by(cleaned, inputs)
    dropped = {"vocals": 2, "drums": 1, "bass": 0, "other": 0}
    for name in ("cleaned:drop", "fad-z"):
        assert removed_by(make_arm(context, inputs, name), inputs) == dropped


def test_a_probe_removes_the_lowest_scores(decided):
    context, inputs = decided
    arm = make_arm(context, inputs, "fad-z")
    lost = {s.stem_id for s in inputs.corpus if s.stem_id not in weights_of(arm)}
    assert lost == {"t5/vocals", "t4/vocals", "t5/drums", "t5/bass"}  # the bass is the one that failed


def test_a_stem_without_a_score_is_not_removed_by_a_probe(decided, write_rows):
    context, inputs = decided
    rows = context.run.read_table("decision.parquet").to_pylist()
    for row in rows:
        if row["stem_id"] in ("t0/other", "t1/other"):
            row["keep"] = False
    write_rows(context.run, "decision.parquet", rows)
    arm = make_arm(context, inputs, "fad-z")
    assert {i for i in ("t4/other", "t5/other", "t3/other") if i not in weights_of(arm)} == {"t5/other", "t3/other"}


def test_random_removal_is_by_seed_and_not_by_order(decided, make_context):
    context, inputs = decided
    first = weights_of(make_arm(context, inputs, "random"))
    turned = Inputs(inputs.corpus[::-1], inputs.reference, inputs.test)
    assert weights_of(make_arm(context, turned, "random")) == first
    others = [weights_of(make_arm(make_context(seed=seed), inputs, "random")) for seed in range(1, 6)]
    assert any(weights != first for weights in others)


def test_reference_arms_train_on_the_reference(decided):
    context, inputs = decided
    assert {e.stem.track for e in make_arm(context, inputs, "reference").entries} == {"R0", "R1"}
    assert make_arm(context, inputs, "contaminated+reference").size == 23 + 8
    both = make_arm(context, inputs, "cleaned+reference").entries
    assert set(both) == {*make_arm(context, inputs, "cleaned").entries, *make_arm(context, inputs, "reference").entries}


def proving(*names, **sections):
    """The settings with these arms."""
    return settings.preset("smallest", {"proof": {"arms": names}, **sections})


def test_arms_are_checked_before_any_work():
    check_arms(proving("contaminated", "cleaned", "fad-z", "random"), has_test=False)
    everything = [f"{name}{NAMED[name]}" if name.endswith(":") else name for name in ARMS]
    check_arms(proving(*everything), has_test=True, benchmark=Benchmark("truth", "clean"))
    with pytest.raises(BadInput, match=r"'reference' trains on the reference.*give --test"):
        check_arms(proving("reference"), has_test=False)
    with pytest.raises(BadInput, match="'oracle' needs to know the faults"):
        check_arms(proving("oracle"), has_test=True)
    with pytest.raises(BadInput, match="'clean' trains on the corpus without faults: give --clean"):
        check_arms(proving("clean"), has_test=True, benchmark=Benchmark("truth", None))
    with pytest.raises(BadInput, match=r"'cleand' is neither an arm nor a probe; arms: .*cleaned.*probes: .*fad-z"):
        check_arms(proving("cleand"), has_test=True)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("cleaned:drip", "handling 'drip'"),
        ("cleaned:", "'cleaned:' is neither an arm"),
        ("oracle-ratio:drop", "'drop' is no probe"),
        ("random:1", "'random:1' is neither an arm"),
    ],
)
def test_what_follows_a_colon_is_checked_too(name, words):
    with pytest.raises(BadInput, match=words):
        check_arms(proving(name), has_test=True, benchmark=Benchmark("truth", "clean"))


def test_truncation_needs_more_than_one_example_at_once():
    with pytest.raises(BadInput, match=r"takes one; give --set training.batch=8"):
        check_arms(proving("loss-truncation", training={"batch": 2}), has_test=True)


def test_a_handling_after_a_colon_acts_on_the_decision(decided):
    context, inputs = decided
    assert make_arm(context, inputs, "cleaned:weight").entries == make_arm(context, inputs, "weighted").entries
    assert make_arm(context, inputs, "cleaned:drop").entries == make_arm(context, inputs, "cleaned").entries


def test_an_arm_is_masked_by_the_places_of_its_run_and_without_scores_of_segments_drops(decided, write_rows):
    context, inputs = decided
    rows = context.run.read_table("decision.parquet").to_pylist()
    rows = [row | {"label": None, "reason": "by the rule"} for row in rows]
    write_rows(context.run, "decision.parquet", rows)
    dropped = make_arm(context, inputs, "cleaned:drop").entries
    assert make_arm(context, inputs, "cleaned:mask").entries == dropped
    spans = [{"start": 1.0, "stop": 2.5}]
    rows = [row | {"spans": spans if row["stem_id"] == "t0/vocals" else [], "places": "in places"} for row in rows]
    write_rows(context.run, "decision.parquet", rows)
    masked = make_arm(context, inputs, "cleaned:mask").entries
    assert [(e.stem.stem_id, e.spans) for e in masked if e not in dropped] == [("t0/vocals", ((1.0, 2.5),))]
    assert [e for e in masked if e in dropped] == dropped


def test_small_loss_removes_the_highest_losses_of_as_many(decided, write_rows):
    context, inputs = decided
    rows = [row | {"own-loss": row["fad-z"]} for row in context.run.read_table("stems.parquet").to_pylist()]
    write_rows(context.run, "stems.parquet", rows)
    assert make_arm(context, inputs, "small-loss").entries == make_arm(context, inputs, "fad-z").entries


@pytest.mark.parametrize(("batch", "share"), [(4, 0.5), (8, 0.25), (40, 0.1), (98, 0.1)])
def test_loss_truncation_trains_on_everything_by_another_recipe(decided, make_context, batch, share):
    """Two workers take half of the batch at once; at least one example of it is left out."""
    _, inputs = decided
    context = make_context(training={"batch": batch})
    arm = make_arm(context, inputs, "loss-truncation")
    assert arm.entries == make_arm(context, inputs, "contaminated").entries
    plans = [train.plan(context, "x", arm.entries, recipe=recipe) for recipe in ({}, arm.recipe)]
    assert [plan.recipe.truncate for plan in plans] == ["none", "stem"]
    assert plans[1].recipe.truncate_share == pytest.approx(share)
    assert plans[1].recipe.steps == plans[0].recipe.steps


@given(st.integers(2, 2000))
def test_truncation_leaves_out_one_of_any_number(count):
    training = settings.preset("smallest", {"training": {"batch": 2 * count, "truncate_share": 1e-9}}).training
    share = ARMS["loss-truncation"].recipe(training)["truncate_share"]
    assert int(share * count) == 1


def test_only_a_benchmark_has_the_clean_corpus_and_the_oracle(decided, tmp_path, write_tracks):
    context, inputs = decided
    assert make_arm(context, inputs, "clean") is None
    assert make_arm(context, inputs, "oracle") is None
    clean = write_tracks(tmp_path / "clean", ["t0", "t1"], seconds=0.1)
    rows = [
        {
            "stem_id": s.stem_id,
            "track": s.track,
            "stem": s.stem,
            "kind": "noise" if s.stem == "drums" else "clean",
            "severity": "",
            "parameters": "{}",
        }
        for s in inputs.corpus
    ]
    truth.write(str(tmp_path / "truth.parquet"), rows)
    benchmark = Benchmark(str(tmp_path / "truth.parquet"), clean)
    assert make_arm(context, inputs, "clean", benchmark).size == 8
    oracle = make_arm(context, inputs, "oracle", benchmark)
    assert removed_by(oracle, inputs) == {"vocals": 0, "drums": 6, "bass": 0, "other": 0}
    assert "t5/bass" not in weights_of(oracle)
    at_ratio = make_arm(context, inputs, "oracle-ratio:fad-z", benchmark)
    assert removed_by(at_ratio, inputs) == removed_by(oracle, inputs)
    with pytest.raises(NotScored, match="no scores of 'influence'"):
        make_arm(context, inputs, "oracle-ratio:influence", benchmark)
