from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from raysep.cluster import shards
from raysep.commands.evaluate import evaluate
from raysep.commands.evaluate.evaluate import EvaluationRequest
from raysep.corpus import manifest, storage
from raysep.corpus.layouts import LABELS, stems_of
from raysep.errors import BadInput, FinishedWithFailures, RaysepError, RunConflict
from raysep.rundir import Run

NAMES = ["T", "U", "V"]


@pytest.fixture
def request_of(tmp_path, make_context, write_tracks, save_network):
    """request_of(…): an evaluation of a run's three networks (two arms, one with two seeds) on three tracks."""
    context = make_context()
    for number, name in enumerate(("cleaned-seed0", "cleaned-seed1", "contaminated-seed0")):
        save_network(context, name, steps=1, seed=number)
    write_tracks(tmp_path / "test", NAMES, seconds=2.5)
    request = EvaluationRequest(
        models=(context.run.root,),
        corpus=str(tmp_path / "test"),
        out=str(tmp_path / "out"),
        measures=("sdr", "framewise_sdr", "si_sdr"),
        draws=50,
        quiet=True,
    )
    return lambda **changes: replace(request, **changes)


def table(request: EvaluationRequest):
    return Run(request.out).read_table("evaluation.parquet")


def test_every_model_seed_track_and_stem_has_a_row(request_of, alone):
    request = request_of(baseline=True)
    evaluate.evaluate(request)
    rows = table(request).to_pylist()
    keys = [(row["model"], row["seed"], row["track"], row["stem"]) for row in rows]
    models = [("cleaned", 0), ("cleaned", 1), ("contaminated", 0), ("mixture", None)]
    assert keys == [(*model, track, stem) for model in models for track in NAMES for stem in LABELS]
    assert {row["outcome"] for row in rows} == {"scored"}
    assert all(math.isfinite(row[name]) for row in rows for name in request.measures)
    assert not Run(request.out).has("frames.parquet")


def test_the_record_says_what_was_measured_on_what(request_of, alone):
    request = request_of(against="contaminated")
    evaluate.evaluate(request)
    record = json.loads(Path(request.out, "evaluation.json").read_text(), parse_constant=lambda name: pytest.fail(name))
    assert record["definitions"]["framewise_sdr"]["frames"] == "median over 1 s frames, museval v4 rules"
    assert [model["name"] for model in record["models"]] == ["cleaned", "cleaned", "contaminated"]
    assert all(len(model["digest"]) == 64 for model in record["models"])
    assert record["digests"]["corpus"] == manifest.digest(stems_of(request.corpus, split="test").stems)
    assert record["versions"]["torch"]
    figures = {(f["model"], f["measure"], f["stem"], f["track_aggregate"]): f for f in record["figures"]}
    assert len(figures) == 2 * 3 * 5 * 2
    assert figures["cleaned", "sdr", "mean over stems", "mean"]["seeds"] == 2
    assert {c["model"] for c in record["comparisons"]} == {"cleaned"}
    assert {c["verdict"] for c in record["comparisons"]} <= {"better", "worse", "not distinguishable"}


def test_another_comparison_of_the_same_models_measures_nothing_again(request_of, alone):
    evaluate.evaluate(request_of())
    evaluate.evaluate(request_of(against="contaminated"))
    assert alone == [[0, 1, 2]]
    assert Run(request_of().out).read_json("evaluation.json")["against"] == "contaminated"
    with pytest.raises(RunConflict, match="another configuration"):
        evaluate.evaluate(request_of(measures=("sdr",)))


def test_a_killed_evaluation_goes_on(request_of, alone):
    request = request_of(frames=True)
    evaluate.evaluate(request)
    whole, frames = table(request), Run(request.out).read_table("frames.parquet")
    for name in ("done/evaluate.json", "done/evaluate/00001.json", "evaluation.parquet"):
        Path(request.out, name).unlink()
    evaluate.evaluate(request)
    assert alone == [[0, 1, 2], [1]]
    assert table(request).equals(whole)
    assert Run(request.out).read_table("frames.parquet").equals(frames)


def test_a_failing_track_is_rows_and_exit_code_3_and_is_tried_again(request_of, alone, tmp_path):
    request = request_of()
    file = tmp_path / "test" / "U" / "bass.wav"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])  # the header promises more than there is
    with pytest.raises(FinishedWithFailures, match=r"1 tracks failed, first U \(.*bass\.wav") as caught:
        evaluate.evaluate(request)
    assert caught.value.exit_code == 3
    rows = table(request).to_pylist()
    assert {(row["track"], row["outcome"]) for row in rows} == {("T", "scored"), ("U", "failed"), ("V", "scored")}
    record = Run(request.out).read_json("evaluation.json")
    assert record["failed"] == ["U"]
    assert {f["tracks"] for f in record["figures"]} == {2}
    with pytest.raises(FinishedWithFailures):
        evaluate.evaluate(request)
    assert alone == [[0, 1, 2], [1]]


def test_when_every_track_fails_the_evaluation_does(request_of, alone, tmp_path):
    for track in NAMES:
        (tmp_path / "test" / track / "bass.wav").write_bytes(b"no audio")
    with pytest.raises(RaysepError, match=r"no track could be evaluated \(T: .*bass\.wav") as caught:
        evaluate.evaluate(request_of())
    assert caught.value.exit_code == 1


def test_a_broken_checkpoint_is_no_better_than_any_and_costs_no_other_model_its_tracks(request_of, alone):
    """Weights of NaN give estimates of NaN: neither full marks nor a track less for the others."""
    import torch

    from raysep.separators import checkpoint

    file = Path(request_of().models[0], "checkpoints", "cleaned-seed1.safetensors")
    made = checkpoint.from_bytes(file.read_bytes(), str(file))
    for tensor in made.weights.values():
        if tensor.is_floating_point():
            tensor.fill_(torch.nan)
    file.write_bytes(checkpoint.to_bytes(made))
    request = request_of(against="contaminated", measures=evaluate.numbers.DEFAULT)
    with pytest.raises(
        FinishedWithFailures, match=r"3 tracks failed, first T \(cleaned \(seed 1\): its vocals.* of T holds"
    ):
        evaluate.evaluate(request)
    rows = table(request).to_pylist()
    assert {(r["model"], r["seed"]) for r in rows if r["outcome"] == "failed"} == {("cleaned", 1)}
    record = Run(request.out).read_json("evaluation.json")
    assert record["failed_by_model"] == {"cleaned": NAMES, "contaminated": []}
    assert {(f["model"], f["tracks"]) for f in record["figures"]} == {("cleaned", 0), ("contaminated", 3)}
    assert {c["verdict"] for c in record["comparisons"]} == {"not distinguishable"}


def test_a_lost_shard_is_rows_of_its_tracks(request_of, alone, monkeypatch):
    def lose(make, work, available, *, on_done, **options):
        for number in (0, 2):
            on_done(number, make()(number, work[number]))
        return {1: "worker died 4 times"}

    monkeypatch.setattr(shards, "run_shards", lose)
    with pytest.raises(FinishedWithFailures, match=r"first U \(worker died 4 times\)"):
        evaluate.evaluate(request_of(frames=True))
    rows = table(request_of()).to_pylist()
    assert [row["track"] for row in rows if row["outcome"] == "failed"] == ["U"] * 12


@pytest.mark.cluster
def test_one_or_two_workers_find_the_same_numbers(request_of, ray_runtime, tmp_path):
    tables = []
    for workers in (1, 2):
        request = request_of(out=str(tmp_path / f"by{workers}"), workers=workers, frames=True, bss_eval=True)
        evaluate.evaluate(request)
        tables.append((table(request), Run(request.out).read_table("frames.parquet")))
    assert tables[0][0].equals(tables[1][0])
    assert tables[0][1].equals(tables[1][1])
    markers = Run(request.out).shards_done("evaluate", Run(request.out).read_json("run.json")["fingerprint"])
    assert sorted(markers) == [0, 1, 2]


@pytest.mark.slow
def test_both_backends_find_the_same_numbers(request_of, alone, tmp_path):
    """Of one network and one track: museval takes seconds for each."""
    (run,), found = request_of().models, []
    one = (str(Path(run, "checkpoints", "cleaned-seed1.safetensors")),)
    for name in NAMES[1:]:
        shutil.rmtree(tmp_path / "test" / name)
    for backend in ("own", "museval"):
        request = request_of(
            out=str(tmp_path / backend), backend=backend, models=one, bss_eval=True, measures=("framewise_sdr",)
        )
        evaluate.evaluate(request)
        found.append(table(request).to_pylist())
    for own, theirs in zip(*found, strict=True):
        assert own["conditioned"] is True
        assert theirs["conditioned"] is None
        for name in ("framewise_sdr", "isr", "sir", "sar"):
            assert own[name] == pytest.approx(theirs[name], abs=1.01e-5), (name, own)


# Who is compared


def test_against_may_be_a_name_a_checkpoint_or_a_run(request_of, tmp_path):
    run = Path(request_of().models[0])
    lone = str(run / "checkpoints" / "contaminated-seed0.safetensors")
    assert evaluate.choose(request_of(against="contaminated"))[1] == "contaminated"
    assert evaluate.choose(request_of(against=lone))[1] == "contaminated"
    models, against = evaluate.choose(request_of(models=(lone,), against=str(_only(run, tmp_path, "cleaned"))))
    assert (against, [(m.name, m.seed) for m in models]) == (
        "cleaned",
        [("contaminated", 0), ("cleaned", 0), ("cleaned", 1)],
    )
    models, against = evaluate.choose(request_of(against="mixture", baseline=True))
    assert (against, models[-1].name) == ("mixture", "mixture")


def _only(run: Path, tmp_path: Path, arm: str) -> Path:
    other = tmp_path / "other"
    (other / "checkpoints").mkdir(parents=True)
    for file in (run / "checkpoints").glob(f"{arm}-*"):
        shutil.copy(file, other / "checkpoints")
    return other


def test_an_against_that_is_not_one_rival_is_refused(request_of):
    run = Path(request_of().models[0])
    lone = str(run / "checkpoints" / "contaminated-seed0.safetensors")
    with pytest.raises(BadInput, match=r"--against .*run: holds contaminated, cleaned; give that run among the models"):
        evaluate.choose(request_of(models=(lone,), against=str(run)))
    with pytest.raises(BadInput, match=r"--against contaminated: is all there is"):
        evaluate.choose(request_of(models=(lone,), against="contaminated"))
    with pytest.raises(BadInput, match=r"cleand: no separator here"):
        evaluate.choose(request_of(against="cleand"))


# On what


def test_the_corpus_may_be_a_manifest_of_any_tracks(request_of, alone, tmp_path, capsys):
    stems = stems_of(str(tmp_path / "test")).stems
    manifest.write(str(tmp_path / "some.parquet"), [s for s in stems if s.track != "U" and s.stem_id != "V/bass"])
    request = replace(request_of(corpus=str(tmp_path / "some.parquet")), quiet=False)
    evaluate.evaluate(request)
    assert "1 track without a stem of some label, first V without bass" in " ".join(capsys.readouterr().err.split())
    found = {(r["track"], r["stem"]) for r in table(request).to_pylist() if r["outcome"] == "scored"}
    assert found == {("T", label) for label in LABELS} | {("V", label) for label in LABELS if label != "bass"}


def test_single_stems_are_mixed_with_one_another(request_of, alone, tmp_path):
    for number, label in enumerate(LABELS):
        (tmp_path / "pool" / label).mkdir(parents=True)
        audio = 0.1 * np.random.default_rng(number).standard_normal(9000 + 100 * number)
        soundfile.write(tmp_path / "pool" / label / f"{number}.wav", audio, 8000)
    request = request_of(corpus=str(tmp_path / "pool"), split="train")
    evaluate.evaluate(request)
    rows = table(request).to_pylist()
    assert {row["track"] for row in rows} == {"bass/2 + drums/1 + other/3 + vocals/0"}
    assert [row["stem"] for row in rows] == 3 * list(LABELS)
    assert {round(row["seconds"], 4) for row in rows} == {9000 / 8000}


def test_the_split_is_the_test_tracks_unless_another_is_asked_for(request_of, tmp_path, write_tracks):
    both = tmp_path / "both"
    write_tracks(both / "train", ["A"], seconds=1)
    write_tracks(both / "test", ["B"], seconds=1)
    models, _ = evaluate.choose(request_of())
    assert {s.track for s in evaluate.read_corpus(request_of(corpus=str(both)), models)} == {"B"}
    assert {s.track for s in evaluate.read_corpus(request_of(corpus=str(both), split="train"), models)} == {"A"}


def test_what_cannot_be_evaluated_is_refused_before_any_work(request_of, tmp_path, write_tracks):
    models, _ = evaluate.choose(request_of())
    write_tracks(tmp_path / "two", ["A"], seconds=1, labels=("vocals", "rest"))
    with pytest.raises(BadInput, match=r"has the stems vocals, rest, but the models give drums, bass, other too"):
        evaluate.read_corpus(request_of(corpus=str(tmp_path / "two"), labels=("vocals", "rest")), models)
    manifest.write(str(tmp_path / "none.parquet"), [])
    with pytest.raises(BadInput, match=r"none\.parquet: holds no stems"):
        evaluate.read_corpus(request_of(corpus=str(tmp_path / "none.parquet")), models)
    with pytest.raises(BadInput, match=r"--filter wener: give one of ratio, phase, wiener"):
        evaluate.evaluate(request_of(separation={"filter": "wener"}))
    with pytest.raises(BadInput, match=r"--metrics sdrr"):
        evaluate.evaluate(request_of(measures=("sdrr",)))
    assert not Path(request_of().out).exists()


def test_tracks_are_dealt_by_name_whatever_the_cluster(monkeypatch):
    assert evaluate.deal(["a", "b", "c"]) == {0: ["a"], 1: ["b"], 2: ["c"]}
    monkeypatch.setattr(evaluate, "MOST_SHARDS", 2)
    assert evaluate.deal(["a", "b", "c"]) == {0: ["a", "b"], 1: ["c"]}
    assert evaluate.deal([]) == {}


def test_everything_may_lie_in_an_object_store(request_of, alone, s3_server, tmp_path):
    import boto3

    boto3.client("s3").create_bucket(Bucket="judged")
    run = request_of().models[0]
    for root, target in ((run, "run"), (request_of().corpus, "test")):
        for file in Path(root).rglob("*.*"):
            if file.is_file():
                storage.write_bytes(f"s3://judged/{target}/{file.relative_to(root)}", file.read_bytes())
    local = request_of()
    remote = request_of(models=("s3://judged/run",), corpus="s3://judged/test", out="s3://judged/out")
    for request in (local, remote):
        evaluate.evaluate(request)
    assert table(remote).equals(table(local))
