from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest

from raysep.corpus import manifest, truth
from raysep.corpus.layouts import stems_of
from raysep.errors import BadInput, RaysepError
from raysep.pipeline import Benchmark
from raysep.stages import prove, train
from raysep.stages.inputs import Inputs
from raysep.stages.prove import Arm, make_arm


@pytest.fixture
def decided(make_context, make_stems, write_rows):
    """(context, inputs) of a corpus of six tracks and its decision: two vocals and one drums are removed, one failed."""
    context = make_context()
    corpus = make_stems([f"t{k}" for k in range(6)])
    corpus = [replace(s, frames=0) if s.stem_id == "t5/bass" else s for s in corpus]
    removed = {"t0/vocals", "t1/vocals", "t2/drums"}
    decision, scores = [], []
    for s in corpus:
        failed, keep = s.frames == 0, s.stem_id not in removed and s.frames > 0
        outcome = "failed" if failed else "silent" if s.stem_id == "t4/other" else "scored"
        weight = 0.0 if failed else 0.1 if not keep else 0.9
        about = {"stem_id": s.stem_id, "track": s.track, "stem": s.stem}
        decision.append({**about, "outcome": outcome, "keep": keep, "weight": weight})
        # The probe thinks that the highest track numbers are the worst, and knows nothing of silent stems.
        scores.append({**about, "fad-z": None if outcome != "scored" else -float(s.track[1:])})
    write_rows(context.run, "decision.parquet", decision)
    write_rows(context.run, "stems.parquet", scores)
    return context, Inputs(corpus, make_stems(["R0", "R1"]), make_stems(["T"]))


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


def test_arms_are_checked_before_any_work():
    prove.check_arms(("contaminated", "cleaned", "fad-z", "random"), has_test=False, has_truth=False)
    prove.check_arms((*prove.PLAIN, *prove.KNOWN), has_test=True, has_truth=True)
    with pytest.raises(BadInput, match=r"'reference' trains on the reference.*give --test"):
        prove.check_arms(("reference",), has_test=False, has_truth=False)
    with pytest.raises(BadInput, match="'oracle' needs to know the faults"):
        prove.check_arms(("oracle",), has_test=True, has_truth=False)
    with pytest.raises(BadInput, match=r"'cleand' is neither an arm nor a probe; arms: .*cleaned.*probes: .*fad-z"):
        prove.check_arms(("cleand",), has_test=True, has_truth=True)


def test_a_probe_that_this_run_has_no_scores_of_is_named(decided):
    context, inputs = decided
    with pytest.raises(BadInput, match="no scores of 'influence'"):
        prove.make_arm(context, inputs, "influence")


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
        Arm("contaminated", train.whole(corpus)),
        Arm("cleaned", train.whole(corpus[:1])),
    ]
    return context, arms, test


def test_every_arm_and_seed_is_judged_on_every_test_stem(evaluated, here):
    from raysep.corpus.reading import read_stem
    from raysep.separators import inference
    from raysep.stages.train import load_network

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


def test_a_silent_test_stem_has_a_residue_and_no_sdr(evaluated):
    import soundfile

    context, arms, test = evaluated
    silent = next(s for s in test if s.stem_id == "U/vocals")
    soundfile.write(silent.uri, np.full(silent.frames, 5e-4), silent.sample_rate, subtype="FLOAT")  # -66 dBFS
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
