from __future__ import annotations

import pytest

import raysep as face
from raysep.commands.fad import fad as command


@pytest.fixture
def asked(monkeypatch):
    found: list[command.FadRequest] = []
    monkeypatch.setattr(command, "fad", found.append)
    return found


def test_it_takes_what_the_command_takes(options, arguments):
    assert arguments(face.fad) == options("fad")


def test_it_asks_for_what_the_command_asks_for(raysep, asked):
    words = "--embedder mert --embedder-weights W --measures fad,kad --split test --labels a,b --seed 3 --workers 2 --layout own:L -q"
    assert raysep("fad", "C", "--reference", "R", "--out", "O", *words.split())[0] == 0
    more = {"measures": ["fad", "kad"], "labels": ("a", "b"), "seed": 3, "workers": 2, "layout": "own:L", "quiet": True}
    face.fad("C", "R", "O", embedder="mert", embedder_weights="W", split="test", **more)
    assert asked[0] == asked[1]
    assert raysep("fad", "C", "--reference", "R", "--out", "O")[0] == 0
    face.fad("C", "R", "O")
    assert asked[2] == asked[3]


def test_its_result_gives_the_tables(asked, make_context, write_rows):
    run = make_context().run
    write_rows(run, "fad.parquet", [{"track": "A", "stem": "bass", "fad": 2.0}])
    run.write_json({"labels": []}, "fad.json")
    done = face.fad("C", "R", run.root)
    assert done.stems.to_pylist() == [{"track": "A", "stem": "bass", "fad": 2.0}]
    assert done.summary == {"labels": []}
    assert done.reference == run.path("reference.fadref")
