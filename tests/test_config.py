from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from raysep import config as settings
from raysep.corpus import hashing
from raysep.errors import BadInput
from raysep.probes.embedders.registry import DEFAULT


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


def test_merging_changes_neither_side():
    base, changes = {"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"b": 9}, "e": {"f": 4}}
    assert settings.merge(base, changes) == {"a": {"b": 9, "c": 2}, "d": 3, "e": {"f": 4}}
    assert base == {"a": {"b": 1, "c": 2}, "d": 3}
    assert changes == {"a": {"b": 9}, "e": {"f": 4}}


@pytest.mark.parametrize(
    ("text", "nested"),
    [
        ("training.steps=800", {"training": {"steps": 800}}),
        ("seed=3", {"seed": 3}),
        ("proof.seeds=[0, 1]", {"proof": {"seeds": [0, 1]}}),
        ("scoring.alpha=null", {"scoring": {"alpha": None}}),
        ("decision.rule=fdr", {"decision": {"rule": "fdr"}}),
        ("network.model=a=b", {"network": {"model": "a=b"}}),
    ],
)
def test_an_assignment_is_read_as_yaml(text, nested):
    assert settings.parse_assignment(text) == nested


@pytest.mark.parametrize("text", ["training.steps", "=3", "", "training.steps=[1"])
def test_an_assignment_that_is_none_is_shown(text):
    with pytest.raises(BadInput, match="--set"):
        settings.parse_assignment(text)


def test_numbers_are_taken_as_what_the_setting_is():
    # PyYAML reads 1e-4 as text.
    made = settings.preset("full", {"training": {"learning_rate": "1e-4", "segment_seconds": 3}, "proof": {"seeds": 5}})
    assert made.training.learning_rate == 1e-4
    assert isinstance(made.training.segment_seconds, float)
    assert made.proof.seeds == (5,)
    assert settings.preset("full", {"scoring": {"alpha": "1e-3"}}).scoring.alpha == 1e-3
    assert settings.preset("full", {"scoring": {"alpha": None}}).scoring.alpha is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"trainning": {}}, r"trainning: there is no such setting; did you mean training\? known here: .*training"),
        (
            {"training": {"step": 3}},
            r"training\.step: there is no such setting; did you mean training\.steps\? known here: .*steps",
        ),
        (
            {"steps": 3},
            r"steps: there is no such setting; did you mean training\.steps or search\.steps\? known here: .*seed",
        ),
        ({"training": {"wholly": 3}}, r"training\.wholly: there is no such setting; known here: .*steps"),
        ({"training": 5}, r"training: 5 is not a section"),
        ({"training": None}, r"training: None is not a section"),
        ({"training": {"steps": "many"}}, r"training\.steps: 'many' is not int"),
        ({"training": {"steps": 8.5}}, r"training\.steps: 8.5 is not int"),
        ({"training": {"steps": True}}, r"training\.steps: True is not int"),
        ({"training": {"steps": {"a": 1}}}, r"training\.steps: .* is not int"),
        ({"training": {"learning_rate": "fast"}}, r"training\.learning_rate: 'fast' is not float"),
        ({"training": {"learning_rate": False}}, r"training\.learning_rate: False is not float"),
        ({"proof": {"seeds": [0, "x"]}}, r"proof\.seeds: 'x' is not int"),
        ({"labels": None}, r"labels: None is not str"),
        ({1: 2}, r"1: there is no such setting"),
    ],
)
def test_a_setting_that_does_not_exist_or_fit_is_named(changes, words):
    with pytest.raises(BadInput, match=words):
        settings.preset("full", changes)


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


@pytest.mark.parametrize("text", ["a: [1", "- 1\n- 2", "just words"])
def test_a_file_that_holds_no_settings_is_named(text):
    with pytest.raises(BadInput, match=r"^my\.yaml: "):
        settings.read_yaml(text, "my.yaml")


def test_an_empty_file_changes_nothing():
    assert settings.read_yaml("# nothing\n", "my.yaml") == {}


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
