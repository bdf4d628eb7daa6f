from __future__ import annotations

import pytest

from raysep import config as settings
from raysep.commands.tune import tune
from raysep.commands.tune.tune import TuneRequest
from raysep.corpus import manifest, storage
from raysep.errors import BadInput
from raysep.stages import report
from raysep.stages.inputs import Inputs
from raysep.stages.plant import Planting


@pytest.fixture
def scored(make_context, make_stems, write_rows):
    context = make_context()
    context.run.open("abc", {"config": settings.to_dict(context.config)})
    manifest.write(context.run.path("manifest.parquet"), make_stems(["A", "B"]))
    manifest.write(context.run.path("reference.parquet"), make_stems(["R", "S"]))
    write_rows(context.run, "stems.parquet", [{"stem_id": "A/bass"}])
    return context


def test_a_run_that_is_not_there_or_not_scored_is_refused(scored, tmp_path):
    with pytest.raises(BadInput, match="no run here"):
        tune.tune(TuneRequest(str(tmp_path / "nowhere")))
    storage.delete(scored.run.path("stems.parquet"))
    with pytest.raises(BadInput, match=r"has no stems\.parquet yet"):
        tune.tune(TuneRequest(scored.run.root))


def test_a_run_without_the_network_that_scored_is_refused(scored):
    with pytest.raises(BadInput, match="its checkpoints are gone"):
        tune.tune(TuneRequest(scored.run.root))


def test_the_run_is_gone_on_with_by_its_own_settings_and_rate(scored):
    inputs = tune.inputs_of(scored.run)
    context = tune.context_of(scored.run, inputs, scored.available, scored.progress, 3)
    assert context.config == scored.config
    assert (context.sample_rate, context.channels, context.workers, context.fingerprint) == (8000, 1, 3, "abc")


def test_judged_is_on_reference_tracks_that_the_scores_were_not_made_with(make_stems):
    reference = make_stems(["R", "S", "T"])
    unlearned = [s for s in reference if s.track == "S"]
    held_out, why = tune.held_out_of(Inputs([], reference, []), Planting(unlearned, [], [], {}))
    assert {s.track for s in held_out} == {"R", "T"}
    assert why == ""
    held_out, why = tune.held_out_of(Inputs([], reference, []), Planting(reference, [], [], {}))
    assert held_out == reference
    assert "too small to hold tracks out: judged on all 3" in why


def row(**changes) -> dict:
    return {"ratio": 0.3, "probe": "fad", "handling": "table"} | changes


def test_how_the_choice_is_used_are_commands(scored):
    lines = tune.how_to_use(scored.run, row())
    assert "--rule ratio --ratio 0.3 --probe fad" in lines[1]
    assert "--handling table" in lines[2]
    assert tune.how_to_use(scored.run, row(ratio=None)) == []  # the automatic decision is what the run does
    assert tune.how_to_use(scored.run, row(ratio=0.0)) == []


def test_the_page_knows_a_search_of_other_scores(scored, write_rows):
    run = scored.run
    assert report.tuned(run) is None
    write_rows(run, "tune.parquet", [{"trial": "automatic"}])
    run.write_json({"scores": storage.digest(run.read_bytes("stems.parquet")), "found": ["one seed"]}, "tune.json")
    assert report.tuned(run) == {"rows": [{"trial": "automatic"}], "found": ["one seed"]}
    write_rows(run, "stems.parquet", [{"stem_id": "B/bass"}])
    assert "start raysep tune again" in report.tuned(run)["stale"]
