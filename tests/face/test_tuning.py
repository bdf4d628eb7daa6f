from __future__ import annotations

import raysep as face
from raysep.commands.tune import tune


def test_tune_takes_what_the_command_takes(options, arguments):
    assert arguments(face.tune) == options("tune")


def test_tune_asks_for_what_the_command_asks_for(raysep, monkeypatch):
    asked = []
    monkeypatch.setattr(tune, "tune", asked.append)
    words = "--trials 5 --full 2 --probe fused --probe fad --workers 3 --address auto -q"
    assert raysep("tune", "R", *words.split())[0] == 0
    done = face.tune("R", trials=5, full=2, probes=["fused", "fad"], workers=3, address="auto", quiet=True)
    assert asked[0] == asked[1]
    assert asked[0].probes == ("fused", "fad")
    assert raysep("tune", "R")[0] == 0
    face.tune("R")
    assert asked[2] == asked[3]
    assert done.folder.endswith("/R")


def test_a_search_gives_its_tables(make_context, write_rows):
    run = make_context().run
    write_rows(run, "tune.parquet", [{"trial": "automatic", "sdr": 4.0}])
    run.write_json({"found": ["one seed"]}, "tune.json")
    found = face.Tuning(run.root)
    assert found.trials.to_pylist() == [{"trial": "automatic", "sdr": 4.0}]
    assert found.summary == {"found": ["one seed"]}
    assert found.picture == run.path("tune.svg")
