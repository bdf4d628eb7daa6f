from __future__ import annotations

import pytest

import raysep as face
from raysep.commands.export import export as command
from raysep.errors import FinishedWithFailures


def test_export_takes_what_the_command_takes(options, arguments):
    assert arguments(face.export) == options("export")


def test_export_asks_for_what_the_command_asks_for(raysep, monkeypatch):
    asked = []
    done = command.Done("/to", 1, 1, 1, 1, ())
    monkeypatch.setattr(command, "export", lambda request: asked.append(request) or done)
    words = "--decision D --handling relabel --missing silence --overwrite -q"
    assert raysep("export", "R", "--to", "T", "--form", "musdb", *words.split())[0] == 0
    more = {"decision": "D", "handling": "relabel", "missing": "silence"}
    found = face.export("R", "T", "musdb", overwrite=True, quiet=True, **more)
    assert found.folder.endswith("/T")
    assert raysep("export", "R", "--to", "T", "--form", "list")[0] == 0
    face.export("R", "T", "list")
    assert asked[0] == asked[1]
    assert asked[2] == asked[3]


def test_an_export_with_failures_is_a_result_and_a_warning(monkeypatch, tmp_path):
    def fail(request):
        raise FinishedWithFailures("1 of 2 files are not as they should be")

    monkeypatch.setattr(command, "export", fail)
    with pytest.warns(UserWarning, match="1 of 2 files"):
        assert face.export("R", tmp_path, "list") == face.Exported(str(tmp_path))
