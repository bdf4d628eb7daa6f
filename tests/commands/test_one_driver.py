"""A second driver in a folder is told who is there, before anything is read or started."""

from __future__ import annotations

import pytest

from raysep import lease
from raysep.errors import RunConflict
from raysep.rundir import Run


@pytest.mark.parametrize("command", ["evaluate", "fad"])
def test_a_folder_that_another_one_works_in(command, tmp_path):
    from raysep.commands.evaluate.evaluate import EvaluationRequest, evaluate
    from raysep.commands.fad.fad import FadRequest, fad

    out = str(tmp_path / "out")
    asked = {
        "evaluate": lambda: evaluate(EvaluationRequest(("/no/model",), "/no/corpus", out, quiet=True)),
        "fad": lambda: fad(FadRequest("/no/corpus", "/no/reference", out, quiet=True)),
    }
    with lease.held(Run(out)), pytest.raises(RunConflict, match="another raysep works on this run"):
        asked[command]()
