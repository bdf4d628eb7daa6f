"""`raysep benchmark run`: which draws are made, what is done again and what is not, what is refused before any work."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from raysep.commands.benchmark import run as stage
from raysep.commands.benchmark.run import RunRequest
from raysep.commands.benchmark.sources import Own, Rendered
from raysep.corpus import benchmark, conditions
from raysep.errors import BadInput, FinishedWithFailures, RunConflict
from raysep.rundir import Run

ARMS = ("clean", "oracle", "cleaned", "contaminated", "random")
FILES = {"results.parquet", "benchmark.parquet", "comparisons.parquet", "detection.parquet", "draws.parquet"}
FILES |= {"benchmark.md", "sdr.svg", "gain.svg", "detection.svg", "run.json"}


@pytest.fixture
def request_of(tmp_path):
    return RunRequest(
        Rendered("tiny", "mixed"), str(tmp_path / "out"), seeds=3, arms=ARMS, preset="smallest", quiet=True
    )


def test_every_draw_has_songs_of_its_own_and_all_files_are_there(instant, request_of):
    run = stage.run(request_of)
    assert instant == ["corpus 1", "clean draw-0", "corpus 2", "clean draw-1"]
    assert {path.name for path in Path(run.root).iterdir()} == FILES | {"draw-0", "draw-1"}
    rows = run.read_table("results.parquet").to_pylist()
    keys = {(r["draw"], r["arm"], r["seed"], r["track"], r["stem"]) for r in rows}
    assert len(keys) == len(rows) == 2 * 5 * 3 * 4 * 4
    assert {(r["draw"], r["track"][:4]) for r in rows} == {(0, "te-1"), (1, "te-2")}
    seeds = [Run(f"{run.root}/draw-{k}/run").read_json("run.json")["config"]["seed"] for k in range(2)]
    assert seeds == [1, 2]


def test_a_finished_one_only_prints_and_a_killed_one_goes_on(instant, request_of, capsys):
    stage.run(request_of)
    before = Path(request_of.out, "benchmark.parquet").read_bytes()
    stage.run(replace(request_of, quiet=False))
    assert len(instant) == 4
    assert Path(request_of.out, "benchmark.parquet").read_bytes() == before
    shown = capsys.readouterr()
    assert "gate passed" in shown.out
    assert "draw 2 of 2, seed 2" in shown.err
    record = Run(f"{request_of.out}/draw-1/run")
    record.update({"finished": False})
    stage.run(request_of)
    assert instant[4:] == ["clean draw-1"]


def test_draws_can_be_added_and_nothing_else_be_changed(instant, request_of):
    stage.run(request_of)
    stage.run(replace(request_of, draws=3))
    assert instant[4:] == ["corpus 3", "clean draw-2"]
    for other in ({"seed": 2}, {"overrides": {"training": {"steps": 9}}}, {"source": Rendered("tiny", "bleeding")}):
        with pytest.raises(RunConflict, match="another configuration"):
            stage.run(replace(request_of, **other))


def test_seeds_and_arms_can_be_added_and_what_is_there_stays(instant, request_of):
    few = replace(request_of, arms=("cleaned", "contaminated"), seeds=2, draws=1)
    before = stage.run(few).read_table("results.parquet").to_pylist()
    more = replace(few, arms=("clean", "cleaned", "contaminated"), seeds=3, draws=2)
    run = stage.run(more)
    assert instant[2:] == ["prove draw-0: 5 more", "corpus 2", "clean draw-1"]
    rows = run.read_table("results.parquet").to_pylist()
    assert [row for row in before if row not in rows] == []
    networks = {(row["draw"], row["arm"], row["seed"]) for row in rows}
    assert networks == {(d, arm, seed) for d in range(2) for arm in more.arms for seed in range(3)}
    stage.run(more)
    stage.run(replace(few, draws=2))  # fewer are all there
    assert len(instant) == 5


def test_a_draw_that_was_killed_is_finished_with_what_it_began_with_before_more_is_added(instant, request_of):
    few = replace(request_of, seeds=2, draws=1)
    stage.run(few)
    Run(f"{request_of.out}/draw-0/run").update({"finished": False})
    Path(request_of.out, "draw-0", "run", "results.parquet").unlink()
    stage.run(replace(few, seeds=3))
    assert instant[2:] == ["clean draw-0", "prove draw-0: 5 more"]
    assert Run(f"{request_of.out}/draw-0/run").read_json("run.json")["config"]["proof"]["seeds"] == [0, 1]


def test_settings_of_the_user_win_and_reach_every_draw(instant, request_of):
    stage.run(replace(request_of, overrides={"training": {"steps": 7}}, draws=1))
    config = Run(f"{request_of.out}/draw-0/run").read_json("run.json")["config"]
    assert config["training"]["steps"] == 7
    assert config["proof"]["seeds"] == [0, 1, 2]
    assert config["proof"]["arms"] == list(ARMS)


def test_failed_stems_end_it_only_when_all_draws_are_done(instant, request_of):
    instant.failing = ("draw-0",)
    with pytest.raises(FinishedWithFailures, match=r"2 stems failed, first .* of draw 0 \(gone\)"):
        stage.run(request_of)
    assert Path(request_of.out, "benchmark.md").exists()
    assert Path(request_of.out, "draw-1", "run", "results.parquet").exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"arms": ("clean", "cleaned")}, "--arms: contaminated must be among them"),
        ({"arms": (*ARMS, "cleand")}, "'cleand' is neither an arm nor a probe"),
        ({"source": Rendered("huge")}, "size 'huge'"),
        ({"source": Rendered(condition="rain")}, "--condition rain"),
        ({"out": "s3://bucket/out"}, "written to a local folder"),
        ({"source": Own("c", "r", "t", "truth")}, "--draws 2: there is one corpus"),
        (
            {"source": Own("c", "r", "t", "truth"), "draws": 1},
            "'clean' trains on the corpus without faults: give --clean",
        ),
    ],
)
def test_what_cannot_be_answered_is_refused_before_any_work(instant, request_of, changes, words):
    with pytest.raises(BadInput, match=words):
        stage.run(replace(request_of, **changes))
    assert instant == []
    assert not Path(request_of.out).exists()


def test_a_corpus_of_ones_own_is_one_draw(instant, request_of, tmp_path, raysep):
    benchmark.make_corpus(str(tmp_path / "own"), "tiny", 1, condition=conditions.TEN_KINDS)
    own = benchmark.places_in(str(tmp_path / "own"))
    places = ["--corpus", own.train, "--clean", own.clean, "--reference", own.reference, "--test", own.test]
    arms = ["--arms", ",".join(ARMS[:3]), "--arms", ",".join(ARMS[3:])]
    options = [*places, "--truth", own.truth, *arms, "--out", request_of.out, "--preset", "smallest"]
    code, shown, error = raysep("benchmark", "run", *options)
    assert code == 0, error
    assert instant == ["corpus 1", "clean draw-0"]
    assert "better, on one corpus" in " ".join(shown.split())
    page = Path(request_of.out, "benchmark.md").read_text()
    assert "--corpus CORPUS --clean CLEAN --reference REF --test TEST --truth TRUTH" in page


@pytest.mark.slow
@pytest.mark.long
def test_from_songs_to_the_table(corpora, ray_runtime, tmp_path):
    """All of it at the smallest size, on Ray: a training by another recipe and one by a handling among the arms."""
    source = Own(corpora.corpus, corpora.reference, corpora.test, corpora.truth, corpora.clean)
    arms = ("clean", "contaminated", "cleaned", "cleaned:weight", "loss-truncation", "small-loss", "oracle-ratio:fad")
    request = RunRequest(source, str(tmp_path / "out"), draws=1, seeds=1, arms=arms, preset="smallest", quiet=True)
    run = stage.run(request)
    rows = {row["arm"]: row for row in run.read_table("benchmark.parquet").to_pylist()}
    assert set(rows) == set(arms)
    assert rows["loss-truncation"]["stems"] == rows["contaminated"]["stems"]
    page = Path(run.root, "benchmark.md").read_text()
    assert "1 seed, and it needs two or more" in page
    assert "nothing may be concluded" in page
    recipes = {
        arm: Run(f"{run.root}/draw-0/run").read_json("checkpoints", f"{arm}-seed0.json")
        for arm in ("contaminated", "loss-truncation", "cleaned.weight")
    }
    assert len({note["fingerprint"] for note in recipes.values()}) == 3
    times = [path.stat().st_mtime_ns for path in Path(run.root, "draw-0").rglob("*.safetensors")]
    stage.run(request)
    assert [path.stat().st_mtime_ns for path in Path(run.root, "draw-0").rglob("*.safetensors")] == times
