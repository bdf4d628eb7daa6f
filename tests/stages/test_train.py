from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raysep import config as settings
from raysep.cluster import fit
from raysep.stages import train
from raysep.stages.inputs import Inputs
from raysep.stages.plant import Planting


@pytest.mark.parametrize(("rate", "n_fft"), [(8000, 512), (16000, 1024), (22050, 2048), (44100, 4096), (48000, 4096)])
def test_the_window_in_seconds_becomes_the_next_power_of_two(make_context, rate, n_fft):
    arguments = train.network_arguments(replace(make_context(), sample_rate=rate))
    assert (arguments["n_fft"], arguments["hop"], arguments["sample_rate"]) == (n_fft, n_fft // 2, rate)


@given(window=st.floats(0.005, 0.5), rate=st.integers(4000, 96000))
def test_no_smaller_power_of_two_would_do(window, rate):
    context = type("Context", (), {"config": settings.preset("full", {"network": {"window_seconds": window}})})
    context.sample_rate, context.channels = rate, 2
    n_fft = train.network_arguments(context)["n_fft"]
    wanted = round(window * rate)
    assert n_fft & (n_fft - 1) == 0
    assert n_fft // 2 < wanted <= n_fft


@pytest.mark.parametrize("model", ["openunmix-joint", "openunmix"])
def test_the_arguments_build_every_registered_network(make_context, model):
    from raysep.separators import registry

    context = make_context(channels=2, network={"model": model})
    network = registry.build(model, **train.network_arguments(context))
    assert network.stems == context.config.labels
    assert network.sample_rate == context.sample_rate


def test_a_plan_takes_its_recipe_from_the_settings(make_context, make_stems):
    context = make_context(training={"steps": 100, "save_every": 40, "batch": 5, "learning_rate": 0.01})
    plan = train.plan(context, "separator-seed3", make_stems(["A"]), seed=3)
    assert plan.recipe.steps == 100
    assert plan.recipe.save_steps == (40, 80)  # the last step is saved in any case
    assert (plan.recipe.batch, plan.recipe.learning_rate, plan.recipe.seed, plan.recipe.warmup) == (5, 0.01, 3, 10)
    assert plan.out == context.run.path("checkpoints", "separator-seed3.safetensors")
    assert (plan.early_out, plan.early_step) == (None, 0)
    assert plan.labels == context.config.labels
    assert train.plan(context, "x", make_stems(["A"]), steps=30).recipe.save_steps == ()


def test_stems_of_no_weight_and_of_no_samples_are_not_trained_on(make_context, make_stems):
    stems = make_stems(["A"])
    stems[1] = replace(stems[1], frames=0)
    weights = {stems[0].stem_id: 0.25, stems[1].stem_id: 1.0, stems[2].stem_id: 0.0}  # the last one is not named
    plan = train.plan(make_context(), "x", stems, weights=weights)
    assert [(s.stem_id, w) for s, w in plan.stems] == [(stems[0].stem_id, 0.25)]


def test_a_plan_does_not_depend_on_the_order_of_its_stems(make_context, make_stems):
    stems = make_stems(["A", "B", "C"])
    plans = [train.plan(make_context(), "x", order) for order in (stems, stems[::-1])]
    assert plans[0] == plans[1]
    assert plans[0].fingerprint == plans[1].fingerprint


@pytest.fixture
def trained(monkeypatch):
    """The plans that would be trained, call by call; no worker is started."""
    calls = []

    def note(plans, group, available, on_progress):
        on_progress(plans[0].name, 1, 2)
        calls.append((plans, group))

    monkeypatch.setattr(fit, "fit", note)
    return calls


def test_the_probe_networks_are_trained_on_what_they_should_be(make_context, make_stems, trained):
    context = make_context(training={"steps": 10, "early": 0.4, "reference_steps": 0.6})
    corpus, target, calibration, planted = (make_stems([name]) for name in ("corpus", "target", "calib", "planted-0-x"))
    roles = {s.stem_id: ("calibration", "clean", "calib") for s in calibration}
    roles[planted[0].stem_id] = ("planted", "noise", "x")
    train.train_probes(context, Inputs(corpus, target + calibration, []), Planting(target, calibration, planted, roles))
    ((final, reference), group) = trained[0]
    assert (final.name, reference.name) == (train.FINAL, train.REFERENCE)
    assert {s.stem_id for s, _ in final.stems} == {s.stem_id for s in (*corpus, *calibration, planted[0])}
    assert {s.stem_id for s, _ in reference.stems} == {s.stem_id for s in target}
    assert (final.recipe.steps, final.early_step, reference.recipe.steps) == (10, 4, 6)
    assert final.early_out == context.run.path("checkpoints", f"{train.EARLY}.safetensors")
    assert 4 in final.recipe.save_steps
    assert group.workers == context.config.training.workers
    assert group.storage_path == context.run.path("training")


def test_a_finished_stage_trains_nothing_again(make_context, make_stems, trained):
    context = make_context()
    plans = [train.plan(context, "x", make_stems(["A"]))]
    train.train(context, "retrain", plans)
    train.train(context, "retrain", plans)
    assert len(trained) == 1
    assert context.run.read_json("done", "retrain.json")["plans"] == ["x"]


def test_finished_checkpoints_of_a_killed_stage_are_kept(make_context, make_stems, trained):
    context = make_context()
    plans = [train.plan(context, name, make_stems(["A"])) for name in ("x", "y")]
    for plan in plans:
        context.run.write_json({"fingerprint": plan.fingerprint}, "checkpoints", f"{plan.name}.json")
    train.train(context, "retrain", plans)
    assert trained == []
    assert context.run.is_done("retrain")


def test_the_groups_name_changes_with_every_plan(make_context, make_stems, trained):
    context = make_context()
    for k, seed in enumerate((0, 1)):
        train.train(context, f"stage{k}", [train.plan(context, "x", make_stems(["A"]), seed=seed)])
    first, second = (group.name.split("-")[1] for _, group in trained)
    assert first != second
