from __future__ import annotations

import pytest

import raysep as face
from raysep.commands.check import check as command
from raysep.errors import BadInput, FinishedWithFailures


@pytest.fixture
def asked(monkeypatch):
    found: list[command.CheckRequest] = []
    monkeypatch.setattr(command, "check", found.append)
    return found


def test_it_takes_what_the_command_takes(options, arguments):
    theirs, ours = options("check"), arguments(face.check)
    assert (theirs.pop("json"), ours.pop("json")) == (False, None)  # there what is printed, here a file
    assert ours == theirs


def test_it_asks_for_what_the_command_asks_for(raysep, asked):
    words = "--reference R --test T --labels a,b --split test --layout own:L --unique --no-sound --csv c --json --workers 2 -q"
    assert raysep("check", "C", "--out", "O", *words.split())[0] == 0
    more = {"labels": ("a", "b"), "split": "test", "layout": "own:L", "csv": "c", "json": "-", "workers": 2}
    face.check("C", "O", reference="R", test="T", unique=True, no_sound=True, quiet=True, **more)
    assert asked[0] == asked[1]
    assert raysep("check", "C", "--out", "O")[0] == 0
    face.check("C", "O")
    assert asked[2] == asked[3]


def test_its_result_gives_the_tables_also_when_faults_were_found(monkeypatch, make_context, write_rows):
    def found(request):
        raise FinishedWithFailures("O: 1 faults found")

    monkeypatch.setattr(command, "check", found)
    run = make_context().run
    write_rows(run, "check.parquet", [{"level": "fault", "what": "dc"}])
    write_rows(run, "stems.parquet", [{"track": "A"}])
    with pytest.warns(UserWarning, match="1 faults found"):
        done = face.check("C", run.root)
    assert done.found.to_pylist() == [{"level": "fault", "what": "dc"}]
    assert done.stems.to_pylist() == [{"track": "A"}]
    with pytest.raises(BadInput, match=r"unique\.parquet"):
        _ = done.unique
