from __future__ import annotations

import dataclasses
import hashlib
import json
import pickle

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from raysep import config as settings
from raysep.corpus import hashing
from raysep.errors import BadInput


@pytest.mark.parametrize("name", settings.PRESETS)
def test_every_preset_goes_through_yaml_and_back(name):
    made = settings.preset(name)
    text = yaml.safe_dump(settings.to_dict(made), sort_keys=False)
    assert settings.preset("full", settings.read_yaml(text, "my.yaml")) == made


def test_presets_are_in_order_of_their_cost():
    steps = [settings.preset(name).training.steps for name in settings.PRESETS]
    assert steps == sorted(steps)


def test_a_corpus_gets_the_preset_of_its_length():
    chosen = [settings.preset_for(hours * 3600) for hours in (0.1, 2.9, 3.1, 23, 25, 1000)]
    assert chosen == ["tiny", "tiny", "small", "small", "full", "full"]


def test_overrides_win_over_the_preset_and_leave_the_rest():
    made = settings.preset("tiny", {"training": {"steps": 7}, "labels": ["speech", "noise"]})
    assert made.training.steps == 7
    assert made.training.batch == settings.preset("tiny").training.batch
    assert made.labels == ("speech", "noise")


@pytest.mark.parametrize(
    "assignment",
    [
        "labels=[vocals]",
        "labels=[vocals, vocals]",
        "sample_rate=-1",
        "sample_rate=3",
        "seed=-1",
        "network.hidden=0",
        "network.layers=0",
        "network.window_seconds=0",
        "network.overlap=0",
        "network.max_hz=0",
        "training.steps=0",
        "training.batch=1",  # fewer than the two workers
        "training.workers=0",
        "training.threads=0",
        "training.early=1",
        "training.early=.nan",
        "training.reference_steps=0",
        "training.segment_seconds=0",
        "training.memory_gib=0",
        "training.save_every=0",
        "scoring.segment_seconds=-1",
        "scoring.most_segments=0",
        "scoring.first_segments=-1",
        "scoring.budget=1.1",
        "scoring.shards=0",
        "scoring.batch=0",
        "scoring.fisher_shards=0",
        "scoring.rho=0",
        "scoring.alpha=-3",
        "scoring.damping=0",
        "planting.kinds=[noise, nope]",
        "search.ratios=[]",
        "search.learning_rate=0",
        "planting.unlearning=1",
        "planting.calibration=0.7",  # with 0.4 nothing is left to plant
        "planting.folds=0",
        "planting.folds=10",  # a fold has one of the nine tracks at least
        "planting.copies=0",
        "planting.least_tracks=4",
        "decision.rule=guess",
        "decision.threshold=1",
        "decision.fdr=0",
        "decision.ratio=1",
        "decision.floor=1.1",
        "search.ratios=[0, 1]",
        "search.steps=0",
        "search.rungs=0",
        "proof.arms=[]",
        "proof.seeds=[]",
        "proof.seeds=[1, 1]",
        "proof.seeds=[-1]",
    ],
)
def test_a_value_out_of_range_is_named_with_what_is_allowed(assignment):
    name = assignment.partition("=")[0]
    with pytest.raises(BadInput, match=rf"^{name.replace('.', '[.]')} = .*: must be "):
        settings.preset("full", settings.parse_assignment(assignment))


def test_an_unknown_preset_is_named_with_the_known_ones():
    with pytest.raises(BadInput, match=r"--preset huge: .*smallest, tiny, small, full"):
        settings.preset("huge")


@given(
    st.sampled_from(["training.steps", "training.batch", "scoring.shards", "seed"]),
    st.integers(min_value=16, max_value=10**6),
)
def test_the_fingerprint_changes_with_any_setting_and_only_then(name, value):
    changes = settings.parse_assignment(f"{name}={value}")
    one, same = settings.preset("full", changes), settings.preset("full", changes)
    assert hashing.fingerprint(one) == hashing.fingerprint(same)
    assert (hashing.fingerprint(one) == hashing.fingerprint(settings.preset("full"))) == (
        one == settings.preset("full")
    )


def test_the_fingerprint_is_of_content_and_of_all_parts():
    assert hashing.fingerprint({"a": 1, "b": (2, 3)}) == hashing.fingerprint({"b": [2, 3], "a": 1})
    assert hashing.fingerprint("a", "b") != hashing.fingerprint("ab")
    assert hashing.fingerprint("a") != hashing.fingerprint("a", "a")
    assert len(hashing.fingerprint("a")) == 12


def plain(value):
    """A setting, or a section of them, as JSON has it."""
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return [plain(item) for item in value] if isinstance(value, tuple) else value


def test_how_many_trainings_run_at_the_same_time_is_no_part_of_what_a_run_is():
    one, two = (settings.preset("tiny", {"training": {"side_by_side": count}}) for count in (1, 2))
    assert one != two
    assert hashing.fingerprint(one) == hashing.fingerprint(two) == hashing.fingerprint(settings.preset("tiny"))
    assert settings.recipe_of(one.training, 5) == settings.recipe_of(two.training, 5)


@pytest.mark.parametrize("name", settings.PRESETS)
def test_what_is_recorded_and_hashed_is_the_values_alone_in_order(name):
    """Ranges and meanings stand in the types: they are no part of a run's identity."""
    made = settings.preset(name)
    assert json.dumps(settings.to_dict(made)) == json.dumps(plain(made))
    hashed = {k: v for k, v in plain(made).items() if k != "resources"}
    del hashed["training"]["side_by_side"]
    ordered = json.dumps([hashed], sort_keys=True)
    assert hashing.fingerprint(made) == hashlib.sha256(ordered.encode()).hexdigest()[:12]
    assert pickle.loads(pickle.dumps(made)) == made


def test_a_seed_that_a_training_does_not_follow_is_said_with_the_one_that_it_does():
    assert settings.unused_seed(settings.preset("tiny")) == ""
    words = settings.unused_seed(settings.preset("tiny", {"seed": 7, "proof": {"seeds": [2, 3]}}))
    assert words == "seed=7 changes nothing here: a training follows proof.seeds=[2,3]"
