from __future__ import annotations

import pytest

from raysep import config as settings
from raysep.commands.clean import dry_run, estimate
from raysep.commands.clean.estimate import Amount, Parts, Speed
from raysep.errors import BadInput
from raysep.pipeline import Request

SPEED = Speed(decode=100.0, embed=50.0, forward=0.5, step=2.0, parameters=1000)
CORPUS = Amount(stems=4000, tracks=1000, seconds=800_000.0, bytes=10**11, requests=4000, segments=16_000)
REFERENCE = Amount(stems=40, tracks=10, seconds=8_000.0, bytes=10**9, requests=40, segments=160)
TEST = Amount(stems=8, tracks=2, seconds=1_600.0, bytes=2 * 10**8, requests=8, segments=32)


def rows(search=False, until=None, speed=SPEED, **overrides) -> dict[str, estimate.Row]:
    config = settings.preset("tiny", overrides)
    parts = Parts(CORPUS, REFERENCE, TEST, Amount())
    return {row.stage: row for row in estimate.estimate(config, parts, speed, 176_400, search, until)}


def test_which_stages_there_are():
    assert list(rows(until="decide")) == ["scan", "check", "plant", "train", "attribute", "score"]
    assert list(rows(search=True))[-3:] == ["search", "retrain", "evaluate"]


def test_every_file_is_checked_once():
    found = rows()["check"]
    assert (found.read.stems, found.read.requests, found.shards) == (4048, 4048, 128)
    assert found.cpu_seconds == pytest.approx((800_000 + 8_000 + 1_600) / 100)


def test_what_is_scored_is_the_corpus_and_the_evidence():
    # Folds rotate in this preset: every reference stem is evidence, and has one corrupted copy.
    found = rows()["score"]
    assert found.read.stems == 4000 + 40 + 40
    assert found.read.seconds == 816_000.0
    two = rows(scoring={"first_segments": 1})["score"]
    assert (two.passes, two.read.seconds, two.shards) == (2.0, 2 * 816_000.0, 2 * found.shards)


def test_a_training_reads_what_its_pools_hold_and_then_refreshes_them():
    few = rows(training={"memory_gib": 1000.0}, proof={"arms": ("contaminated", "cleaned"), "seeds": (0, 1)})["retrain"]
    assert few.passes == pytest.approx(4.0)  # 2 arms with 2 seeds: the whole corpus once each
    assert few.read.bytes == pytest.approx(4 * 10**11)
    assert few.cpu_seconds == pytest.approx(4 * 800_000 / 100 + 4 * 600 * 2.0)
    assert rows(training={"memory_gib": 0.1, "steps": 600})["retrain"].passes < few.passes


def test_what_a_gpu_computes_is_no_cpu_time():
    cpu, gpu = rows(), rows(speed=Speed(100.0, 50.0, 0.5, 2.0, 1000, gpu=True))
    for stage in ("train", "attribute", "score", "retrain", "evaluate"):
        assert gpu[stage].gpu_seconds > 0
        assert cpu[stage].gpu_seconds == 0
        assert gpu[stage].cpu_seconds + gpu[stage].gpu_seconds == pytest.approx(cpu[stage].cpu_seconds)


def test_each_round_costs_as_much_as_the_first():
    once, twice = rows(), rows(rounds=2)
    for stage in ("train", "attribute", "score"):
        assert twice[stage].cpu_seconds == pytest.approx(2 * once[stage].cpu_seconds)
    assert twice["retrain"] == once["retrain"]


def test_a_reference_that_is_too_small_is_no_evidence():
    config = settings.preset("small", {})
    assert estimate.split(Amount(stems=8, tracks=2, seconds=10.0), config) == (Amount(), Amount())


def test_a_folder_is_sized_and_nothing_is_made(tmp_path, write_tracks, capsys):
    corpus = write_tracks(tmp_path / "corpus", [f"c{k}" for k in range(6)], seconds=4.0)
    reference = write_tracks(tmp_path / "reference", [f"r{k}" for k in range(3)], seconds=4.0, seed=1)
    before = sorted(tmp_path.rglob("*"))
    asked: list[int] = []

    def measure(config, stems, sample_rate, channels):
        asked.append(len(stems))
        assert (sample_rate, channels) == (8000, 1)
        return SPEED

    request = Request(corpus, reference, str(tmp_path / "run"), preset="smallest", quiet=True)
    found = {row.stage: row for row in dry_run.dry_run(request, measure)}
    assert asked == [24]
    assert found["scan"].read.stems == 36
    assert found["check"].read.seconds == pytest.approx(36 * 4.0, rel=0.01)
    assert sorted(tmp_path.rglob("*")) == before
    shown = capsys.readouterr().out
    assert "is not made" in shown
    assert "assumed: corpus: 24 stems, by its listing" in shown


def test_the_machine_is_measured_in_a_moment(tmp_path, write_tracks, monkeypatch):
    from raysep.commands.clean import speed
    from raysep.corpus.layouts import stems_of

    stems = stems_of(write_tracks(tmp_path / "corpus", ["a", "b"])).stems
    monkeypatch.setattr(speed, "SECONDS", dict.fromkeys(speed.SECONDS, 0.0))
    config = settings.preset("smallest", {})
    found = speed.measure(config, stems, 8000, 1)
    assert min(found.decode, found.embed, found.forward, found.step, found.parameters) > 0
    assert found.measured["decode"] == "1 stems, 2 s of audio"
    nothing = speed.measure(config, [], 8000, 1)
    assert nothing.decode == speed.ASSUMED_DECODE
    assert "decode" not in nothing.measured


def test_a_song_that_two_places_name_is_refused_as_the_cleaning_would(tmp_path, write_tracks, capsys):
    corpus = write_tracks(tmp_path / "corpus", ["One Song", "another"])
    trusted = write_tracks(tmp_path / "trusted", ["one_song", "r"], seed=1)
    test = write_tracks(tmp_path / "test", ["t", "R"], seed=2)

    def asked(reference: str, **more) -> None:
        request = Request(corpus, reference, str(tmp_path / "run"), preset="smallest", quiet=True, **more)
        dry_run.dry_run(request, lambda *_: SPEED)

    with pytest.raises(
        BadInput, match=r"--reference: shares 1 tracks with the corpus \(one_song, there spelt One Song\)"
    ):
        asked(trusted)
    asked(trusted, allow_twins=True)
    assert "names were compared, and nothing was listened to" in " ".join(capsys.readouterr().out.split())
    with pytest.raises(BadInput, match=r"--test: shares 1 tracks with the reference \(R, there spelt r\)"):
        asked(write_tracks(tmp_path / "other", ["r"], seed=1), test=test)


def test_each_place_is_read_from_the_split_folder_that_it_is_for(tmp_path, write_tracks):
    songs = str(tmp_path / "songs")
    write_tracks(tmp_path / "songs" / "train", ["a", "b", "c"])
    write_tracks(tmp_path / "songs" / "reference", ["d", "e"], seed=1)
    request = Request(songs, songs, str(tmp_path / "run"), preset="smallest", quiet=True)
    found = {row.stage: row for row in dry_run.dry_run(request, lambda *_: SPEED)}
    assert found["check"].read.tracks == 5


def test_what_only_a_scan_says_is_refused():
    with pytest.raises(BadInput, match="--dry-run"):
        dry_run.dry_run(Request("c", "r", "o", after="earlier"))


def test_the_command_asks_for_it(raysep, monkeypatch):
    seen: list[Request] = []
    monkeypatch.setattr(dry_run, "dry_run", seen.append)
    monkeypatch.setattr("raysep.pipeline.clean", None)
    assert raysep("clean", "C", "--reference", "R", "--out", "O", "--dry-run", "--until", "decide")[0] == 0
    assert (seen[0].corpus, seen[0].until) == ("C", "decide")
