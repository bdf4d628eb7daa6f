from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest
from typer.testing import CliRunner

from raysep import cli
from raysep.commands.benchmark import attribution, attribution_figures, attribution_tables
from raysep.commands.benchmark.attribution import QualityRequest, draw_subsets
from raysep.commands.benchmark.attribution_workers import METHODS
from raysep.corpus import truth
from raysep.corpus.layouts import LABELS
from raysep.errors import BadInput, RaysepError, RunConflict
from raysep.probes.rivals.names import NAMES
from raysep.rundir import Run

TRACKS = [f"song-{k}" for k in range(6)]
SMALL = {
    "network": {"layers": 1},
    "training": {"segment_seconds": 0.5, "batch": 2},
    "scoring": {
        "segment_seconds": 1.0,
        "most_segments": 2,
        "fisher_segments": 8,
        "fisher_shards": 1,
        "bank_segments": 4,
    },
}


@pytest.fixture(scope="module")
def bench(tmp_path_factory, write_tracks) -> Path:
    """A corpus of noise, in which the drums of half the tracks count as wrong. To be read only."""
    folder = tmp_path_factory.mktemp("attribution") / "bench"
    write_tracks(folder / "train", TRACKS)
    write_tracks(folder / "reference", ["ref-0", "ref-1"])
    rows = [
        {"stem_id": f"{t}/{k}", "track": t, "stem": k, "kind": kind, "severity": "", "parameters": "{}"}
        for number, t in enumerate(TRACKS)
        for k in LABELS
        for kind in ["noise" if k == "drums" and number % 2 else "clean"]
    ]
    truth.write(str(folder / "truth.parquet"), rows)
    return folder


@pytest.fixture(scope="module")
def asked(bench) -> QualityRequest:
    """A run of everything there is, of a few steps each."""
    return QualityRequest(
        bench=str(bench),
        out=str(bench.parent / "out"),
        subsets=4,
        seeds=2,
        steps=3,
        hidden=4,
        drops=(0.2, 0.5),
        removed=(0.2,),
        eps_root=1e-8,
        draws=8,
        quiet=True,
        overrides=SMALL,
    )


@pytest.fixture(scope="module")
def finished(asked, run_alone) -> QualityRequest:
    """What was asked of a run that is finished. To be read only."""
    with pytest.MonkeyPatch.context() as patch:
        run_alone(patch)
        attribution.quality(asked)
    return asked


@pytest.fixture
def another(asked, tmp_path):
    """another(…): the same request, of a folder that is not there yet."""
    return lambda **changes: replace(asked, **{"out": str(tmp_path / "out"), **changes})


@pytest.fixture
def copied(finished, another):
    """The same request, of a copy of the finished run."""
    request = another()
    shutil.copytree(finished.out, request.out)
    return request


@pytest.fixture
def bench_copy(asked, tmp_path) -> Path:
    return Path(shutil.copytree(asked.bench, tmp_path / "bench"))


# Subsets


def test_subsets_are_halves_that_depend_on_the_seed_and_their_number_only():
    tracks = [f"t{k}" for k in range(9)]
    drawn = draw_subsets(tracks, 20, 1)
    assert {len(subset) for subset in drawn} == {4}
    assert all(subset == sorted(set(subset)) and set(subset) <= set(tracks) for subset in drawn)
    assert draw_subsets(tracks[::-1], 5, 1) == drawn[:5]
    assert draw_subsets(tracks, 20, 2) != drawn
    often = [sum(track in subset for subset in draw_subsets(tracks, 900, 1)) for track in tracks]
    assert min(often) > 340  # 400 expected, deviation 15
    assert {len(subset) for subset in draw_subsets(tracks, 20, 1, 0.1)} == {8}
    assert len(set(map(tuple, draw_subsets(tracks, 9, 1, 0.1)))) == 9  # each track is left out once
    assert draw_subsets(tracks, 20, 1, 0.1)[:9] == draw_subsets(tracks, 9, 1, 0.1)
    assert {len(subset) for subset in draw_subsets(tracks, 20, 1, 0.99)} == {1}


# The whole of it


@pytest.mark.slow
def test_every_stem_base_subset_and_seed_has_its_figure(finished, alone, capsys):
    run = attribution.quality(replace(finished, quiet=False))
    scores = run.read_table("scores.parquet").to_pylist()
    keys = {(row["base"], row["weights"], row["stem_id"]) for row in scores}
    stems = [f"{track}/{label}" for track in TRACKS for label in LABELS]
    assert keys == {(b, w, i) for b in (0, 1) for w in ("trained", "random") for i in stems}
    assert len(scores) == len(keys)
    assert all(np.isfinite(row["influence"]) and np.isfinite(row["loss"]) for row in scores)
    traced = run.read_table("metagradients.parquet").to_pylist()
    assert {(row["base"], row["stem_id"]) for row in traced} == {(b, i) for b in (0, 1) for i in stems}
    assert any(row["metagradient"] for row in traced)
    assert all(row["cost"] > 1 and np.isfinite(row["ratio"]) for row in traced)
    losses = run.read_table("losses.parquet").to_pylist()
    cells = {(row["subset"], row["seed"], row["stem"]) for row in losses}
    assert cells == {(s, k, label) for s in range(8) for k in range(2) for label in LABELS}
    assert len({row["loss"] for row in losses}) == len(losses) == len(cells)
    same = run.read_table("same.parquet").to_pylist()
    assert {(row["subset"], row["base"]) for row in same} == {(s, b) for s in range(8) for b in (0, 1)}
    assert len({row["loss"] for row in same}) == len(same)
    rivals = run.read_table("rivals.parquet").to_pylist()
    assert {(row["base"], row["stem_id"]) for row in rivals} == {(b, i) for b in (0, 1) for i in stems}
    for name in NAMES:
        assert len({row[name] for row in rivals if row[name] is not None}) > len(stems) / 2, name
    assert {row["embedding-distance"] for row in rivals} == {None}
    assert "embedding-distance left out: the reference holds 2 tracks" in rivals[0]["notes"]
    assert "EK-FAC of fc1, fc2, fc3; left out, as their kind is not treated: bn1, lstm, bn2" in rivals[0]["notes"]
    removals = run.read_table("removals.parquet").to_pylist()
    arms = {(row["method"], row["seed"], row["part"]) for row in removals}
    methods = {"", "metagradient", "truth", "random-scores", *NAMES, *METHODS}
    assert arms == {(m, k, "reference") for m in methods - {*attribution_figures.VARIANTS} for k in range(2)}
    written = json.loads(Path(finished.out, "attribution.json").read_text(), parse_constant=pytest.fail)
    assert written["digests"].keys() == {"corpus", "reference", "test", "truth"}
    assert written["methods"].keys() == methods - {"", "truth", "random-scores"}
    assert written["drops"].keys() == {"0.2", "0.5"}
    for of in written["drops"].values():
        for figure in of["methods"]["influence"].values():
            assert isinstance(figure, list) or set(figure) >= {"estimate", "low", "high"}
        told = of["methods"]["metagradient"]
        assert all(-1 <= told[name]["estimate"] <= 1 for name in ("lds", "lds_of_mean", "same_seed", "other_seed"))
        assert told["lds_random"]["estimate"] is None
    assert written["methods"]["metagradient"]["agreement"]["estimate"] is not None
    assert written["removed"]["truth"]["0.2"]["reference"]["deviation"] >= 0
    assert written["definitions"].keys() >= {"reliability", "same_seed", "removed"}
    shown = capsys.readouterr().out
    for words in (
        "influence",
        "ekfac",
        "metagradient: of what it foretells",
        "random scores",
        "noise ceiling",
        "20% left out",
        "4 sets of each size of 6 tracks, 2 trainings each, 2 bases",
    ):
        assert words in shown


@pytest.mark.slow
def test_the_same_seed_gives_the_same_tables_and_another_does_not(finished, another, alone, tmp_path, monkeypatch):
    """Of one of the bases and half of the subsets, without what is made of these tables."""
    for later in ("_derivatives", "_removals"):
        monkeypatch.setattr(attribution, later, lambda *_: None)
    monkeypatch.setattr(attribution_figures, "figures", lambda *_: {})
    monkeypatch.setattr(attribution_tables, "show", lambda *_: None)
    of_these = {
        "scores": pc.field("base") == 0,
        "losses": pc.field("subset") < 4,  # two of each size
        "subsets": pc.field("subset") < 4,
    }
    tables = {"a": [Run(finished.out).read_table(f"{table}.parquet").filter(of_these[table]) for table in of_these]}
    for name, seed in (("b", finished.seed), ("c", finished.seed + 1)):
        run = attribution.quality(another(out=str(tmp_path / name), seed=seed, bases=1, subsets=2))
        tables[name] = [run.read_table(f"{table}.parquet") for table in of_these]
    assert all(len(a) and a.equals(b) for a, b in zip(tables["a"], tables["b"], strict=True))
    assert not any(a.equals(c) for a, c in zip(tables["a"], tables["c"], strict=True))


@pytest.mark.slow
def test_a_killed_run_does_what_is_missing_and_ends_the_same(copied, alone):
    run = Run(copied.out)
    whole = {name: run.read_table(f"{name}.parquet") for name in ("scores", "losses", "same")}
    done = Path(copied.out, "done")
    for lost in (
        "losses.json",
        "losses/00003.json",
        "scores.json",
        "scores/00001.json",
        "same.json",
        "same/00002.json",
    ):
        (done / lost).unlink()
    Path(copied.out, "losses.parquet").unlink()
    attribution.quality(copied)
    assert alone == [[1], [3], [2]]
    for name, table in whole.items():
        assert run.read_table(f"{name}.parquet").equals(table)
    alone.clear()
    attribution.quality(copied)
    assert alone == []
    with pytest.raises(RunConflict, match="another configuration"):
        attribution.quality(replace(copied, steps=4))


@pytest.mark.slow
def test_more_subsets_are_added_to_those_that_are_there(copied, alone):
    run = Run(copied.out)
    four = run.read_table("losses.parquet")
    attribution.quality(replace(copied, subsets=5))
    assert alone == [[16, 17, 18, 19], [16, 17, 18, 19]]
    five = run.read_table("losses.parquet")
    assert five.slice(0, len(four)).equals(four)
    assert len(five) == len(four) + 2 * 2 * len(LABELS)
    assert run.read_json("attribution.json")["subsets"] == run.read_json("run.json")["subsets"] == 5
    alone.clear()
    attribution.quality(replace(copied, subsets=4))
    assert alone == [[], []]
    assert run.read_table("losses.parquet").equals(four)


@pytest.mark.slow
def test_random_weights_are_of_no_training(finished):
    from raysep.separators import checkpoint

    run = Run(finished.out)
    found = {
        name: checkpoint.from_bytes(run.read_bytes("bases", name, "checkpoints", "probe-final.safetensors"), name)
        for name in ("seed0", "seed0-random", "seed1", "seed1-random")
    }
    for number in (0, 1):
        trained, random = found[f"seed{number}"], found[f"seed{number}-random"]
        assert (trained.step, random.step) == (3, 0)
        # Heard alike, and read with the same second moment.
        assert trained.weights["input_mean"].equal(random.weights["input_mean"])
        assert all(trained.second_moment[name].equal(random.second_moment[name]) for name in trained.second_moment)
        assert not trained.weights["fc1.weight"].allclose(random.weights["fc1.weight"], atol=0.01)
    assert not found["seed0"].weights["fc1.weight"].equal(found["seed1"].weights["fc1.weight"])
    assert not found["seed0-random"].weights["fc1.weight"].equal(found["seed1-random"].weights["fc1.weight"])


@pytest.mark.slow
def test_the_tables_are_read_back_in_their_places(finished):
    run = Run(finished.out)
    known, scores = attribution_figures.read_scores(run, truth.read(f"{finished.bench}/truth.parquet"))
    names = sorted(f"{track}/{label}" for track in TRACKS for label in LABELS)
    assert known.ids == tuple(names)
    assert list(known.labels) == [name.split("/")[1] for name in names]
    assert set(known.groups[known.kinds == "noise"]) == {"song-1", "song-3", "song-5"}
    trainings = attribution_figures.read_trainings(run, known)
    assert {drop: {*trained.members.sum(axis=1)} for drop, (trained, _) in trainings.items()} == {0.2: {16}, 0.5: {12}}
    losses, own = (run.read_table(f"{name}.parquet").to_pylist() for name in ("losses", "same"))
    for number in range(8):  # the first of each size, then the second of each
        trained, same = trainings[(0.2, 0.5)[number % 2]]
        for seed in range(2):
            mine = [r["loss"] for r in losses if (r["subset"], r["seed"]) == (number, seed)]
            assert trained.losses[number // 2, seed] == pytest.approx(np.mean(mine))
            (loss,) = (r["loss"] for r in own if (r["subset"], r["base"]) == (number, seed))
            assert same[number // 2, seed] == loss
    for row in run.read_table("scores.parquet").to_pylist():
        assert scores["loss"][row["weights"]][row["base"], names.index(row["stem_id"])] == row["loss"]
    for row in run.read_table("rivals.parquet").to_pylist():
        found = scores["tracin"]["trained"][row["base"], names.index(row["stem_id"])]
        assert found == row["tracin"] or (np.isnan(found) and row["tracin"] is None)


@pytest.mark.slow
def test_a_failing_training_ends_it_with_its_words_and_it_can_go_on(copied, alone, bench_copy):
    request = replace(copied, bench=str(bench_copy))
    run = Run(request.out)
    table = run.read_table("losses.parquet")
    file = bench_copy / "train" / "song-0" / "drums.wav"
    kept = file.read_bytes()
    shutil.rmtree(Path(request.out, "done", "losses"))
    Path(request.out, "done", "losses.json").unlink()
    worker = attribution.SubsetTrainer.pool

    def spoilt(self, rows):
        file.unlink()
        return worker(self, rows)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attribution.SubsetTrainer, "pool", spoilt)
        with pytest.raises(RaysepError, match=r"losses failed .*drums\.wav.* start the same command again"):
            attribution.quality(request)
    file.write_bytes(kept)
    attribution.quality(request)
    assert run.read_table("losses.parquet").equals(table)


# What cannot be judged


@pytest.mark.parametrize("part", ["train", "reference", "truth.parquet"])
def test_what_is_no_benchmark_corpus_is_refused_by_name(another, bench_copy, part, tmp_path):
    place = bench_copy / part
    shutil.rmtree(place) if place.is_dir() else place.unlink()
    with pytest.raises(BadInput, match=rf"bench: holds no {part}.*raysep benchmark corpus"):
        attribution.quality(another(bench=str(bench_copy)))
    assert not (tmp_path / "out").exists()


def test_too_few_tracks_and_a_strange_truth_are_refused(another, bench_copy):
    rows = truth.read(str(bench_copy / "truth.parquet"))
    truth.write(str(bench_copy / "truth.parquet"), rows[1:])
    with pytest.raises(BadInput, match=r"truth\.parquet: says nothing of song-0/bass"):
        attribution.quality(another(bench=str(bench_copy)))
    for track in TRACKS[3:]:
        shutil.rmtree(bench_copy / "train" / track)
    with pytest.raises(BadInput, match=r"train: 3 tracks; give four or more"):
        attribution.quality(another(bench=str(bench_copy)))


# The command


def test_the_options_of_the_command_reach_the_stage(monkeypatch):
    requests = []
    monkeypatch.setattr(attribution, "quality", requests.append)
    words = ["benchmark", "attribution", "bench", "--out", "o"]
    more = [
        "--subsets",
        "5",
        "--seeds",
        "4",
        "--steps",
        "6",
        "--hidden",
        "7",
        "--bases",
        "3",
        "--drop",
        "0.2",
        "--drop",
        "0.4",
        "--seed",
        "8",
        "--workers",
        "2",
        "--address",
        "local",
        "--quiet",
    ]
    for arguments in (words, words + more):
        assert CliRunner().invoke(cli.app, arguments).exit_code == 0
    given = {"subsets": 5, "seeds": 4, "steps": 6, "hidden": 7, "seed": 8, "workers": 2, "address": "local"}
    given |= {"bases": 3, "drops": (0.2, 0.4)}
    assert requests == [QualityRequest("bench", "o"), QualityRequest("bench", "o", quiet=True, **given)]


# With Ray


@pytest.mark.train
@pytest.mark.long
def test_any_number_of_workers_gives_the_same_tables(another, ray_runtime, tmp_path):
    tables = []
    for workers in (1, 2):
        run = attribution.quality(another(out=str(tmp_path / f"with-{workers}"), workers=workers))
        tables.append([run.read_table(f"{name}.parquet") for name in ("scores", "losses")])
    assert all(one.equals(two) for one, two in zip(*tables, strict=True))
