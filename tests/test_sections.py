"""The sections of the settings: what each says of itself, and the rules that join two of them."""

from __future__ import annotations

import dataclasses
import re

import pytest

from raysep import config as settings
from raysep.corpus.faults import KINDS
from raysep.errors import BadInput
from raysep.probes.embedders.registry import DEFAULT
from raysep.ranges import fields_of
from raysep.stages.arms import ARMS
from raysep.training.recipe import Recipe

SECTIONS = {f.name: f.kind for f in fields_of(settings.Config) if dataclasses.is_dataclass(f.kind)}
SETTINGS = {f.name: f for f in fields_of(settings.Config) if f.name not in SECTIONS}
SETTINGS |= {f"{section}.{f.name}": f for section, kind in SECTIONS.items() for f in fields_of(kind)}


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_says_what_it_means_and_what_it_may_be(name):
    field = SETTINGS[name]
    for words in (field.about, field.allowed):
        assert words
        assert words == " ".join(words.split())
        assert not re.search(r"[|#]", words)  # they stand in tables and comments
    assert not field.about.endswith(".")


def test_no_two_settings_have_one_meaning():
    told = {"segment_seconds", "shards"}  # the same word in another section
    meanings = [f.about for f in SETTINGS.values() if f.name not in told]
    assert len(set(meanings)) == len(meanings)


def test_a_recipes_own_ranges_are_those_that_are_shown():
    shown = {f.name: f.allowed for f in fields_of(SECTIONS["training"])}
    for field in fields_of(Recipe):
        if field.name in shown and field.name not in ("steps", "segment_seconds", "warmup"):  # stricter, or null
            assert shown[field.name].startswith(field.allowed)


def test_the_arms_and_the_kinds_of_fault_are_named_where_they_are_looked_for(raysep):
    named = re.split(r"[\s,:;]+", SETTINGS["proof.arms"].about)
    assert [arm for arm in ARMS if arm.removesuffix(":") not in named] == []
    text = raysep("contaminate", "--help")[1]
    assert [kind for kind in KINDS if not re.search(rf"\b{kind}\b", text)] == []


def test_per_track_unlearning_is_read_in_own_context_only():
    with pytest.raises(BadInput, match=r"scoring[.]unlearning_context = 'both': must be own with .*per-track"):
        settings.preset("tiny", {"scoring": {"unlearning": "per-track", "unlearning_context": "both"}})


def test_the_default_embedder_is_the_registrys():
    assert settings.preset("full").scoring.embedder == DEFAULT


def test_a_share_of_whole_examples_that_leaves_none_out_is_refused():
    """The full preset's workers take eight examples each: of these a tenth is none."""
    with pytest.raises(
        BadInput, match=r"training[.]truncate_share = 0[.]1: must be at least 0[.]125 .*takes 8 at once"
    ):
        settings.preset("full", {"training": {"truncate": "stem"}})
    made = settings.preset("full", {"training": {"truncate": "stem", "truncate_share": 0.125}})
    assert made.training.truncate_share == 0.125


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"training": {"batch": 1}}, "training.batch = 1: must be at least one example per training worker"),
        ({"training": {"least_workers": 3}}, "training.least_workers = 3: must be from 0 to training.workers"),
        ({"training": {"side_by_side": -1}}, "training.side_by_side = -1: must be 0 or more"),
        ({"training": {"side_by_side": 3}}, "training.side_by_side = 3: must be at most training.workers"),
        ({"training": {"side_by_side": 2, "workers": 4}}, "training.side_by_side = 2: must be at most"),
        ({"training": {"side_by_side": 2, "accumulate": 2}}, "training.side_by_side = 2: must be at most"),
        ({"training": {"side_by_side": 2, "least_workers": 1}}, "training.side_by_side = 2: must be at most"),
        ({"training": {"least_workers": -1}}, "training.least_workers = -1: must be from 0 to training.workers"),
        ({"planting": {"folds": 10}}, "planting.folds = 10: must be from 1 to planting.least_tracks"),
        ({"planting": {"calibration": 0.6}}, "planting.calibration = 0.6: must be leaving a part to plant"),
        ({"planting": {"kinds": ["nope"]}}, "must be kinds of fault that `raysep contaminate --help` names"),
        ({"scoring": {"alpha": 0}}, "scoring.alpha = 0.0: must be above 0, or null to have it chosen"),
        ({"scoring": {"rho": 0.1}}, "scoring.rho = 0.1: must be above 0, below 0.1"),
        ({"scoring": {"unlearning": "both"}}, "must be one of joint, adam, per-track, plain, noisy, none"),
        ({"decision": {"rule": "guess"}}, "decision.rule = 'guess': must be threshold, fdr or ratio"),
        ({"training": {"reference_steps": 2}}, "training.reference_steps = 2.0: must be above 0, at most 1"),
        ({"sample_rate": 3}, "sample_rate = 3: must be 0 (the corpus's own) or 1000 Hz and more"),
        ({"training": {"steps": 0}}, "training.steps = 0: must be 1 or more"),
        # What a recipe checks says so in its own words.
        ({"training": {"learning_rate": 0}}, "training.learning_rate 0.0: must be more than 0"),
        ({"training": {"ema_decay": 1}}, "training.ema_decay 1.0: must be in [0, 1)"),
        ({"training": {"schedule": "x"}}, "training.schedule 'x': not known; choose one of cosine, one-cycle, plateau"),
        ({"training": {"augment": ["gain", "gain"]}}, "training.augment ['gain', 'gain']: choose from gain, swap, "),
    ],
    ids=str,
)
def test_what_is_refused_is_told_in_these_words(changes, words):
    with pytest.raises(BadInput, match=re.escape(words)):
        settings.preset("full", changes)
