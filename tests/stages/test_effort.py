from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from raysep import rundir
from raysep.corpus import manifest
from raysep.corpus.layouts import stems_of
from raysep.decision.roles import Role
from raysep.probes.catalogue import PROBES
from raysep.rundir import Run
from raysep.stages import decide, effort, score
from raysep.stages.inputs import Inputs
from raysep.stages.plant import Planting

RATE, SECONDS = 8000, 6  # of a track; six segments of a second


@pytest.fixture(scope="module")
def kit_files():
    """What a scoring worker holds, of small untrained networks: how well they score plays no part here."""
    import torch

    from raysep.corpus.mixing import ReferenceBank
    from raysep.probes.scoring_kit import ScoringKit, ScoringOptions
    from raysep.separators.registry import build

    labels = ("vocals", "drums", "bass", "other")
    networks = {}
    for number, name in enumerate(("final", "early", "reference", "plus", "minus", "unlearned")):
        torch.manual_seed(number)
        arguments = {"n_fft": 256, "hop": 128, "hidden": 8, "layers": 1, "sample_rate": RATE, "channels": 1}
        networks[name] = build("openunmix-joint", **arguments, stems=labels).eval()
    rng = np.random.default_rng(0)
    bank = ReferenceBank(labels, {k: (0.1 * rng.standard_normal((5, 1, RATE))).astype(np.float32) for k in labels})
    kit = ScoringKit(networks, bank, ScoringOptions(segment_frames=RATE, sample_rate=RATE, most_segments=6))
    return kit.to_files(), {"probes": kit.probes, "passes": kit.forward_passes}


@pytest.fixture
def stems(tmp_path, write_tracks):
    """Corpus, calibration and planted tracks, on disk."""
    parts = {"corpus": ["c0", "c1", "c2"], "calibration": ["r0", "r1", "r2"], "planted": ["p0"]}
    return {name: stems_of(write_tracks(tmp_path / name, tracks, SECONDS)).stems for name, tracks in parts.items()}


@pytest.fixture
def given(make_context, stems, kit_files, here, tmp_path):
    """given(name, first_segments=…, …): (context, inputs, planting) of a run that is ready to be scored."""

    def make(name: str, **scoring):
        context = make_context(scoring={"most_segments": 6, "shards": 4} | scoring)
        context = replace(context, run=Run(str(tmp_path / name)))
        files, made = kit_files
        for path, data in files.items():
            context.run.write_bytes(data, "kit", path)
        context.run.write_json(made | {"files": sorted(files)}, "kit", "made.json")
        roles = {s.stem_id: Role("calibration", "clean", s.track) for s in stems["calibration"]}
        roles |= {s.stem_id: Role("planted", "noise", s.track) for s in stems["planted"] if s.stem != "bass"}
        for table, part in (("manifest", "corpus"), ("reference", "calibration"), ("planted", "planted")):
            manifest.write(context.run.path(f"{table}.parquet"), stems[part])
        planting = Planting([], stems["calibration"], stems["planted"], roles)
        return context, Inputs(stems["corpus"], stems["calibration"], []), planting

    return make


def scored(given_, **changes):
    """The run's rows by stem and segment, after the pass."""
    context, *rest = given_
    score.score(replace(context, **changes), *rest)
    return rows_of(context.run)


def rows_of(run):
    return {(row["stem_id"], row["segment"]): row for row in rundir.read_scores(run).to_pylist()}


def plan_of(run):
    return {row["stem_id"]: row for row in run.read_table(effort.PLAN).to_pylist()}


def digests(run, stage="score"):
    return {n: marker["digest"] for n, marker in run.shards_done(stage, "abc").items()}


@pytest.fixture
def borderline(monkeypatch):
    """A boundary amid the stems: noise gives the decision itself nothing to estimate a share from."""
    from raysep.decision import first_look

    real = first_look._sides

    def sides(stems, threshold, seed):
        suspicion, _ = real(stems, threshold, seed)
        return suspicion, float(np.quantile(suspicion, 0.7))

    monkeypatch.setattr(first_look, "_sides", sides)


# Against the full pass


def test_two_passes_that_read_everything_give_the_table_of_one(given):
    whole = scored(given("whole"))
    twice = scored(given("twice", first_segments=2, budget=1.0))
    # A stem of a planted copy that carries no fault is not judged, and gets no more than the first look.
    assert twice.keys() == {key for key in whole if key[0] != "p0/bass" or key[1] in (1, 4)}
    for key, row in twice.items():
        assert_same(row, whole[key])


def test_a_row_of_either_pass_is_the_row_of_the_full_pass_and_in_its_place(given, borderline):
    whole = scored(given("whole"))
    context, *rest = given("some", first_segments=1, budget=0.4)
    some = scored((context, *rest))
    assert 0 < len(some) < len(whole)
    for key, row in some.items():
        assert_same(row, whole[key])
    assert list(some) == [key for key in whole if key in some]
    plan = plan_of(context.run)
    for stem_id, row in plan.items():
        assert sum(key[0] == stem_id for key in some) == row["read"] + row["further"]
    assert sum(row["further"] for row in plan.values()) == int(0.4 * sum(row["unread"] for row in plan.values()))
    assert len({row["further"] for row in plan.values()}) > 2
    assert all(row["outcome"] == "scored" for row in some.values())


def assert_same(row, other):
    for name, value in row.items():
        if name not in PROBES:
            assert value == other[name]
        elif PROBES[name].context == "stem":
            assert value == other[name] or (value != value and other[name] != other[name])
        else:  # in other batches sums are rounded otherwise
            assert value == pytest.approx(other[name], rel=1e-5, abs=1e-5), name


def test_without_a_first_look_nothing_changes(given):
    context, *rest = given("whole")
    scored((context, *rest))
    assert not context.run.has(effort.PLAN)
    assert not context.run.has(effort.FIRST_LOOK)


def test_whatever_follows_sees_a_table_like_any_other(given, borderline):
    context, inputs, planting = given("some", first_segments=1, budget=0.4)
    rows = scored((context, inputs, planting))
    record = context.run.read_json("done", "score.json")
    assert record["stems"] == record["scored"] == 28
    assert record["segments"] == len(rows)
    decide.decide(context, inputs, planting)
    stems = context.run.read_table("stems.parquet").to_pylist()
    assert len(stems) == 12 + 12 + 3
    assert [row["audible"] for row in stems] == [sum(k[0] == row["stem_id"] for k in rows) for row in stems]


def test_a_silent_stem_costs_nothing_and_a_broken_one_is_reported(given, stems, borderline):
    import soundfile

    silent, broken = stems["corpus"][0], stems["corpus"][5]
    soundfile.write(silent.uri, np.zeros(SECONDS * RATE), RATE)
    Path(broken.uri).write_bytes(Path(broken.uri).read_bytes()[:500])
    context, *rest = given("some", first_segments=1, budget=0.5)
    rows = scored((context, *rest))
    assert [rows[silent.stem_id, i]["outcome"] for i in range(6)] == ["silent"] * 6
    assert rows[broken.stem_id, -1]["error"] == "AudioError"
    assert not {silent.stem_id, broken.stem_id} & plan_of(context.run).keys()
    record = context.run.read_json("done", "score.json")
    assert (record["scored"], record["silent"], record["failed"]) == (26, 1, 1)


def test_a_stem_that_breaks_between_the_passes_has_one_row_that_says_so(given, stems, borderline, monkeypatch):
    victim = stems["corpus"][0]
    plan = effort.plan

    def plan_and_break(context, *arguments):
        plan(context, *arguments)
        Path(victim.uri).write_bytes(b"")

    monkeypatch.setattr(effort, "plan", plan_and_break)
    context, *rest = given("some", first_segments=1, budget=1.0)
    rows = scored((context, *rest))
    assert [key[1] for key in rows if key[0] == victim.stem_id] == [-1]
    assert context.run.read_json("done", "score.json")["failed"] == 1
    assert context.run.read_table("failed.parquet")["stem_id"].to_pylist() == [victim.stem_id]


# Whoever does it, whenever


def test_the_order_in_which_shards_arrive_changes_nothing(given, borderline, monkeypatch):
    forward = given("forward", first_segments=1, budget=0.4)
    scored(forward)
    from raysep.cluster import shards

    run_here = shards.run_shards

    def backwards(make, work, available, **options):
        for number in sorted(work, reverse=True):
            run_here(make, {number: work[number]}, available, **options)
        return {}

    monkeypatch.setattr(shards, "run_shards", backwards)
    backward = given("backward", first_segments=1, budget=0.4)
    scored(backward)
    assert digests(forward[0].run) == digests(backward[0].run)
    assert plan_of(forward[0].run) == plan_of(backward[0].run)


def test_the_number_of_shards_changes_no_row(given, borderline):
    assert scored(given("four", first_segments=1, budget=0.4)) == scored(
        given("nine", first_segments=1, budget=0.4, shards=9)
    )


@pytest.mark.parametrize("stage", ["first-look", "score"])
def test_a_pass_that_is_killed_in_either_half_goes_on_to_the_same_end(given, borderline, here, stage):
    context, *rest = given("some", first_segments=1, budget=0.4)
    rows = scored((context, *rest))
    before, calls = digests(context.run), len(here)
    lost = sorted(before)[-1]
    Path(context.run.path("done", "score.json")).unlink()
    Path(context.run.path("done", "score", f"{lost:05d}.json")).unlink()
    if stage == "first-look":  # killed before the plan was made
        for number in before:
            Path(context.run.path("done", "score", f"{number:05d}.json")).unlink(missing_ok=True)
        Path(context.run.path("done", stage, f"{lost:05d}.json")).unlink()
        Path(context.run.path(effort.PLAN)).unlink()
    assert scored((context, *rest)) == rows
    assert digests(context.run) == before
    assert here[calls:] == ([[lost], sorted(before)] if stage == "first-look" else [[], [lost]])


def test_a_stem_put_right_later_is_read_further_too_and_the_others_stand(given, stems, borderline, here):
    victim = stems["corpus"][5]
    whole = Path(victim.uri).read_bytes()
    Path(victim.uri).write_bytes(whole[:500])
    context, *rest = given("some", first_segments=1, budget=0.4)
    scored((context, *rest))
    before = plan_of(context.run)
    assert victim.stem_id not in before
    Path(victim.uri).write_bytes(whole)
    rows = scored((context, *rest), retry_failed=True)
    assert here[-1] == here[-2]  # one shard in each pass
    assert len(here[-1]) == 1
    after = plan_of(context.run)
    assert {name: row for name, row in after.items() if name != victim.stem_id} == before
    assert sum(key[0] == victim.stem_id for key in rows) == 1 + after[victim.stem_id]["further"]
    assert context.run.read_json("done", "score.json")["failed"] == 0


# By what


def test_without_a_boundary_every_stem_gets_as_many(given):
    """Noise all over: the decision estimates no share that it trusts, so there is nothing to be near."""
    context, inputs, planting = given("alike", first_segments=1, budget=0.6)
    scored((context, inputs, replace(planting, calibration=[], planted=[], roles={})))
    plan = plan_of(context.run).values()
    assert {row["boundary"] for row in plan} == {None}
    assert {row["further"] for row in plan} == {3}
    assert len(plan) == 12


def test_the_columns_are_the_documented_ones(given):
    page = (Path(__file__).resolve().parents[2] / "docs" / "run-folder.md").read_text()
    section = page.partition("\n## effort.parquet\n")[2].partition("\n## ")[0]
    context, *rest = given("some", first_segments=1)
    scored((context, *rest))
    named = [line.split("`")[1] for line in section.splitlines() if line.startswith("| `")]
    assert context.run.read_table(effort.PLAN).column_names == named
    part = context.run.read_table(effort.FIRST_LOOK, score.PART.format(next(iter(digests(context.run)))))
    assert json.loads(part.schema.metadata[b"raysep"])["fingerprint"] == "abc"
    assert set(pa.compute.unique(part["outcome"]).to_pylist()) == {"scored", "unread"}
