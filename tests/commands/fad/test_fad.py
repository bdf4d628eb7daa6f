from __future__ import annotations

import csv
import io
import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from raysep.cluster import shards
from raysep.commands.fad import embedding
from raysep.commands.fad.fad import DEFAULT_MEASURES, MEASURES, FadRequest, choose_embedder, fad
from raysep.commands.fad.inputs import read_comparison
from raysep.corpus import storage
from raysep.errors import BadInput, FinishedWithFailures, RaysepError, RunConflict
from raysep.probes.embedders import registry
from raysep.probes.embedders.base import audible_frames
from raysep.probes.embedders.logmel import LogMelEmbedder
from raysep.probes.fad import ReferenceStatistics, frechet_distance
from raysep.probes.fad.reference_file import ReferenceFile
from raysep.probes.fad.set_level import LEAST
from raysep.rundir import Run
from tests.commands.fad.runs import CLEAN, LABELS, NAMES, RATE, left_by, rows_of, shards_of


def frames_of(folder: str, track: str, label: str) -> np.ndarray:
    audio = soundfile.read(f"{folder}/{track}/{label}.wav", dtype="float32", always_2d=True)[0].T
    return audible_frames(LogMelEmbedder(RATE), audio, RATE)


def standardised(request: FadRequest, label: str, left_out: str = ""):
    """(the function that standardises, the reference's frames by it, one track left out of those)."""
    by_track = {track: frames_of(request.reference, track, label) for track in CLEAN}
    together = np.concatenate(list(by_track.values())).astype(np.float64)
    centre, scale = together.mean(axis=0), np.maximum(together.std(axis=0), LogMelEmbedder.least_spread)
    kept = np.concatenate([frames for track, frames in by_track.items() if track != left_out])
    return lambda frames: (frames - centre) / scale, (kept - centre) / scale


def test_every_stem_has_a_row_and_its_distance_is_that_of_its_frames(finished):
    request, _ = finished
    rows = rows_of(request)
    assert list(rows) == [(track, label) for track in NAMES for label in LABELS]
    for (track, label), row in rows.items():
        standardise, clean = standardised(request, label)
        expected = frechet_distance(
            standardise(frames_of(request.corpus, track, label)), ReferenceStatistics.from_frames(clean)
        )
        assert row["fad"] == pytest.approx(expected, rel=1e-5), (track, label)
        assert (row["outcome"], row["frames"], row["seconds"], row["in_reference"]) == ("scored", 7, 4.0, False)
        assert all(math.isfinite(row[f"{name}{end}"]) for name in DEFAULT_MEASURES for end in ("", "-z", "-p"))
    assert max(rows, key=lambda key: rows[key]["fad-z"]) == ("A", "drums")


def test_the_set_is_the_distance_of_all_frames_of_a_label(finished):
    request, _ = finished
    record = json.loads(Path(request.out, "fad.json").read_text(), parse_constant=lambda name: pytest.fail(name))
    for label in LABELS:
        standardise, clean = standardised(request, label)
        raw = np.concatenate([frames_of(request.corpus, track, label) for track in NAMES])
        found = record["labels"][label]
        assert (found["stems"], found["frames"], found["scored"], found["failed"]) == (3, len(raw), 3, 0)
        assert found["fad"] == pytest.approx(
            frechet_distance(standardise(raw), ReferenceStatistics.from_frames(clean)), rel=1e-5
        )
        own_unit = np.concatenate([frames_of(request.reference, track, label) for track in CLEAN])
        assert found["fad_unscaled"] == pytest.approx(
            frechet_distance(raw, ReferenceStatistics.from_frames(own_unit)), rel=1e-5
        )
        assert found["fad_infinity"] == {
            "value": None,
            "reason": f"FAD-∞ needs more than {LEAST} frames, and these are 21",
        }
    assert record["embedder"] == Run(request.out).read_json("run.json")["embedder"]
    assert record["made_of"]["labels"]["bass"]["tracks"][0]["track"] == "R1"
    assert {"raw", "z", "p", "fad", "fad-window", "mahalanobis"} <= set(record["definitions"]["stems"])
    assert record["versions"]["raysep"]


def test_the_csv_is_the_table(finished):
    request, _ = finished
    table = Run(request.out).read_table("fad.parquet")
    found = list(csv.DictReader(io.StringIO(Path(request.out, "fad.csv").read_text())))
    assert [(r["track"], r["stem"]) for r in found] == list(rows_of(request))
    assert [float(r["fad-z"]) for r in found] == table["fad-z"].to_pylist()


def test_the_file_that_is_left_is_the_reference(finished, alone, tmp_path):
    request, calls = finished
    file = f"{request.out}/reference.fadref"
    again = replace(request, reference=file, embedder=None, out=str(tmp_path / "again"))  # the file knows which
    fad(again)
    assert rows_of(again) == rows_of(request)
    assert (len(calls), len(alone)) == (4, 3)  # embed, reference, score, sets; and all but the reference
    for name in ("fad.csv", "reference.fadref"):
        assert Path(again.out, name).read_bytes() == Path(request.out, name).read_bytes()
    with pytest.raises(BadInput, match=r"--measures kad: .* knows only fad, fad-window, mahalanobis"):
        fad(replace(again, measures=("fad", "kad"), out=str(tmp_path / "third")))


def test_a_stem_of_the_reference_is_left_out(request_of, alone, tmp_path):
    shutil.copytree(tmp_path / "clean" / "R2", tmp_path / "corpus" / "Twin")
    request = request_of()
    fad(request)
    rows, record = rows_of(request), Run(request.out).read_json("fad.json")
    for label in LABELS:
        standardise, others = standardised(request, label, left_out="R2")
        own = standardise(frames_of(request.reference, "R2", label))
        row = rows["Twin", label]
        assert row["in_reference"]
        assert row["fad"] == pytest.approx(frechet_distance(own, ReferenceStatistics.from_frames(others)), rel=1e-5)
        found = record["labels"][label]
        assert (found["stems"], found["in_reference"], found["scored"]) == (3, 1, 4)
    assert not rows["B", "bass"]["in_reference"]


def test_a_reference_may_be_scored_itself_and_each_file_is_embedded_once(request_of, alone, tmp_path, monkeypatch):
    request = request_of(corpus=request_of().reference)
    read = []
    monkeypatch.setattr(
        embedding, "embed", lambda e, stem, embed=embedding.embed: read.append(stem.uri) or embed(e, stem)
    )
    fad(request)
    assert len(read) == len(set(read)) == len(CLEAN) * len(LABELS)
    assert all(row["in_reference"] for row in rows_of(request).values())
    record = Run(request.out).read_json("fad.json")
    assert record["labels"]["bass"]["fad"] is None
    assert record["labels"]["bass"]["in_reference"] == len(CLEAN)
    file = ReferenceFile.from_bytes(Path(request.out, "reference.fadref").read_bytes(), "")
    assert rows_of(request)["R3", "bass"]["fad-z"] == file.members["bass"][2].scores["fad"]["z"]


def test_when_every_stem_fails_the_command_does(request_of, alone, tmp_path):
    for file in (tmp_path / "corpus").rglob("*.wav"):
        file.write_bytes(b"no audio")
    with pytest.raises(RaysepError, match=r"no stem could be scored \(.*bass\.wav") as caught:
        fad(request_of())
    assert caught.value.exit_code == 1


def test_a_lost_shard_is_failed_rows(request_of, alone, monkeypatch):
    run_all, (lost,) = shards.run_shards, shards_of("B")

    def lose(make, work, available, **options):
        if make.__class__.__name__ != "StemScorer":
            return run_all(make, work, available, **options)
        run_all(make, {number: payload for number, payload in work.items() if number != lost}, available, **options)
        return {lost: "worker died 4 times"}

    monkeypatch.setattr(shards, "run_shards", lose)
    with pytest.raises(FinishedWithFailures, match=r"2 stems failed, first B/bass \(worker died 4 times\)"):
        fad(request_of())
    assert len(rows_of(request_of())) == 6


def test_a_reference_that_is_too_small_or_broken_is_refused(request_of, alone, tmp_path):
    for track in ("R1", "R2", "R3"):
        soundfile.write(tmp_path / "clean" / track / "drums.wav", np.zeros(5 * RATE), RATE)
    with pytest.raises(BadInput, match="--reference: drums is audible in 2 of 5 tracks, and at least 3 are needed"):
        fad(request_of())
    file = tmp_path / "clean" / "R4" / "bass.wav"
    file.write_bytes(file.read_bytes()[:20000])
    with pytest.raises(BadInput, match=r"1 of its stems cannot be used, first: .*R4/bass\.wav"):
        fad(request_of(out=str(tmp_path / "other")))


def test_what_cannot_be_asked_is_refused_before_any_work(request_of):
    with pytest.raises(BadInput, match="--measures fed: give some of fad, fad-window"):
        fad(request_of(measures=("fed",)))
    with pytest.raises(BadInput, match="embedder 'mel'"):
        fad(request_of(embedder="mel"))
    assert not Path(request_of().out).exists()


def test_the_embedder_is_the_default_one_unless_another_is_asked_for(request_of):
    request = request_of(embedder=None)
    compared = read_comparison(request.corpus, request.reference, request.labels)
    assert choose_embedder(request, compared)[1].name == registry.DEFAULT
    assert choose_embedder(request_of(), compared)[1].name == "logmel"


OWN = """
from raysep.probes.embedders.logmel import LogMelEmbedder


class Bands(LogMelEmbedder):
    name = "bands"

    def __init__(self, sample_rate, weights=""):
        super().__init__(sample_rate)
"""


def test_a_reference_of_an_own_embedder_knows_where_it_is(request_of, alone, tmp_path, monkeypatch):
    (tmp_path / "own_bands.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    request = request_of(embedder="own_bands:Bands", measures=("mahalanobis",))
    fad(request)
    assert Run(request.out).read_json("fad.json")["embedder"]["name"] == "own_bands:Bands"
    file = f"{request.out}/reference.fadref"
    again = replace(request, embedder=None, reference=file, out=str(tmp_path / "again"))
    fad(again)
    assert left_by(again) == left_by(request)
    compared = read_comparison(request.corpus, file, LABELS)
    bears = replace(compared.file, about=replace(compared.file.about, embedder="bands"))  # as files had it once
    older = replace(compared, file=bears)
    assert choose_embedder(replace(again, embedder="own_bands:Bands"), older)[1].name == "bands"
    with pytest.raises(BadInput, match=r"calls itself 'bands'; say where it is with --embedder package\.module:Class"):
        choose_embedder(again, older)
    with pytest.raises(BadInput, match="made with embedder 'own_bands:Bands', but this one is 'logmel'"):
        fad(replace(again, embedder="logmel", out=str(tmp_path / "third")))


def test_workers_are_told_which_weights_the_run_has(request_of):
    request = request_of(embedder=None)
    chosen, embedder = choose_embedder(request, read_comparison(request.corpus, request.reference, LABELS))
    assert chosen.weights_digest == embedder.weights_digest != ""


def test_another_request_in_the_same_folder_is_refused(request_of, alone):
    fad(request_of(measures=("mahalanobis",)))
    with pytest.raises(RunConflict, match="another configuration"):
        fad(request_of(measures=("mahalanobis",), seed=1))


def test_songs_without_stems_and_every_measure(request_of, alone, tmp_path, capsys):
    for folder, names in (("clean", CLEAN), ("corpus", NAMES)):
        (tmp_path / f"{folder}-songs").mkdir()
        for name in names:
            shutil.copy(tmp_path / folder / name / "drums.wav", tmp_path / f"{folder}-songs" / f"{name}.wav")
    request = request_of(
        corpus=str(tmp_path / "corpus-songs"),
        reference=str(tmp_path / "clean-songs"),
        labels=None,
        measures=tuple(MEASURES),
        quiet=False,
    )
    fad(request)
    rows = rows_of(request)
    assert list(rows) == [(f"{name}.wav", "audio") for name in NAMES]
    for name in MEASURES:
        assert all(math.isfinite(row[f"{name}-z"]) for row in rows.values()), name
    printed = capsys.readouterr().out
    assert f"no FAD-∞, which needs more than {LEAST} frames: audio 21" in printed
    assert printed.index("A.wav") < printed.index("B.wav")


@pytest.mark.slow
def test_everything_may_lie_in_an_object_store(request_of, alone, s3_server):
    import boto3

    boto3.client("s3").create_bucket(Bucket="distances")
    local = request_of()
    for root, target in ((local.corpus, "corpus"), (local.reference, "clean")):
        for file in Path(root).rglob("*.wav"):
            storage.write_bytes(f"s3://distances/{target}/{file.relative_to(root)}", file.read_bytes())
    remote = request_of(corpus="s3://distances/corpus", reference="s3://distances/clean", out="s3://distances/out")
    again = replace(remote, reference="s3://distances/out/reference.fadref", out="s3://distances/again")
    found = []
    for request in (local, remote, again):
        fad(request)
        found.append({key: row | {"uri": ""} for key, row in rows_of(request).items()})
    assert found[0] == found[1] == found[2]


@pytest.mark.cluster
def test_one_or_two_workers_leave_the_same_bytes(request_of, ray_runtime, tmp_path):
    kept = []
    for workers in (1, 2):
        request = request_of(out=str(tmp_path / f"by{workers}"), workers=workers)
        fad(request)
        kept.append([Path(request.out, name).read_bytes() for name in ("fad.csv", "fad.parquet", "reference.fadref")])
    assert kept[0] == kept[1]
