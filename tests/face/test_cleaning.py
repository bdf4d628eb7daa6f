from __future__ import annotations

from dataclasses import replace

import pytest

import raysep as face
from raysep import pipeline
from raysep.errors import BadInput, FinishedWithFailures


@pytest.fixture
def asked(monkeypatch):
    """The requests that reached the pipeline."""
    found: list[pipeline.Request] = []
    monkeypatch.setattr(pipeline, "clean", found.append)
    monkeypatch.setattr(pipeline, "score", found.append)
    return found


def test_clean_takes_what_the_command_takes(options, arguments):
    assert arguments(face.clean) == options("clean")


def test_score_takes_what_clean_takes_but_for_the_search(arguments):
    wanted = arguments(face.clean)
    del wanted["search"]
    assert arguments(face.score) == wanted


def test_decide_takes_what_the_command_takes(options, arguments):
    assert arguments(face.decide) == options("decide")


def test_suspects_takes_what_the_command_takes_but_for_the_form(options, arguments):
    form = {"csv", "json", "overwrite"}
    assert arguments(face.suspects) == {k: v for k, v in options("suspects").items() if k not in form}


def test_clean_asks_for_what_the_command_asks_for(raysep, asked, tmp_path):
    words = "--test T --preset tiny --set training.steps=7 --search --retry-failed --workers 3 --address auto --layout own:L -q"
    assert raysep("clean", "C", "--reference", "R", "--out", "O", *words.split())[0] == 0
    more = {
        "test": "T",
        "preset": "tiny",
        "settings": {"training": {"steps": 7}},
        "workers": 3,
        "address": "auto",
        "layout": "own:L",
    }
    done = face.clean("C", "R", "O", search=True, retry_failed=True, quiet=True, **more)
    assert asked[0] == asked[1]
    assert raysep("clean", "C", "--reference", "R", "--out", "O")[0] == 0
    face.clean("C", "R", "O")
    assert asked[2] == asked[3]
    assert done.folder.endswith("/O")
    face.score("C", "R", "O", retry_failed=True, quiet=True, **more)
    assert asked[4] == replace(asked[0], search=False)


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
