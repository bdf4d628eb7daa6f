from __future__ import annotations

import json
import unicodedata
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from raysep import config as settings
from raysep.cluster import fit
from raysep.corpus import storage
from raysep.corpus.inputs import Inputs
from raysep.decision.roles import Role
from raysep.errors import BadInput
from raysep.rundir import table_bytes
from raysep.stages import train
from raysep.stages.arms import Arm
from raysep.stages.plant import Planting
from raysep.training.entry import Entry, whole
from raysep.training.plan import sidecar_of

# Plans


def test_a_plan_takes_its_recipe_from_the_settings(make_context, make_stems):
    chosen = {
        "steps": 100,
        "save_every": 40,
        "batch": 5,
        "learning_rate": 0.01,
        "truncate": "stem",
        "truncate_share": 0.5,
        "warmup": 7,
    }
    context = make_context(training=chosen | {"augment": ["gain"], "precision": "bfloat16", "schedule": "one-cycle"})
    plan = train.plan(context, "separator-seed3", whole(make_stems(["A"])), seed=3)
    assert plan.recipe.steps == 100
    assert plan.recipe.save_steps == (40, 80)  # the last step is saved in any case
    assert (plan.recipe.batch, plan.recipe.learning_rate, plan.recipe.seed, plan.recipe.warmup) == (5, 0.01, 3, 7)
    assert (plan.recipe.truncate, plan.recipe.augment, plan.recipe.precision) == ("stem", ("gain",), "bfloat16")
    assert plan.recipe.schedule == "one-cycle"
    assert plan.out == context.run.path("checkpoints", "separator-seed3.safetensors")
    assert (plan.early_out, plan.early_step) == (None, 0)
    assert plan.labels == context.config.labels
    assert train.plan(context, "x", whole(make_stems(["A"])), steps=30).recipe.save_steps == ()
    assert train.plan(make_context(training={"steps": 100}), "x", whole(make_stems(["A"]))).recipe.warmup == 10


def test_a_plan_validates_when_there_are_tracks_for_it(make_context, make_stems):
    context = make_context(training={"steps": 100, "save_every": 40, "patience": 3, "keep_best": 2})
    tracks = tuple(make_stems(["V"]))
    recipe = train.plan(context, "x", whole(make_stems(["A"]))).recipe
    assert (recipe.validate_every, recipe.patience) == (0, 0)
    plan = train.plan(replace(context, validation=tracks[::-1]), "x", whole(make_stems(["A"])))
    assert plan.validation == tuple(sorted(tracks))
    assert (plan.recipe.validate_every, plan.recipe.patience, plan.recipe.keep_best) == (40, 3, 2)
    often = make_context(training={"validate_every": 5})
    assert train.plan(replace(often, validation=tracks), "x", whole(make_stems(["A"]))).recipe.validate_every == 5


@pytest.mark.parametrize("changes", [{"patience": 2}, {"schedule": "plateau"}])
def test_what_goes_by_validations_needs_tracks(changes):
    config = settings.preset("smallest", {"training": changes})
    train.check_validation(config, has_tracks=True)
    with pytest.raises(BadInput, match=rf"training\.{next(iter(changes))} = .*--validation"):
        train.check_validation(config, has_tracks=False)


def test_stems_of_no_weight_and_of_no_samples_are_not_trained_on(make_context, make_stems):
    stems = make_stems(["A"])
    empty = replace(stems[1], frames=0)
    plan = train.plan(make_context(), "x", [Entry(stems[0], 0.25), Entry(empty), Entry(stems[2], 0.0)])
    assert plan.stems == (Entry(stems[0], 0.25),)


def test_masked_stretches_and_labels_reach_the_plan_and_its_fingerprint(make_context, make_stems):
    context, (first, *others) = make_context(), make_stems(["A"])
    entries = [Entry(first, spans=((1.0, 2.5),)), *whole(others)]
    plans = [
        train.plan(context, "x", entries),
        train.plan(context, "x", [Entry(first, label="other"), *whole(others)]),
        train.plan(context, "x", whole([first, *others])),
    ]
    assert [e for e in plans[0].stems if e.spans] == [entries[0]]
    assert len({plan.fingerprint for plan in plans}) == 3


def test_a_plan_does_not_depend_on_the_order_of_its_stems(make_context, make_stems):
    entries = whole(make_stems(["A", "B", "C"]))
    entries.append(Entry(entries[0].stem, label="other"))
    plans = [train.plan(make_context(), "x", order) for order in (entries, entries[::-1])]
    assert plans[0] == plans[1]
    assert plans[0].fingerprint == plans[1].fingerprint


# What validation goes by


def test_the_measure_is_the_whole_tracks_sdr_and_none_for_silence():
    references = np.zeros((3, 1, 100), np.float32)
    references[0], references[2] = 0.5, 5e-4  # the last at -66 dBFS
    found = train.measure(references, references * 0.9)
    assert found[0] == pytest.approx(20.0, abs=1e-3)
    assert np.isnan(found[1:]).all()


def test_silent_validation_stems_are_said_once_with_the_first(make_context, make_stems):
    context = replace(make_context(), validation=tuple(make_stems(["V", "W"])))
    plans = [train.plan(context, name, whole(make_stems(["A"]))) for name in ("a", "b")]
    for plan, silent in zip(plans, ({"silent_in_validation": ["V/bass", "W/bass"]}, {}), strict=True):
        storage.write_bytes(sidecar_of(plan.out), json.dumps({"metadata": silent}).encode())
    said = []
    progress = SimpleNamespace(say=said.append)
    train.say_silent(progress, plans)
    train.say_silent(progress, plans[1:])
    assert len(said) == 1
    assert said[0].startswith("note: 2 of 8 validation stems are silent (first V/bass)")
    assert train.say_silent(progress, [replace(plans[0], validation=())]) is None


# Decisions


def test_a_training_goes_by_a_decision_table_or_uses_all_alike(tmp_path, make_stems):
    stems = make_stems(["A"])
    rows = [{"stem_id": s.stem_id, "keep": k > 0, "weight": 0.5} for k, s in enumerate(stems)]
    table = tmp_path / "d.parquet"
    storage.write_bytes(str(table), table_bytes(pa.Table.from_pylist(rows)))
    assert train.entries_by(stems, None, "table") == [Entry(s) for s in stems]
    assert train.entries_by(stems, str(table), "table") == [Entry(s, 0.5) for s in stems[1:]]
    assert train.entries_by(stems, str(table), "drop") == [Entry(s) for s in stems[1:]]
    with pytest.raises(
        BadInput,
        match="handling 'keep': not known; choose one of drop, weight, relabel, spare, auto, mask, table, descend, restore, or",
    ):
        train.entries_by(stems, str(table), "keep")


def test_a_decision_of_other_names_is_joined_by_form_and_the_rest_is_said(tmp_path, make_stems):
    """A decision made where names are composed, a corpus that lies where they are decomposed, and one of other tracks."""
    table, said = str(tmp_path / "d.parquet"), []
    rows = [
        {"stem_id": unicodedata.normalize("NFD", s.stem_id), "keep": True, "weight": 1.0}
        for s in make_stems(["Für Elise", "gone"])
    ]
    storage.write_bytes(table, table_bytes(pa.Table.from_pylist(rows)))
    stems = make_stems(["Für Elise", "new"])
    entries = train.entries_by(stems, table, "table", said.append)
    assert entries == [Entry(s) for s in stems if s.track == "Für Elise"]
    assert [len(Arm("separator", entries).entries), Arm("separator", entries).size] == [4, 4]
    assert said == [
        "note: 4 of 8 stems named by the decision are not in the corpus, first gone/vocals",
        "note: 4 of 8 stems named by the corpus are not in the decision: they are left out, first new/vocals",
    ]
    assert train.entries_by(stems[:4], str(table), "table", said.append)
    assert len(said) == 3


# The stage


@pytest.fixture
def trained(monkeypatch):
    """The plans that would be trained, call by call; no worker is started."""
    calls = []

    def note(plans, group, available, on_progress, on_wait, **side_by_side):
        on_progress(plans[0].name, 1, 2)
        on_wait("waiting for 2 CPUs (4 in all, 3 held by others)")
        calls.append((plans, group))

    monkeypatch.setattr(fit, "fit", note)
    return calls


def test_the_probe_networks_are_trained_on_what_they_should_be(make_context, make_stems, trained):
    context = make_context(training={"steps": 10, "early": 0.4, "reference_steps": 0.6, "least_workers": 1})
    corpus, target, calibration, planted = (make_stems([name]) for name in ("corpus", "target", "calib", "planted-0-x"))
    roles = {s.stem_id: Role("calibration", "clean", "calib") for s in calibration}
    roles[planted[0].stem_id] = Role("planted", "noise", "x")
    train.train_probes(context, Inputs(corpus, target + calibration, []), Planting(target, calibration, planted, roles))
    ((final, reference), group) = trained[0]
    assert (final.name, reference.name) == (train.FINAL, train.REFERENCE)
    assert {e.stem.stem_id for e in final.stems} == {s.stem_id for s in (*corpus, *calibration, planted[0])}
    assert {e.stem.stem_id for e in reference.stems} == {s.stem_id for s in target}
    assert (final.recipe.steps, final.early_step, reference.recipe.steps) == (10, 4, 6)
    assert final.early_out == context.run.path("checkpoints", f"{train.EARLY}.safetensors")
    assert 4 in final.recipe.save_steps
    assert (group.workers, group.least_workers) == (context.config.training.workers, 1)
    assert group.storage_path == context.run.path("training")
    assert group.events == context.run.path("tensorboard")
    assert group.measure is train.measure


def test_where_folds_rotate_each_has_a_network_of_the_others_tracks(make_context, make_stems, trained):
    context = make_context(training={"steps": 10, "reference_steps": 0.6})
    corpus, reference, copies = (make_stems(tracks) for tracks in (["C"], ["R", "S"], ["planted-0-R", "planted-0-S"]))
    roles = {s.stem_id: Role("calibration", "clean", s.track) for s in reference}
    roles |= {s.stem_id: Role("planted", "noise", s.track[-1]) for s in copies}
    folds = {"C": 0, "R": 0, "S": 1, "planted-0-R": 0, "planted-0-S": 1}
    planting = Planting(reference, reference, copies, roles, frozenset(), folds)
    train.train_probes(context, Inputs(corpus, reference, []), planting)
    ((final, *others), _) = trained[0]
    assert {e.stem.stem_id for e in final.stems} == {s.stem_id for s in (*corpus, *reference, *copies)}
    assert [plan.name for plan in others] == [f"{train.REFERENCE}-0", f"{train.REFERENCE}-1"]
    assert [{e.stem.track for e in plan.stems} for plan in others] == [{"S"}, {"R"}]
    assert [plan.recipe.steps for plan in others] == [6, 6]


def test_a_finished_stage_trains_nothing_again(make_context, make_stems, trained):
    context = make_context()
    plans = [train.plan(context, "x", whole(make_stems(["A"])))]
    train.run_plans(context, "retrain", plans)
    train.run_plans(context, "retrain", plans)
    assert len(trained) == 1
    assert context.run.read_json("done", "retrain.json")["plans"] == ["x"]


def test_finished_checkpoints_of_a_killed_stage_are_kept(make_context, make_stems, trained):
    context = make_context()
    plans = [train.plan(context, name, whole(make_stems(["A"]))) for name in ("x", "y")]
    for plan in plans:
        context.run.write_json({"fingerprint": plan.fingerprint}, "checkpoints", f"{plan.name}.json")
    train.run_plans(context, "retrain", plans)
    assert trained == []
    assert context.run.is_done("retrain")


def test_stems_that_a_training_lacked_are_noted_and_it_is_done_again_when_asked(make_context, make_stems, trained):
    context = make_context()
    plans = [train.plan(context, name, whole(make_stems(["A"]))) for name in ("x", "y")]

    def note(plan, **more):
        context.run.write_json({"fingerprint": plan.fingerprint, **more}, "checkpoints", f"{plan.name}.json")

    note(plans[0], unread={"A/bass": "gone"})
    note(plans[1], unread={})
    for again in (False, True):
        train.run_plans(replace(context, retry_failed=again), "retrain", plans)
        storage.delete(context.run.path("done", "retrain.json"))
        if not again:
            assert trained == []
            assert context.run.read_json("run.json")["stages"]["retrain"]["unread"] == [["A/bass", "gone"]]
    ((_, group),) = trained
    assert [plan.is_trained() for plan in plans] == [False, True]  # that is for the group to do
    train.run_plans(context, "retrain", plans)
    assert trained[1][1].name != group.name  # nor does Ray take the former one for it
    assert context.run.read_json("run.json")["stages"]["retrain"]["unread"] == []


def test_the_trainings_of_a_stage_go_side_by_side_or_one_after_another_and_the_run_is_the_same(
    make_context, make_stems, trained
):
    for count, calls in ((0, [["x"], ["y"]]), (1, [["x", "y"]]), (2, [["x"], ["y"]])):
        context = make_context(training={"steps": 200, "side_by_side": count})
        plans = [train.plan(context, name, train.whole(make_stems(["A"]))) for name in ("x", "y")]
        train.run_plans(context, f"stage{count}", plans)
        assert sorted([plan.name for plan in own] for own, _ in trained) == calls
        trained.clear()
        done = context.run.read_json("done", f"stage{count}.json")
        assert (done["plans"], done["workers"]) == (["x", "y"], 2)


def test_the_groups_name_changes_with_every_plan(make_context, make_stems, trained):
    context = make_context()
    for k, seed in enumerate((0, 1)):
        train.run_plans(context, f"stage{k}", [train.plan(context, "x", whole(make_stems(["A"])), seed=seed)])
    first, second = (group.name.split("-")[1] for _, group in trained)
    assert first != second
