from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from raysep import rundir
from raysep.corpus import manifest
from raysep.corpus.inputs import Inputs
from raysep.corpus.layouts import stems_of
from raysep.decision.roles import Role
from raysep.probes.catalogue import PROBES
from raysep.probes.likeness import LIKENESSES
from raysep.rundir import Run
from raysep.stages import decide, effort, score
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


PARTS = {"corpus": ["c0", "c1", "c2"], "calibration": ["r0", "r1", "r2"], "planted": ["p0"]}


@pytest.fixture(scope="module")
def write_stems(write_tracks):
    """write_stems(folder): corpus, calibration and planted tracks, on disk."""
    return lambda folder: {
        name: stems_of(write_tracks(folder / name, tracks, SECONDS)).stems for name, tracks in PARTS.items()
    }


@pytest.fixture(scope="module")
def stems(write_stems, tmp_path_factory):
    """To be read only."""
    return write_stems(tmp_path_factory.mktemp("effort"))


@pytest.fixture
def own_stems(write_stems, tmp_path):
    """The same, to be broken."""
    return write_stems(tmp_path)


@pytest.fixture(scope="module")
def prepare(make_context_in, kit_files):
    """prepare(folder, stems, first_segments=…, …): (context, inputs, planting) of a run that is ready to be scored."""

    def make(folder: Path, stems, **scoring):
        context = make_context_in(folder, scoring={"most_segments": 6, "shards": 4} | scoring)
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


@pytest.fixture
def given(prepare, stems, here, tmp_path):
    """given(name, first_segments=…, …): a run that is ready to be scored; ``of`` other stems than those of all."""
    return lambda name, of=stems, **scoring: prepare(tmp_path / name, of, **scoring)


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


def set_boundary(patch):
    """A boundary amid the stems: noise gives the decision itself nothing to estimate a share from."""
    from raysep.decision import first_look

    real = first_look._sides

    def sides(stems, threshold, seed):
        suspicion, _ = real(stems, threshold, seed)
        return suspicion, float(np.quantile(suspicion, 0.7))

    patch.setattr(first_look, "_sides", sides)


@pytest.fixture
def borderline(monkeypatch):
    set_boundary(monkeypatch)


@pytest.fixture(scope="module")
def whole(prepare, stems, run_here, tmp_path_factory):
    """The run of the full pass, and its rows. To be read only."""
    with pytest.MonkeyPatch.context() as patch:
        run_here(patch)
        ready = prepare(tmp_path_factory.mktemp("effort") / "whole", stems)
        return ready[0].run, scored(ready)


@pytest.fixture(scope="module")
def some(prepare, stems, run_here, tmp_path_factory):
    """(context, inputs, planting) of a run that looked further at some stems after a first look. To be read only."""
    with pytest.MonkeyPatch.context() as patch:
        run_here(patch)
        set_boundary(patch)
        ready = prepare(tmp_path_factory.mktemp("effort") / "some", stems, first_segments=1, budget=0.4)
        scored(ready)
        return ready


@pytest.fixture
def copied(some, borderline, here, tmp_path):
    """The same of a copy of the run."""
    context, *rest = some
    return replace(context, run=Run(shutil.copytree(context.run.root, str(tmp_path / "some")))), *rest


# Against the full pass


@pytest.mark.slow
def test_two_passes_that_read_everything_give_the_table_of_one(given, whole):
    _, whole = whole
    twice = scored(given("twice", first_segments=2, budget=1.0))
    # A stem of a planted copy that carries no fault is not judged, and gets no more than the first look.
    assert twice.keys() == {key for key in whole if key[0] != "p0/bass" or key[1] in (1, 4)}
    for key, row in twice.items():
        assert_same(row, whole[key])


@pytest.mark.slow
def test_a_row_of_either_pass_is_the_row_of_the_full_pass_and_in_its_place(some, whole):
    (context, *_), (_, whole) = some, whole
    some = rows_of(context.run)
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
        if name in LIKENESSES:
            assert value == pytest.approx(other[name], rel=1e-5, abs=1e-5), name
        elif name not in PROBES:
            assert value == other[name]
        elif PROBES[name].context == "stem":
            assert value == other[name] or (value != value and other[name] != other[name])
        else:  # in other batches sums are rounded otherwise
            assert value == pytest.approx(other[name], rel=1e-5, abs=1e-5), name


def test_without_a_first_look_nothing_changes(whole):
    run, _ = whole
    assert not run.has(effort.PLAN)
    assert not run.has(rundir.FIRST_LOOK)


def test_whatever_follows_sees_a_table_like_any_other(copied):
    context, inputs, planting = copied
    rows = rows_of(context.run)
    record = context.run.read_json("done", "score.json")
    assert record["stems"] == record["scored"] == 28
    assert record["segments"] == len(rows)
    decide.decide(context, inputs, planting)
    stems = context.run.read_table("stems.parquet").to_pylist()
    assert len(stems) == 12 + 12 + 3
    assert [row["audible"] for row in stems] == [sum(k[0] == row["stem_id"] for k in rows) for row in stems]


@pytest.mark.slow
def test_a_silent_stem_costs_nothing_and_a_broken_one_is_reported(given, own_stems, borderline, scanned_again):
    import soundfile

    silent, broken = own_stems["corpus"][0], own_stems["corpus"][5]
    soundfile.write(silent.uri, np.zeros(SECONDS * RATE), RATE)
    scanned_again(silent)
    Path(broken.uri).write_bytes(Path(broken.uri).read_bytes()[:500])
    context, *rest = given("some", own_stems, first_segments=1, budget=0.5)
    rows = scored((context, *rest))
    assert [rows[silent.stem_id, i]["outcome"] for i in range(6)] == ["silent"] * 6
    assert rows[broken.stem_id, -1]["error"] == "AudioError"
    assert not {silent.stem_id, broken.stem_id} & plan_of(context.run).keys()
    record = context.run.read_json("done", "score.json")
    assert (record["scored"], record["silent"], record["failed"]) == (26, 1, 1)


@pytest.mark.slow
def test_a_stem_that_breaks_between_the_passes_has_one_row_that_says_so(given, own_stems, borderline, monkeypatch):
    victim = own_stems["corpus"][0]
    plan = effort.plan

    def plan_and_break(context, *arguments):
        plan(context, *arguments)
        Path(victim.uri).write_bytes(b"")

    monkeypatch.setattr(effort, "plan", plan_and_break)
    context, *rest = given("some", own_stems, first_segments=1, budget=1.0)
    rows = scored((context, *rest))
    assert [key[1] for key in rows if key[0] == victim.stem_id] == [-1]
    assert context.run.read_json("done", "score.json")["failed"] == 1
    assert context.run.read_table("failed.parquet")["stem_id"].to_pylist() == [victim.stem_id]


# Whoever does it, whenever


@pytest.mark.slow
def test_the_order_in_which_shards_arrive_changes_nothing(given, some, borderline, monkeypatch):
    from raysep.cluster import shards

    run_here = shards.run_shards

    def backwards(make, work, available, **options):
        for number in sorted(work, reverse=True):
            run_here(make, {number: work[number]}, available, **options)
        return {}

    monkeypatch.setattr(shards, "run_shards", backwards)
    backward = given("backward", first_segments=1, budget=0.4)
    scored(backward)
    assert digests(some[0].run) == digests(backward[0].run)
    assert plan_of(some[0].run) == plan_of(backward[0].run)


@pytest.mark.slow
def test_the_number_of_shards_changes_no_row(given, some, borderline):
    assert rows_of(some[0].run) == scored(given("nine", first_segments=1, budget=0.4, shards=9))


@pytest.mark.parametrize("stage", [pytest.param("first-look", marks=pytest.mark.slow), "score"])
def test_a_pass_that_is_killed_in_either_half_goes_on_to_the_same_end(copied, here, stage):
    context, *rest = copied
    rows, before = rows_of(context.run), digests(context.run)
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
    assert here == ([[lost], sorted(before)] if stage == "first-look" else [[], [lost]])


@pytest.mark.slow
def test_a_stem_put_right_later_is_read_further_too_and_the_others_stand(given, own_stems, borderline, here):
    victim = own_stems["corpus"][5]
    whole = Path(victim.uri).read_bytes()
    Path(victim.uri).write_bytes(whole[:500])
    context, *rest = given("some", own_stems, first_segments=1, budget=0.4)
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


def test_the_columns_are_the_documented_ones(some):
    page = (Path(__file__).resolve().parents[2] / "docs" / "run-folder.md").read_text()
    section = page.partition("\n## effort.parquet\n")[2].partition("\n## ")[0]
    context, *_ = some
    named = [line.split("`")[1] for line in section.splitlines() if line.startswith("| `")]
    assert context.run.read_table(effort.PLAN).column_names == named
    part = context.run.read_table(rundir.FIRST_LOOK, score.PART.format(next(iter(digests(context.run)))))
    assert json.loads(part.schema.metadata[b"raysep"])["fingerprint"] == "abc"
    assert set(pa.compute.unique(part["outcome"]).to_pylist()) == {"scored", "unread"}
