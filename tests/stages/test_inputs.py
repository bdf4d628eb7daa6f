from __future__ import annotations

from dataclasses import replace

import pytest

from raysep.corpus import manifest
from raysep.corpus.inputs import Inputs
from raysep.errors import RunConflict
from raysep.rundir import Run
from raysep.screen import Progress
from raysep.stages import inputs


def test_a_small_reference_is_announced(make_stems, capsys):
    from raysep import config

    found = Inputs(make_stems(["A", "B"]), make_stems(["R"]), [])
    inputs.announce(Progress(quiet=False), found, config.preset("tiny"))
    shown = " ".join(capsys.readouterr().err.split())
    assert "corpus 2 tracks" in shown
    assert "too small to calibrate (1 tracks, 9 are needed)" in shown
    inputs.announce(Progress(quiet=True), found, config.preset("tiny"))
    assert capsys.readouterr().err == ""


def test_a_file_that_is_not_the_one_that_a_run_read_is_named(tmp_path, make_stems):
    run, stems = Run(str(tmp_path / "run")), [replace(s, etag=f"sha256:{s.stem_id}") for s in make_stems(["A", "B"])]
    inputs.refuse_changed(run, {"manifest.parquet": stems})  # it has read none yet
    manifest.write(run.path("manifest.parquet"), stems)
    moved = [replace(s, uri=f"s3://b/{s.stem_id}", modified=7) for s in stems]
    inputs.refuse_changed(run, {"manifest.parquet": moved, "test.parquet": stems})
    edited = [replace(s, etag="sha256:x") if s.stem_id == "B/bass" else s for s in stems]
    with pytest.raises(
        RunConflict, match=r"1 files are not those that it was made of, first .*B/bass.*\.wav; put them back"
    ):
        inputs.refuse_changed(run, {"manifest.parquet": edited})
    manifest.write(run.path("manifest.parquet"), [replace(s, etag="0" * 64) for s in stems])
    with pytest.raises(RunConflict, match="it was made by an older raysep"):
        inputs.refuse_changed(run, {"manifest.parquet": stems})
