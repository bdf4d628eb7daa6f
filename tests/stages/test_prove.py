from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from raysep.corpus import manifest
from raysep.corpus.layouts import stems_of
from raysep.errors import BadInput, RaysepError
from raysep.stages import prove, train
from raysep.stages.arms import Arm
from raysep.training.entry import whole

# Evaluation


@pytest.fixture
def evaluated(tmp_path, make_context, write_tracks, save_network, here, monkeypatch):
    """The stage after a training that saves a network of one arm and seed each, at once."""
    context = make_context(proof={"seeds": [0, 1]})
    test = stems_of(write_tracks(tmp_path / "test", ["T", "U"], seconds=1.5), split="test").stems
    corpus = stems_of(write_tracks(tmp_path / "corpus", ["A"], seconds=0.5)).stems

    def fit(context, stage, plans):
        for plan in plans:
            save_network(context, plan.name, steps=1, seed=plan.recipe.seed)

    monkeypatch.setattr(train, "run_plans", fit)
    arms = [
        Arm("contaminated", whole(corpus)),
        Arm("cleaned", whole(corpus[:1])),
    ]
    return context, arms, test


def test_every_arm_and_seed_is_judged_on_every_test_stem(evaluated, here):
    from raysep.corpus.reading import read_stem
    from raysep.separators import inference
    from raysep.training.network import load_network

    context, arms, test = evaluated
    prove.train_and_evaluate(context, arms, test)
    rows = context.run.read_table("results.parquet").to_pylist()
    cells = {(r["arm"], r["seed"], r["track"], r["stem"]): r for r in rows}
    assert len(cells) == len(rows) == 2 * 2 * 2 * 4
    assert {(r["arm"], r["trained_stems"]) for r in rows} == {("contaminated", 4), ("cleaned", 1)}
    network, _ = load_network(context.run, "cleaned-seed1")
    stems = manifest.tracks_of(test)["U"]
    references = np.stack([read_stem(stems[label], 8000, 1) for label in network.stems]).astype(np.float64)
    estimates = np.asarray(inference.separate(network, references.sum(axis=0).astype(np.float32)))
    for label, reference, estimate in zip(network.stems, references, estimates, strict=True):
        expected = 10 * np.log10((reference**2).sum() / ((reference - estimate) ** 2).sum())
        assert cells["cleaned", 1, "U", label]["sdr"] == pytest.approx(expected, abs=1e-3)
    assert here == [[0, 1, 2, 3]]
    prove.train_and_evaluate(context, arms, test)
    assert len(here) == 1


def test_a_silent_test_stem_has_a_residue_and_no_sdr(evaluated, scanned_again):
    import soundfile

    context, arms, test = evaluated
    silent = next(s for s in test if s.stem_id == "U/vocals")
    soundfile.write(silent.uri, np.full(silent.frames, 5e-4), silent.sample_rate, subtype="FLOAT")  # -66 dBFS
    scanned_again(silent)
    prove.train_and_evaluate(context, arms, test)
    for row in context.run.read_table("results.parquet").to_pylist():
        is_silent = (row["track"], row["stem"]) == ("U", "vocals")
        assert np.isnan(row["sdr"]) == is_silent
        assert (row["residue"] is not None) == is_silent
        assert not is_silent or -100 <= row["residue"] < 0


def test_a_killed_evaluation_goes_on(evaluated, here, tmp_path):
    context, arms, test = evaluated
    prove.train_and_evaluate(context, arms, test)
    whole = context.run.read_table("results.parquet")
    (tmp_path / "run" / "done" / "evaluate.json").unlink()
    (tmp_path / "run" / "done" / "evaluate" / "00002.json").unlink()
    prove.train_and_evaluate(context, arms, test)
    assert here[1] == [2]
    assert context.run.read_table("results.parquet").equals(whole)


def test_a_test_track_that_cannot_be_read_ends_the_evaluation_with_its_name(evaluated):
    context, arms, test = evaluated
    with pytest.raises(RaysepError, match=r"evaluation failed .*gone\.wav"):
        prove.train_and_evaluate(context, arms, [*test[1:], replace(test[0], uri="/no/gone.wav")])
    assert not context.run.has("results.parquet")


def test_without_test_tracks_the_networks_are_all_there_is(evaluated, here):
    context, arms, _ = evaluated
    prove.train_and_evaluate(context, arms, [])
    assert here == []
    assert context.run.has("checkpoints", "cleaned-seed1.safetensors")


def test_the_arms_of_the_settings_are_trained_and_the_reference_judges_when_nothing_else_does(decided, monkeypatch):
    context, inputs = decided
    proof = replace(context.config.proof, arms=("contaminated", "cleaned", "clean"))
    called = []
    monkeypatch.setattr(prove, "train_and_evaluate", lambda context, arms, test: called.append((arms, test)))
    context = replace(context, config=replace(context.config, proof=proof))
    prove.prove(context, inputs)
    prove.prove(context, replace(inputs, test=[]))
    assert [arm.name for arm in called[0][0]] == ["contaminated", "cleaned"]
    assert called[0][1] == inputs.test
    assert called[1][1] == inputs.reference
    assert asdict(called[0][0][0])["name"] == "contaminated"


def test_an_arm_by_a_probe_without_scores_is_left_out_and_that_is_noted(decided, monkeypatch):
    context, inputs = decided
    proof = replace(context.config.proof, arms=("contaminated", "influence", "fad-z"))
    called = []
    monkeypatch.setattr(prove, "train_and_evaluate", lambda context, arms, test: called.append(arms))
    context.run.write_json({}, "run.json")
    prove.prove(replace(context, config=replace(context.config, proof=proof)), inputs)
    assert [arm.name for arm in called[0]] == ["contaminated", "fad-z"]
    assert "no scores of 'influence'" in context.run.read_json("run.json")["arms_left_out"]["influence"]


def test_a_checkpoint_of_an_arm_with_a_colon_is_a_file_anywhere():
    assert prove.trained_as("cleaned:weight", 3) == "cleaned.weight-seed3"


# Further arms and seeds


@pytest.fixture
def proven(evaluated, monkeypatch):
    """A run that has two arms and two seeds; what is trained from now on is in the list."""
    from raysep.corpus.inputs import Inputs

    context, arms, test = evaluated
    inputs = Inputs([entry.stem for entry in arms[0].entries], [], test)
    prove.train_and_evaluate(context, arms, test)
    stages: list[tuple[str, list[str]]] = []
    fit = train.run_plans
    monkeypatch.setattr(
        train,
        "run_plans",
        lambda c, stage, plans: stages.append((stage, [p.name for p in plans])) or fit(c, stage, plans),
    )
    known = {arm.name: arm for arm in arms} | {"random": Arm("random", arms[0].entries[:2])}
    monkeypatch.setattr(prove, "make_arm", lambda c, i, name, benchmark: known[name])
    return context, inputs, stages


def test_what_is_there_is_not_trained_again_and_every_arm_gets_every_seed(proven):
    context, inputs, stages = proven
    before = context.run.read_table("results.parquet").to_pylist()
    assert prove.prove_further(context, inputs, None, ["random"], 3) == 5
    assert stages == [
        ("retrain-2", ["random-seed0", "random-seed1", "cleaned-seed2", "contaminated-seed2", "random-seed2"])
    ]
    rows = context.run.read_table("results.parquet").to_pylist()
    assert rows[: len(before)] == before
    assert {(r["arm"], r["seed"]) for r in rows} == {
        (arm, seed) for arm in ("contaminated", "cleaned", "random") for seed in (0, 1, 2)
    }
    assert len(rows) == 9 * 2 * 4
    assert prove.prove_further(context, inputs, None, ["random"], 3) == 0
    assert len(stages) == 1


def test_a_further_proof_that_was_killed_before_its_table_goes_on(proven, monkeypatch):
    context, inputs, stages = proven

    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as once:
        once.setattr(prove, "_evaluate", killed)
        with pytest.raises(KeyboardInterrupt):
            prove.prove_further(context, inputs, None, ["random"], 2)
    assert prove.prove_further(context, inputs, None, ["random"], 2) == 2
    assert [names for _, names in stages] == 2 * [["random-seed0", "random-seed1"]]
    assert len(context.run.read_table("results.parquet")) == 6 * 2 * 4


def test_a_run_that_only_decided_is_proven_from_nothing(proven):
    context, inputs, _stages = proven
    for name in ("results.parquet", "done/evaluate.json"):
        (Path(context.run.root) / name).unlink()
    assert prove.prove_further(context, inputs, None, ["contaminated", "cleaned"], 1) == 2
    assert len(context.run.read_table("results.parquet")) == 2 * 2 * 4


def test_an_arm_that_a_run_cannot_have_is_refused_before_any_training(proven):
    context, inputs, stages = proven
    with pytest.raises(BadInput, match=r"'oracle' needs to know the faults"):
        prove.prove_further(context, inputs, None, ["oracle"], 1)
    assert stages == []
