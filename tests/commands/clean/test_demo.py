from __future__ import annotations

import json

import pytest

from raysep import pipeline
from raysep.commands.clean.demo import ARMS, demo
from raysep.errors import BadInput, RunConflict


def test_a_condition_that_is_none_is_refused_before_anything_is_made(tmp_path):
    with pytest.raises(BadInput, match=r"--condition hum: .*label-noise"):
        demo(str(tmp_path / "demo"), condition="hum")
    assert not (tmp_path / "demo").exists()


@pytest.mark.parametrize(
    ("note", "holds"),
    [
        ({"seed": 2, "condition": "label-noise"}, "seed 2 and condition label-noise"),
        ({"seed": 1, "condition": "mixed"}, "seed 1 and condition mixed"),
        ({"seed": 1}, "condition ten-kinds"),  # as a demo of an earlier raysep notes it
    ],
)
def test_a_demo_of_other_songs_is_not_gone_on_with(tmp_path, note, holds):
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "made.json").write_text(json.dumps({"size": "tiny", "seconds": 1.0, **note}))
    with pytest.raises(RunConflict, match=holds):
        demo(str(tmp_path), seed=1)


def test_songs_are_written_to_a_local_folder():
    with pytest.raises(BadInput, match="give a local path"):
        demo("s3://music/demo")


def test_what_cleaning_brings_stands_between_what_one_has_and_what_one_would_like_to_have():
    assert {"contaminated", "cleaned", "random", "reference", "clean"} <= set(ARMS)


def test_it_ends_at_the_decision_when_that_is_asked_for(tmp_path, monkeypatch, raysep):
    (tmp_path / "corpus").mkdir()
    note = {"size": "tiny", "condition": "label-noise", "seed": 1, "seconds": 1.0}
    (tmp_path / "corpus" / "made.json").write_text(json.dumps(note))
    asked = []
    monkeypatch.setattr(pipeline, "clean", lambda request, benchmark: asked.append(request.until))
    assert raysep("demo", "--out", str(tmp_path))[0] == 0
    assert raysep("demo", "--out", str(tmp_path), "--until", "decide")[0] == 0
    assert asked == [None, "decide"]
    code, _, error = raysep("demo", "--out", str(tmp_path), "--until", "score")
    assert (code, len(error.splitlines())) == (2, 1)
    assert "--until score: the only place to end at is decide" in error
