from __future__ import annotations

from dataclasses import replace

import pytest

import raysep as face
from raysep import pipeline
from raysep.errors import BadInput, FinishedWithFailures
from raysep.rundir import Run


@pytest.fixture
def asked(monkeypatch):
    """The requests that reached the pipeline."""
    found: list[pipeline.Request] = []
    monkeypatch.setattr(pipeline, "clean", found.append)
    monkeypatch.setattr(pipeline, "score", lambda request: found.append(request) or Run(request.out))
    return found


def test_clean_takes_what_the_command_takes(options, arguments):
    assert arguments(face.clean) == {k: v for k, v in options("clean").items() if k != "dry_run"}  # it only prints


def test_score_takes_what_the_command_takes(options, arguments):
    wanted = arguments(face.clean)
    for name in ("search", "until", "verdicts", "refit"):  # what comes after the scores
        del wanted[name]
    assert arguments(face.score) == options("score") == wanted


def test_prove_takes_what_the_command_takes(options, arguments):
    assert arguments(face.prove) == options("prove") | {"arms": ()}


def test_prove_asks_for_what_the_command_asks_for(raysep, monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(
        pipeline, "prove", lambda run, arms, *rest, **more: asked.append((run, tuple(arms), rest, more))
    )
    (tmp_path / "run.json").write_text("{}")
    words = "--arms contaminated,cleaned --arms random --seeds 3 --workers 2 -q"
    assert raysep("prove", str(tmp_path), *words.split())[0] == 0
    face.prove(tmp_path, ["contaminated", "cleaned", "random"], seeds=3, workers=2, quiet=True)
    assert asked[0] == asked[1]


def test_an_end_that_there_is_not_is_refused_with_the_ones_there_are(raysep, asked):
    code, _, error = raysep("clean", "C", "--reference", "R", "--out", "O", "--until", "score")
    assert code == 2
    assert error == "raysep: --until score: the only place to end at is decide; `raysep score` ends before it\n"
    assert asked == []


def test_decide_takes_what_the_command_takes(options, arguments):
    assert arguments(face.decide) == {k: v for k, v in options("decide").items() if k != "json"}  # a form, as below


def test_review_takes_what_the_command_takes(options, arguments):
    assert arguments(face.review) == {k: v for k, v in options("review").items() if k != "json"}


def test_suspects_takes_what_the_command_takes_but_for_the_form(options, arguments):
    form = {"csv", "json", "overwrite"}
    assert arguments(face.suspects) == {k: v for k, v in options("suspects").items() if k not in form}


def test_clean_asks_for_what_the_command_asks_for(raysep, asked, tmp_path):
    words = "--test T --preset tiny --set training.steps=7 --search --until decide --rounds 2 --retry-failed --workers 3 --address auto --layout own:L -q"
    assert raysep("clean", "C", "--reference", "R", "--out", "O", *words.split())[0] == 0
    more = {
        "test": "T",
        "preset": "tiny",
        "settings": {"training": {"steps": 7}},
        "workers": 3,
        "address": "auto",
        "layout": "own:L",
    }
    done = face.clean("C", "R", "O", search=True, until="decide", rounds=2, retry_failed=True, quiet=True, **more)
    assert asked[0] == asked[1]
    assert raysep("clean", "C", "--reference", "R", "--out", "O")[0] == 0
    face.clean("C", "R", "O")
    assert asked[2] == asked[3]
    assert done.folder.endswith("/O")
    face.score("C", "R", "O", rounds=2, retry_failed=True, quiet=True, **more)
    assert asked[4] == replace(asked[0], search=False, until=None)
    assert (
        raysep("score", "C", "--reference", "R", "--out", "O", *words.replace("--search --until decide ", "").split())[
            0
        ]
        == 0
    )
    assert asked[5] == asked[4]


def test_a_run_with_failed_stems_is_a_result_and_a_warning(monkeypatch, tmp_path):
    def clean(request):
        raise FinishedWithFailures("O: finished, but 1 stems failed")

    monkeypatch.setattr(pipeline, "clean", clean)
    with pytest.warns(UserWarning, match="1 stems failed"):
        assert face.clean("C", "R", tmp_path) == face.Cleaning(str(tmp_path))


def test_reading_where_no_run_is_says_so(tmp_path):
    with pytest.raises(BadInput, match="no run here"):
        face.read(tmp_path)
    with pytest.raises(BadInput, match="no run here"):
        face.decide(tmp_path)
