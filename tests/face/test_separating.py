from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
import torch

import raysep as face
from raysep import pipeline
from raysep.errors import BadInput, FinishedWithFailures
from raysep.rundir import Run
from raysep.separators import checkpoint, registry

RATE = 8000


def test_they_take_what_the_commands_take(options, arguments):
    for function in (face.train, face.separate):
        assert arguments(function) == options(function.__name__)
    told = options("evaluate") | {"metrics": None}  # a sequence of names, by default the command's
    del told["json"]  # a form of what is printed
    assert arguments(face.evaluate) == told


def test_train_asks_for_what_the_command_asks_for(raysep, monkeypatch):
    asked = []
    monkeypatch.setattr(pipeline, "train", lambda *request: asked.append(request) or Run("O"))
    words = "--test T --validation V --decision D --handling weight --preset tiny --set training.steps=7 --address auto --layout own:L -q"
    assert raysep("train", "C", "--out", "O", *words.split())[0] == 0
    more = {
        "preset": "tiny",
        "settings": {"training": {"steps": 7}},
        "address": "auto",
        "layout": "own:L",
        "quiet": True,
    }
    done = face.train("C", "O", test="T", validation="V", decision="D", handling="weight", **more)
    assert asked[0] == asked[1]
    assert done.checkpoint == done.run.path("checkpoints", "separator-seed0.safetensors")


def test_evaluate_asks_for_what_the_command_asks_for(raysep, monkeypatch):
    from raysep.commands.evaluate import evaluate

    asked = []
    monkeypatch.setattr(evaluate, "evaluate", asked.append)
    words = (
        "--against m --baseline --metrics sdr,si_sdr --bss-eval --frames --filter phase --split train --labels a,b -q"
    )
    assert (
        raysep("evaluate", "m", "n", "C", "--out", "O", *words.split(), "--workers", "2", "--layout", "own:L")[0] == 0
    )
    more = {
        "metrics": ["sdr", "si_sdr"],
        "filter": "phase",
        "split": "train",
        "labels": ["a", "b"],
        "workers": 2,
        "layout": "own:L",
    }
    face.evaluate(
        ["m", Path("n")], "C", "O", against="m", baseline=True, bss_eval=True, frames=True, quiet=True, **more
    )
    assert asked[0] == asked[1]
    assert raysep("evaluate", "m", "C", "--out", "O")[0] == 0
    face.evaluate("m", "C", "O")
    assert asked[2] == asked[3]


def test_separate_gives_a_row_for_each_file_and_each_failure(tmp_path):
    torch.manual_seed(0)
    network = registry.build("openunmix-joint", stems=("a", "b"), sample_rate=RATE, n_fft=128, hop=64, hidden=8)
    name, arguments = registry.describe(network)
    model = tmp_path / "model.safetensors"
    model.write_bytes(checkpoint.to_bytes(checkpoint.Checkpoint(name, arguments, network.state_dict(), None, 0, {})))
    song, broken = tmp_path / "song.wav", tmp_path / "broken.wav"
    soundfile.write(song, torch.randn(RATE, 2).numpy() * 0.1, RATE)
    broken.write_bytes(b"no audio")
    done = face.separate(model, song, tmp_path / "one", stems=["a"], quiet=True)
    assert done.files.to_pylist() == [{"input": str(song), "file": str(tmp_path / "one" / "song" / "a.wav")}]
    assert done.failed.num_rows == 0
    with pytest.warns(UserWarning, match="1 of 2 inputs failed, first .*broken.wav"):
        done = face.separate(model, [song, broken], tmp_path / "two", quiet=True)
    assert [Path(file).name for file in done.files["file"].to_pylist()] == ["a.wav", "b.wav"]
    assert done.failed["input"].to_pylist() == [str(broken)]
    assert "broken.wav" in done.failed["message"][0].as_py()


def test_an_evaluation_gives_its_tables_also_when_tracks_failed(monkeypatch, make_context, write_rows):
    from raysep.commands.evaluate import evaluate

    def fail(request):
        raise FinishedWithFailures("O: finished, but 1 tracks failed")

    monkeypatch.setattr(evaluate, "evaluate", fail)
    run = make_context().run
    write_rows(run, "evaluation.parquet", [{"model": "m", "sdr": 1.0}])
    run.write_json({"figures": []}, "evaluation.json")
    with pytest.warns(UserWarning, match="1 tracks failed"):
        done = face.evaluate("m", "C", run.root)
    assert done.results.to_pylist() == [{"model": "m", "sdr": 1.0}]
    assert done.summary == {"figures": []}


def test_a_handling_without_a_decision_is_refused_before_any_work(tmp_path):
    with pytest.raises(BadInput, match="--handling weight: acts on a decision"):
        face.train("/no/such/corpus", tmp_path / "out", handling="weight")


def test_a_label_that_no_separator_has_is_refused_before_any_work(tmp_path, write_tracks):
    corpus, decision = write_tracks(tmp_path / "corpus", ["A"], seconds=0.5), str(tmp_path / "decision.parquet")
    row = {"stem_id": "A/bass", "keep": False, "weight": 0.0, "label": "choir"}
    pq.write_table(pa.Table.from_pylist([row]), decision)
    with pytest.raises(BadInput, match="A/bass is to be used as 'choir', and the labels are vocals"):
        face.train(corpus, tmp_path / "out", decision=decision, handling="relabel", preset="smallest")
