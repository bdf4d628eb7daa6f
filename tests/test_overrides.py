from __future__ import annotations

import pytest

from raysep import config as settings
from raysep.errors import BadInput


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


@pytest.mark.parametrize("text", ["a: [1", "- 1\n- 2", "just words"])
def test_a_file_that_holds_no_settings_is_named(text):
    with pytest.raises(BadInput, match=r"^my\.yaml: "):
        settings.read_yaml(text, "my.yaml")


def test_an_empty_file_changes_nothing():
    assert settings.read_yaml("# nothing\n", "my.yaml") == {}
