from __future__ import annotations

import json

import pytest

from raysep import config as settings
from raysep import pipeline
from raysep.commands.tune import trials, tune
from raysep.commands.tune.tune import TuneRequest
from raysep.corpus import manifest, storage
from raysep.corpus.inputs import Inputs
from raysep.errors import BadInput
from raysep.stages import prove, search
from raysep.stages.inputs import inputs_in
from raysep.stages.plant import Planting
from raysep.training.plan import sidecar_of


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


def test_the_run_is_gone_on_with_by_its_own_settings_and_rate(scored, monkeypatch):
    with pytest.raises(BadInput, match="none of its 8 stems' files is there"):
        pipeline.reopened(scored.run, scored.available, scored.progress, 3)
    monkeypatch.setattr("raysep.corpus.moved.refuse_gone", lambda *_: None)
    context, inputs = pipeline.reopened(scored.run, scored.available, scored.progress, 3)
    assert inputs == inputs_in(scored.run)
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


@pytest.fixture
def faked(make_context, make_stems, write_rows, save_network, alone, monkeypatch):
    """A run of twelve corpus tracks, of which two are off, whose trainings are made up: SDR falls with what is off in it."""
    context = make_context(decision={"rule": "ratio", "ratio": 0.25, "probe": "fad"})
    context.run.open("abc", {"config": settings.to_dict(context.config)})
    corpus = make_stems([f"t{k:02d}" for k in range(12)])
    manifest.write(context.run.path("manifest.parquet"), corpus)
    manifest.write(context.run.path("reference.parquet"), make_stems(["R", "S"]))
    scores = [
        {"stem_id": s.stem_id, "track": s.track, "stem": s.stem, "outcome": "scored", "role": "corpus"}
        | {"fad": -9.0 * (s.track < "t02") + 0.01 * int(s.track[1:])}
        for s in corpus
    ]
    write_rows(context.run, "stems.parquet", scores)
    save_network(context, "probe-final")
    trained: list[str] = []

    def warm_starts(context, trial, space, **options):
        assert {s.track for s in trial.validation} == {"R", "S"}
        points = [{"ratio": ratio, "probe": "fad", "handling": "drop"} for ratio in (0.15, 0.5)]
        found = {"validation_sdr": 1.0, "standard_error": 0.1, "seconds": 2.0, "rung": 2, "error": ""}
        return [point | found for point in points[: options["samples"]]]

    def train_and_evaluate(folder, arms, held_out):
        rows = []
        for arm in arms:
            plan = trials.plan_of(folder, arm, 0)
            if not plan.is_trained():
                trained.append(arm.name)
            note = {"fingerprint": plan.fingerprint, "metadata": {"seconds": {"training": 3.0}}}
            storage.write_bytes(sidecar_of(plan.out), json.dumps(note).encode())
            off = sum(entry.stem.track < "t02" for entry in arm.entries)
            for number, s in enumerate(held_out):
                sdr = 5.0 * number - off - 0.01 * (48 - len(arm.entries)) + 0.1 * (number % 3) * len(arm.entries)
                rows.append({"arm": arm.name, "seed": 0, "track": s.track, "stem": s.stem, "sdr": sdr})
        write_rows(folder.run, "results.parquet", rows)

    monkeypatch.setattr("raysep.corpus.moved.refuse_gone", lambda *_: None)
    monkeypatch.setattr(search, "warm_starts", warm_starts)
    monkeypatch.setattr(prove, "train_and_evaluate", train_and_evaluate)
    return context.run, trained


def test_a_search_is_shown_written_and_trains_nothing_twice(faked, raysep):
    run, trained = faked
    code, out, err = raysep("tune", run.root, "--trials", "2", "--full", "1", "--probe", "fad")
    assert code == 0, err
    assert "the reference is too small to hold tracks out: judged on all 2" in " ".join(err.split())
    rows = {(row["trial"], row["fidelity"]): row for row in run.read_table("tune.parquet").to_pylist()}
    assert set(rows) == {
        *((name, "full") for name in ("automatic", "nothing removed", "random removal", "15% by fad, drop")),
        *((name, "warm start") for name in ("15% by fad, drop", "50% by fad, drop")),
    }
    automatic, best = rows["automatic", "full"], rows["15% by fad, drop", "full"]
    assert (automatic["left_out"], best["left_out"]) == (pytest.approx(3 / 12), pytest.approx(2 / 12))
    assert (automatic["probe"], automatic["automatic"], best["chosen"]) == ("fad", True, True)
    assert rows["nothing removed", "full"]["below_best"] > 1
    assert len(trained) == 4
    record = run.read_json("tune.json")
    assert record["costs"]["search"] == {
        "steps": 4 * 12 + 2 * 4,
        "seconds": 4 * 3.0 + 2 * 2.0,
        "warm_starts": 2,
        "trainings": 4,
    }
    assert (record["tracks"], record["full"]) == (["R", "S"], 1)
    assert record["chosen"]["trial"] == "15% by fad, drop"
    assert record["automatic"]["below_best"] == automatic["below_best"]
    assert "chosen: 15% by fad, drop (17% left out)" in out
    assert f"raysep decide {run.root} --rule ratio --ratio 0.15 --probe fad" in out
    assert not run.has("report.html")  # a run that is only scored has no page
    code, again, _ = raysep("tune", run.root, "--trials", "2", "--full", "2", "--probe", "fad", "-q")
    assert (code, "(chosen)" in again) == (0, True)  # -q hides progress, not what was found
    assert len(trained) == 5  # of those of before, none
    assert raysep("status", run.path("tune"))[0] == 0


def test_a_probe_without_scores_is_refused_before_anything_is_trained(faked, raysep):
    run, trained = faked
    code, _, err = raysep("tune", run.root, "--probe", "loss", "-q")
    assert code == 2
    assert "--probe loss: the run has no scores of it" in err
    assert trained == []


def row(**changes) -> dict:
    return {"ratio": 0.3, "probe": "fad", "handling": "table"} | changes


def test_how_the_choice_is_used_are_commands(scored):
    lines = tune.how_to_use(scored.run, row())
    assert "--rule ratio --ratio 0.3 --probe fad" in lines[1]
    assert "--handling table" in lines[2]
    assert tune.how_to_use(scored.run, row(ratio=None)) == []  # the automatic decision is what the run does
    assert tune.how_to_use(scored.run, row(ratio=0.0)) == []
