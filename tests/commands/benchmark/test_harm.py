"""`raysep benchmark harm` on a corpus of noise: what is trained, what a killed one does again, and the command line."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from raysep.commands.benchmark import harm as stage
from raysep.commands.benchmark.harm import HarmRequest, cells, number_of
from raysep.corpus.faults import KINDS, SEVERITIES
from raysep.corpus.harm import table_of
from raysep.corpus.layouts import LABELS
from raysep.errors import BadInput, RunConflict
from raysep.rundir import Run

TRACKS = [f"song-{k}" for k in range(4)]
SMALL = {"network": {"hidden": 4, "layers": 1}, "training": {"segment_seconds": 0.5, "batch": 2}}


@pytest.fixture(scope="module")
def bench(tmp_path_factory, write_tracks) -> Path:
    """Noise for songs. To be read only."""
    folder = tmp_path_factory.mktemp("harm") / "bench"
    write_tracks(folder / "clean", TRACKS)
    write_tracks(folder / "test", ["test-0", "test-1"])
    return folder


@pytest.fixture(scope="module")
def finished(bench, run_alone) -> HarmRequest:
    """What was asked of a run that is finished. To be read only."""
    request = HarmRequest(
        bench=str(bench),
        out=str(bench.parent / "out"),
        kinds=("swap", "noise"),
        severities=("mild",),
        steps=2,
        quiet=True,
        overrides=SMALL,
    )
    with pytest.MonkeyPatch.context() as patch:
        run_alone(patch)
        stage.harm(request)
    return request


@pytest.fixture
def copied(finished, tmp_path) -> HarmRequest:
    """The same request, of a copy of the finished run."""
    return replace(finished, out=str(shutil.copytree(finished.out, tmp_path / "out")))


# What is measured


def test_all_faults_unless_some_are_named_and_those_of_one_strength_once():
    assert len(cells((), ())) == 2 + 8 * 3
    assert cells(("noise", "swap"), ("strong", "mild")) == [("swap", "strong"), ("noise", "mild"), ("noise", "strong")]
    assert cells(("merge",), ("mild",)) == [("merge", "strong")]
    with pytest.raises(BadInput, match="kind 'hum': choose from"):
        cells(("hum",), ())
    with pytest.raises(BadInput, match="severity 'loud': choose from"):
        cells((), ("loud",))


def test_every_training_has_a_number_of_its_own():
    everything = [("clean", ""), *((kind, severity) for kind in KINDS for severity in SEVERITIES)]
    numbers = [number_of(cell, seed) for seed in range(3) for cell in everything]
    assert numbers == list(range(len(numbers)))


def test_every_fault_seed_song_and_stem_has_its_figure(finished):
    run = Run(finished.out)
    rows = run.read_table("results.parquet").to_pylist()
    keys = {(row["kind"], row["severity"], row["seed"], row["track"], row["stem"]) for row in rows}
    faults = [("clean", ""), ("swap", "strong"), ("noise", "mild")]
    assert keys == {(*f, seed, t, k) for f in faults for seed in (0, 1) for t in ("test-0", "test-1") for k in LABELS}
    assert len(rows) == len(keys)
    assert all(np.isfinite(row["sdr"]) for row in rows)


def test_harm_is_clean_minus_contaminated_and_stored_as_raysep_reads_it(finished):
    run = Run(finished.out)
    rows = run.read_table("results.parquet").to_pylist()
    table = table_of(json.loads(Path(finished.out, "harm.json").read_text(), parse_constant=pytest.fail))
    assert [row["db"] for row in run.read_table("harm.parquet").to_pylist()] == [row.db for row in table.rows]
    for measured in table.rows:
        means = [np.mean([row["sdr"] for row in rows if row["kind"] == kind]) for kind in ("clean", measured.kind)]
        assert measured.db == pytest.approx(means[0] - means[1])
        assert measured.low <= measured.db <= measured.high
        assert (measured.seeds, measured.songs, measured.steps, measured.share) == (2, 4, 2, 0.4)
        assert table.weight(measured.kind, measured.severity) == max(0.0, measured.db)
    assert "--kind swap --kind noise --severity mild" in table.command
    text = Path(finished.out, "harm.md").read_text()
    assert table.command in text
    assert "| swap | strong |" in text


# Resumption


def test_a_killed_run_does_what_is_missing_and_ends_the_same(copied, alone):
    run = Run(copied.out)
    whole = run.read_table("results.parquet")
    lost = number_of(("noise", "mild"), 1)
    Path(copied.out, "done", "results", f"{lost:05d}.json").unlink()
    Path(copied.out, "results.parquet").unlink()
    stage.harm(copied)
    assert alone == [[lost]]
    assert run.read_table("results.parquet").equals(whole)


def test_kinds_and_seeds_are_added_to_those_that_are_there(copied, alone):
    before = Run(copied.out).read_table("results.parquet").to_pylist()
    stage.harm(replace(copied, kinds=("swap", "noise", "clip"), seeds=3))
    assert alone == [
        sorted(
            [number_of(("clip", "mild"), seed) for seed in range(3)]
            + [number_of(cell, 2) for cell in (("clean", ""), ("swap", "strong"), ("noise", "mild"))]
        )
    ]
    after = Run(copied.out).read_table("results.parquet").to_pylist()
    assert [row for row in after if row["seed"] < 2 and row["kind"] != "clip"] == before
    with pytest.raises(RunConflict, match="another configuration"):
        stage.harm(replace(copied, share=0.2))


def test_a_failed_training_is_counted_and_named(copied, bench, tmp_path, alone):
    folder = shutil.copytree(bench, tmp_path / "bench")
    file = folder / "clean" / "song-0" / "drums.wav"
    request = replace(copied, bench=str(folder), out=str(tmp_path / "broken"))
    read = stage.read_songs

    def then_break(bench):
        found = read(bench)
        file.write_bytes(file.read_bytes()[:2000])
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage, "read_songs", then_break)
        with pytest.raises(stage.RaysepError, match=r"6 of 6 trainings failed, first .*drums"):
            stage.harm(request)


# What is refused, and the command line


def test_a_folder_without_clean_songs_is_named(tmp_path):
    with pytest.raises(BadInput, match=r"holds no clean/; make one with `raysep benchmark corpus"):
        stage.harm(HarmRequest(str(tmp_path), str(tmp_path / "out")))


def test_a_share_that_a_fault_cannot_reach_is_refused_before_anything_is_trained(bench, tmp_path, alone, monkeypatch):
    monkeypatch.setattr(stage, "plan", lambda *arguments: (_ for _ in ()).throw(BadInput("share 0.4: too much")))
    with pytest.raises(BadInput, match="too much"):
        stage.harm(HarmRequest(str(bench), str(tmp_path / "out")))
    assert alone == []
    assert not (tmp_path / "out").exists()


def test_the_command_prints_the_table_with_its_gate(raysep, finished, copied, alone):
    options = ["--kind", "swap", "--kind", "noise", "--severity", "mild", "--steps", "2"]
    settings = [f"--set={section}.{key}={value}" for section, each in SMALL.items() for key, value in each.items()]
    code, shown, error = raysep("benchmark", "harm", finished.bench, "--out", copied.out, *options, *settings)
    assert code == 0, error
    assert alone == [[]]
    for words in (
        "dB below clean",
        "swap",
        "strong",
        "noise",
        "mild",
        "gate",
        "4 training songs, 2 test songs, 2 trainings",
    ):
        assert words in shown
