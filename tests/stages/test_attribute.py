from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open

from raysep.corpus import reading, segments
from raysep.corpus.layouts import stems_of
from raysep.corpus.segments import Drawn
from raysep.decision.roles import Role
from raysep.errors import RaysepError, StorageUnreachable
from raysep.probes.gradients import ParameterSum, merge_all
from raysep.probes.unlearning import damped
from raysep.separators import checkpoint
from raysep.stages import attribute, train
from raysep.stages.plant import Planting
from raysep.training.network import load_network

EVERY = st.dictionaries(
    st.text("abc", min_size=1, max_size=3), st.lists(st.integers(0, 9), unique=True, min_size=1).map(sorted), max_size=6
)


@given(every=EVERY, count=st.integers(1, 8))
def test_dealing_loses_and_doubles_nothing(every, count):
    parts = attribute._deal(every, count)
    assert len(parts) <= count
    assert sum(map(len, parts)) == len(every)
    assert {track: indices for part in parts for track, indices in part.items()} == every


# The stage


def weights(run, *parts):
    return checkpoint.from_bytes(run.read_bytes(*parts), "x").weights


def test_three_weight_sets_around_the_trained_one(prepared):
    context, inputs, planting = prepared
    attribute.attribute(context, inputs, planting)
    run = context.run
    trained = weights(run, "checkpoints", f"{train.FINAL}.safetensors")
    plus, minus = (weights(run, "attribution", f"{name}.safetensors") for name in (attribute.PLUS, attribute.MINUS))
    assert plus.keys() == minus.keys() == trained.keys()
    moved = 0.0
    for name, middle in trained.items():
        if middle.dtype.is_floating_point:
            assert np.allclose((plus[name] + minus[name]) / 2, middle, atol=1e-5)
            moved += float(((plus[name] - minus[name]).double() ** 2).sum())
    assert moved > 0
    record = run.read_json("attribution", "record.json")
    assert record["segments"] == 8
    assert record["fisher_segments"] == 8
    assert record["reference_segments"] == 4
    assert record["self_check"] >= 0.99
    assert run.has("attribution", f"{attribute.UNLEARNED}.safetensors") == (not record["unlearning_left_out"])
    assert run.read_json("done", "attribute.json")["rho"] == context.config.scoring.rho


def test_the_fisher_of_shards_is_that_of_one_shard(prepared, make_context, here):
    context, inputs, planting = prepared
    attribute.attribute(context, inputs, planting)
    sums = []
    for shards in (2, 1):
        config = replace(context.config, scoring=replace(context.config.scoring, fisher_shards=shards))
        worker = attribute.Summer.of(replace(context, config=config, fingerprint=f"with {shards}"))
        chosen = segments.draw(context.segments_of(inputs.corpus), 8, f"{config.seed}/fisher")
        parts = []
        for k, part in enumerate(attribute._deal(chosen, shards)):
            worker.run(k, attribute.Sum(attribute.FISHER, Drawn.of(part, inputs.corpus)))
            parts.append(ParameterSum.from_bytes(context.run.read_bytes(f"attribution/fisher-{k:05d}.safetensors")))
        merged = parts[0] if len(parts) == 1 else parts[0].merge(parts[1])
        sums.append((merged.count, merged.sum))
    assert sums[0][0] == sums[1][0] == 8
    for name, value in sums[0][1].items():
        assert np.allclose(value, sums[1][1][name], rtol=1e-6, atol=1e-12)


def test_what_the_attribution_could_not_read_is_noted(prepared):
    context, inputs, planting = prepared
    lost = [inputs.corpus[0], planting.unlearning[0]]
    for stem in lost:
        Path(stem.uri).unlink()
    attribute.attribute(context, inputs, planting)
    unread = dict(context.run.read_json("run.json")["stages"]["attribute"]["unread"])
    assert unread.keys() == {stem.stem_id for stem in lost}
    assert all("no such file" in told for told in unread.values())


@pytest.mark.parametrize("after", [0, 3, 12, 24])
def test_an_outage_of_the_storage_leaves_no_probe_out(prepared, monkeypatch, after):
    context, inputs, planting = prepared
    original, read = reading.storage.read_bytes, []

    def away(uri):
        read.append(uri)
        if len(read) > after:
            raise StorageUnreachable(f"{uri}: away")
        return original(uri)

    monkeypatch.setattr(reading.storage, "read_bytes", away)
    with pytest.raises(StorageUnreachable):
        attribute.attribute(context, inputs, planting)
    assert not context.run.is_done("attribute")


@pytest.mark.slow
def test_a_killed_stage_does_what_is_missing_and_ends_the_same(prepared, here):
    context, inputs, planting = prepared
    attribute.attribute(context, inputs, planting)
    run = context.run
    whole = {name: run.read_bytes("attribution", f"{name}.safetensors") for name in (attribute.PLUS, attribute.MINUS)}
    markers = sorted(Path(run.path("done", "attribute")).glob("*.json"))
    for lost in (markers[0], markers[-1], Path(run.path("done", "attribute.json"))):
        lost.unlink()
    here.clear()
    attribute.attribute(context, inputs, planting)
    assert here == [[0], [len(markers) - 1]]
    assert whole == {name: run.read_bytes("attribution", f"{name}.safetensors") for name in whole}
    here.clear()
    attribute.attribute(context, inputs, planting)
    assert here == []


def test_without_a_step_that_unlearns_the_other_probes_go_on(prepared, monkeypatch):
    from raysep.probes import unlearning

    context, inputs, planting = prepared

    def fail(*arguments, **options):
        raise RaysepError("no step size satisfies the readings")

    monkeypatch.setattr(unlearning, "choose_step_size", fail)
    attribute.attribute(context, inputs, planting)
    record = context.run.read_json("done", "attribute.json")
    assert "no step size" in record["unlearning_left_out"]
    assert not context.run.has("attribution", f"{attribute.UNLEARNED}.safetensors")
    assert context.run.has("attribution", f"{attribute.PLUS}.safetensors")


def test_a_shard_that_fails_ends_the_stage_with_its_words(prepared):
    context, inputs, planting = prepared
    (Path(context.run.path("checkpoints")) / f"{train.FINAL}.safetensors").write_bytes(b"rubbish")
    with pytest.raises(RaysepError, match=r"attribution failed .*probe-final"):
        attribute.attribute(context, inputs, planting)
    assert not context.run.is_done("attribute")


# Silence


def silence(stems, tracks, scanned_again):
    """Overwrite the files of some tracks with digital silence of the same length."""
    for stem in stems:
        if stem.track in tracks:
            soundfile.write(stem.uri, np.zeros(stem.frames), stem.sample_rate)
            scanned_again(stem)


@pytest.mark.slow
def test_silent_segments_neither_end_the_run_nor_count(prepared, scanned_again):
    """They have no gradient to be unlearned by, in any number of shards and batches of any size."""
    context, inputs, planting = prepared
    silence(inputs.corpus, {"B", "D"}, scanned_again)
    attribute.attribute(context, inputs, planting)
    run = context.run
    record, plus = run.read_json("attribution", "record.json"), weights(run, "attribution", "plus.safetensors")
    readings = record["readings"]
    assert all(0.0 <= reading["self_influence"] <= 1.0 for reading in readings)

    # The same as of a corpus without them.
    worker = attribute.Mover.of(context)
    network, _ = load_network(run, train.FINAL)
    check = segments.draw(context.segments_of(inputs.corpus), 64, f"{context.config.seed}/checked")
    mixtures, targets, _ = worker._load_audible(Drawn.of(check, inputs.corpus), network, "the corpus")
    some = {track: indices for track, indices in check.items() if track in ("A", "C")}
    expected, _, _ = worker.load(Drawn.of(some, inputs.corpus), network)
    assert mixtures.equal(expected)
    assert targets.sum(dim=1).equal(expected)

    # One shard and another batch.
    context, inputs, planting = changed(prepared, fisher_shards=1, batch=3)
    Path(run.path("done", "attribute.json")).unlink()
    attribute.attribute(replace(context, fingerprint="other"), inputs, planting)
    again = run.read_json("attribution", "record.json")["readings"]
    assert [r["alpha"] for r in again] == pytest.approx([r["alpha"] for r in readings], rel=1e-4)
    assert [r["self_influence"] for r in again] == [r["self_influence"] for r in readings]
    assert moved(plus, weights(run, "attribution", "plus.safetensors")) < 1e-4


def test_a_corpus_without_anything_audible_says_so(prepared, scanned_again):
    context, inputs, planting = prepared
    silence(inputs.corpus, {"A", "B", "C", "D"}, scanned_again)
    settings = replace(context.config.scoring, unlearning="none")
    context = replace(context, config=replace(context.config, scoring=settings))
    with pytest.raises(RaysepError, match=r"none of 8 segments drawn from the corpus is audible \(above -60 dBFS\)"):
        attribute.attribute(context, inputs, planting)


# What can be chosen


def changed(prepared, **scoring):
    """(context, inputs, planting) with other settings of the scoring."""
    context, inputs, planting = prepared
    settings = replace(context.config.scoring, **scoring)
    return replace(context, config=replace(context.config, scoring=settings)), inputs, planting


def unlearned(context):
    return weights(context.run, "attribution", f"{attribute.UNLEARNED}.safetensors")


def moved(first, second) -> float:
    return (
        sum(float((first[n].double() - second[n].double()).square().sum()) for n in first if "running" not in n) ** 0.5
    )


def test_without_unlearning_no_fisher_is_computed(prepared):
    context, inputs, planting = changed(prepared, unlearning="none")
    attribute.attribute(context, inputs, planting)
    assert not list(Path(context.run.path("attribution")).glob("fisher-*"))
    assert not context.run.has("attribution", f"{attribute.UNLEARNED}.safetensors")
    assert context.run.has("attribution", f"{attribute.PLUS}.safetensors")
    assert context.run.read_json("attribution", "record.json")["fisher_segments"] == 0


def test_the_fisher_can_give_the_central_difference_its_metric(prepared):
    first, *rest = changed(prepared, unlearning="none", direction="fisher", rho=3e-4)
    attribute.attribute(first, *rest)
    by_fisher = weights(first.run, "attribution", f"{attribute.PLUS}.safetensors")
    assert list(Path(first.run.path("attribution")).glob("fisher-*"))
    second, *rest = changed(prepared, unlearning="none", rho=3e-4)
    second = replace(second, fingerprint="other")
    Path(second.run.path("done", "attribute.json")).unlink()
    attribute.attribute(second, *rest)
    assert moved(by_fisher, weights(second.run, "attribution", f"{attribute.PLUS}.safetensors")) > 0


def test_plain_unlearning_goes_along_the_gradient_itself(prepared):
    context, inputs, planting = changed(prepared, unlearning="plain", alpha=0.5)
    attribute.attribute(context, inputs, planting)
    assert not list(Path(context.run.path("attribution")).glob("fisher-*"))
    trained = weights(context.run, "checkpoints", f"{train.FINAL}.safetensors")
    parts = sorted(Path(context.run.path("attribution")).glob("gradient-*"))
    total = merge_all({part.name: ParameterSum.from_bytes(part.read_bytes()) for part in parts})
    step = 0.5 / 8 / (1 + context.config.scoring.damping)
    for name, gradient in total.mean().items():
        expected = trained[name].double() + step * gradient
        assert np.allclose(unlearned(context)[name], expected, rtol=1e-6, atol=1e-7), name


def test_further_steps_go_further_and_are_pulled_back(prepared):
    context, inputs, planting = changed(prepared, alpha=1e-7)
    attribute.attribute(context, inputs, planting)
    trained = weights(context.run, "checkpoints", f"{train.FINAL}.safetensors")
    one = unlearned(context)
    more, *rest = changed(prepared, alpha=1e-7, unlearning_steps=3)
    more = replace(more, fingerprint="other")
    Path(more.run.path("done", "attribute.json")).unlink()
    attribute.attribute(more, *rest)
    assert context.run.read_json("attribution", "record.json")["steps"] == 3
    assert moved(one, trained) < moved(unlearned(more), trained) < 3.3 * moved(one, trained)


def test_known_faults_can_be_unlearned_instead(prepared, tmp_path, write_tracks):
    context, inputs, planting = changed(prepared, unlearning="noisy", alpha=1e-7)
    planted = stems_of(write_tracks(tmp_path / "planted", ["P", "Q"], seconds=3.0)).stems
    planting = replace(planting, planted=planted, noisy=frozenset({"P/bass", "P/drums"}))
    attribute.attribute(context, inputs, planting)
    assert list(Path(context.run.path("attribution")).glob("noisy-*"))
    noisy = unlearned(context)
    joint, *rest = changed(prepared, alpha=1e-7)
    joint = replace(joint, fingerprint="other")
    Path(joint.run.path("done", "attribute.json")).unlink()
    attribute.attribute(joint, *rest)
    assert moved(noisy, unlearned(joint)) > 0


def test_the_reference_whose_loss_must_rise_is_what_is_unlearned(prepared, tmp_path, write_tracks, monkeypatch):
    """With known faults these, of half of the planted tracks; the other half, which is evidence, is not touched."""
    from raysep.probes import unlearning

    context, inputs, planting = changed(prepared, unlearning="noisy")
    planted = stems_of(write_tracks(tmp_path / "planted", ["P", "Q"], seconds=3.0)).stems
    planting = replace(planting, planted=planted, noisy=frozenset({"P/bass"}))
    seen = []

    def choose(network, gradient, fisher, n, reference, training, **options):
        seen.append(reference)
        return unlearning.StepSize(1e-7, True, ())

    monkeypatch.setattr(unlearning, "choose_step_size", choose)
    attribute.attribute(context, inputs, planting)
    own = [s for s in planted if s.track == "P"]
    expected, _ = reading.read_segments(
        Drawn(own, {"P": [0, 2]}),
        context.config.labels,
        8000,
        1,
        context.segment_frames,
        context.config.scoring.most_segments,
    )
    assert np.array_equal(seen[0][1].numpy(), expected)
    assert ParameterSum.from_bytes(context.run.read_bytes("attribution/noisy-00003.safetensors")).count == 2
    assert len(list(Path(context.run.path("attribution")).glob("noisy-*"))) == 1


def test_without_planted_faults_to_spare_none_are_unlearned(prepared):
    context, inputs, planting = changed(prepared, unlearning="noisy")
    attribute.attribute(context, inputs, planting)
    assert "fewer than two" in context.run.read_json("done", "attribute.json")["unlearning_left_out"]
    assert context.run.has("attribution", f"{attribute.PLUS}.safetensors")


def test_each_reference_track_can_be_unlearned_by_itself(prepared):
    context, inputs, planting = changed(prepared, unlearning="per-track", alpha=1e-7)
    attribute.attribute(context, inputs, planting)
    folder = Path(context.run.path("attribution"))
    names = sorted(path.stem for path in folder.glob("unlearned-*.safetensors"))
    assert names == ["unlearned-00000", "unlearned-00001"]
    assert context.run.read_json("attribution", "record.json")["unlearned_tracks"] == 2
    trained = weights(context.run, "checkpoints", f"{train.FINAL}.safetensors")
    each = [weights(context.run, "attribution", f"{name}.safetensors") for name in names]
    joint, *rest = changed(prepared, alpha=1e-7)
    joint = replace(joint, fingerprint="other")
    Path(joint.run.path("done", "attribute.json")).unlink()
    attribute.attribute(joint, *rest)
    # Both tracks have as many segments, so the joint step is the mean of theirs.
    for name, value in unlearned(joint).items():
        steps = [one[name].double() - trained[name].double() for one in each]
        expected = trained[name].double() + (steps[0] + steps[1]) / 2
        assert np.allclose(value, expected, rtol=1e-5, atol=1e-7), name
    with safe_open(folder / "ranks.safetensors", "np") as ranks:
        assert set(ranks.keys()) == set(context.config.labels)
        for label in ranks.keys():  # noqa: SIM118 (it is no dict)
            known = ranks.get_tensor(label)
            assert known.shape[0] == 2
            assert (np.diff(known, axis=1) >= 0).all()


def test_adams_second_moment_can_stand_for_the_fisher(prepared):
    context, inputs, planting = changed(prepared, unlearning="adam", alpha=1e-7)
    attribute.attribute(context, inputs, planting)
    assert not list(Path(context.run.path("attribution")).glob("fisher-*"))
    data = context.run.read_bytes("checkpoints", f"{train.FINAL}.safetensors")
    trained = checkpoint.from_bytes(data, train.FINAL)
    parts = [
        ParameterSum.from_bytes(p.read_bytes())
        for p in sorted(Path(context.run.path("attribution")).glob("gradient-*"))
    ]
    curvature = damped(trained.second_moment, context.config.scoring.damping)
    for name, gradient in merge_all({str(k): part for k, part in enumerate(parts)}).mean().items():
        expected = trained.weights[name].double() + 1e-7 / 8 * gradient / curvature[name]
        assert np.allclose(unlearned(context)[name], expected, rtol=1e-6, atol=1e-7), name


@pytest.mark.slow
def test_a_fold_is_moved_as_if_its_part_of_the_reference_were_all_of_it(prepared, here):
    """And the Fisher information of the corpus, which no fold is made of, is summed once."""
    context, inputs, planting = changed(prepared, alpha=1e-7)
    folds = {"A": 0, "B": 1, "C": 0, "D": 1, "R": 0, "S": 1}
    attribute.attribute(context, inputs, replace(planting, calibration=inputs.reference, fold_of=folds))
    fishers = len(list(Path(context.run.path("attribution")).glob("fisher-*")))
    assert fishers
    assert not list(Path(context.run.path("attribution")).glob("*/fisher-*"))
    record = context.run.read_json("done", "attribute.json")["folds"]
    assert [each["reference_segments"] for each in record] == [2, 2]
    assert here[-1] == [fishers + 2, fishers + 3]  # after a sum for each fold
    names = (attribute.PLUS, attribute.MINUS, attribute.UNLEARNED)
    for fold, track in enumerate("SR"):
        found = {name: weights(context.run, f"attribution/fold-{fold}", f"{name}.safetensors") for name in names}
        Path(context.run.path("done", "attribute.json")).unlink()
        alone = replace(context, fingerprint=f"alone {fold}")
        part = [s for s in inputs.reference if s.track == track]
        attribute.attribute(alone, replace(inputs, reference=part), Planting(part, [], [], {}))
        for name in names:
            expected = weights(context.run, "attribution", f"{name}.safetensors")
            assert all(np.array_equal(found[name][key], value) for key, value in expected.items()), name


def test_a_fold_unlearns_the_planted_faults_that_another_judges(prepared, tmp_path, write_tracks):
    context, inputs, planting = changed(prepared, unlearning="noisy", alpha=1e-7)
    copies = ["planted-0-R", "planted-0-S"]
    planted = stems_of(write_tracks(tmp_path / "planted", copies, seconds=3.0)).stems
    roles = {s.stem_id: Role("planted", "noise", s.track[-1]) for s in planted if s.stem == "bass"}
    folds = {"A": 0, "B": 1, "C": 0, "D": 1, "R": 0, "S": 1, "planted-0-R": 0, "planted-0-S": 1}
    planting = replace(planting, planted=planted, roles=roles, fold_of=folds)
    assert [{s.track for s in fold.noisy} for fold in planting.folds] == [{"planted-0-S"}, {"planted-0-R"}]
    attribute.attribute(context, inputs, planting)
    first, second = (weights(context.run, f"attribution/fold-{k}", "unlearned.safetensors") for k in (0, 1))
    assert moved(first, second) > 0
