"""The same command again: after a kill, on files put right, left out, added or moved."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from raysep.commands.fad.fad import fad
from raysep.commands.fad.inputs import read_comparison
from raysep.corpus import storage
from raysep.errors import BadInput, FinishedWithFailures, RunConflict
from raysep.rundir import Run
from tests.commands.fad.runs import LABELS, NAMES, RATE, fresh, left_by, move, rows_of, shards_of


def test_a_killed_run_goes_on(finished, alone, tmp_path):
    request = replace(finished[0], out=shutil.copytree(finished[0].out, str(tmp_path / "out")))
    kept = {name: Path(request.out, name).read_bytes() for name in ("fad.csv", "fad.parquet", "reference.fadref")}
    told = Run(request.out).read_json("fad.json")
    fad(request)
    assert alone == []  # nothing to do
    (b,), (c,) = shards_of("B"), shards_of("C")
    for name in ("reference/00001.json", f"embed/{c:05d}.json", f"score/{b:05d}.json", "sets/00000.json"):
        Path(request.out, "done", name).unlink()
    for name in ("fad.json", "fad.csv", "fad.parquet", "reference.fadref"):
        Path(request.out, name).unlink()
    fad(request)
    assert alone == [[c], [1], [b], [0]]
    assert {name: Path(request.out, name).read_bytes() for name in kept} == kept
    assert Run(request.out).read_json("fad.json") == told


def test_a_stem_that_cannot_be_read_is_a_row_and_exit_code_3_and_is_tried_again(request_of, alone, tmp_path):
    file = tmp_path / "corpus" / "B" / "bass.wav"
    file.write_bytes(file.read_bytes()[:20000])  # the header promises more than there is
    (tmp_path / "corpus" / "C" / "bass.wav").write_bytes(b"no audio")
    soundfile.write(tmp_path / "corpus" / "C" / "drums.wav", np.zeros(4 * RATE), RATE)
    request = request_of()
    with pytest.raises(FinishedWithFailures, match=r"2 stems failed, first B/bass \(.*bass\.wav") as caught:
        fad(request)
    assert caught.value.exit_code == 3
    outcomes = {key: row["outcome"] for key, row in rows_of(request).items()}
    assert [outcomes[key] for key in (("A", "bass"), ("B", "bass"), ("C", "bass"), ("C", "drums"))] == [
        "scored", "failed", "failed", "silent",
    ]  # fmt: skip
    assert len(outcomes) == 6
    found = Run(request.out).read_json("fad.json")["labels"]["bass"]
    assert (found["rows"], found["scored"], found["silent"], found["failed"]) == (3, 1, 0, 2)
    alone.clear()
    with pytest.raises(FinishedWithFailures):
        fad(request)
    assert alone == [shards_of("B", "C"), [], shards_of("B", "C"), [0]]


@pytest.mark.slow
def test_a_mended_file_is_heard_and_what_was_made_of_the_others_stays(request_of, alone, tmp_path):
    file = tmp_path / "corpus" / "B" / "bass.wav"
    whole = file.read_bytes()
    file.write_bytes(whole[:20000])
    (tmp_path / "corpus" / "C" / "bass.wav").write_bytes(b"no audio")
    request = request_of()
    with pytest.raises(FinishedWithFailures, match="2 stems failed"):
        fad(request)
    file.write_bytes(whole)
    alone.clear()
    with pytest.raises(FinishedWithFailures, match="1 stems failed, first C/bass"):
        fad(request)
    assert alone == [shards_of("B", "C"), [], shards_of("B", "C"), [0]]
    shutil.copy(
        file, tmp_path / "corpus" / "C" / "bass.wav"
    )  # its turn comes later, and it is another file than before
    alone.clear()
    fad(request)
    assert alone == [shards_of("C"), [], shards_of("C"), [0]]
    record = Run(request.out).read_json("fad.json")
    assert record["digests"] == Run(request.out).read_json("run.json")["digests"]
    assert record["digests"] == read_comparison(request.corpus, request.reference, request.labels).digests
    assert left_by(request) == fresh(request)


@pytest.mark.slow
def test_a_broken_track_may_be_left_out(request_of, alone, tmp_path):
    (tmp_path / "corpus" / "B" / "bass.wav").write_bytes(b"no audio")
    request = request_of()
    with pytest.raises(FinishedWithFailures):
        fad(request)
    shutil.rmtree(tmp_path / "corpus" / "B")
    alone.clear()
    fad(request)
    assert alone == [[], [], [], [0, 1]]
    assert left_by(request) == fresh(request)


@pytest.mark.parametrize("how", ["put right", "left out", "others added"])
def test_a_reference_that_cannot_be_used_can_be_put_right_without_embedding_the_rest_again(
    request_of, alone, tmp_path, how
):
    clean = tmp_path / "clean"
    whole = (clean / "R4" / "bass.wav").read_bytes()
    (clean / "R4" / "bass.wav").write_bytes(whole[:20000])
    request = request_of()
    with pytest.raises(BadInput, match="put them right or leave them out"):
        fad(request)
    alone.clear()
    if how == "put right":
        (clean / "R4" / "bass.wav").write_bytes(whole)
    else:
        shutil.rmtree(clean / "R4")
    if how == "others added":
        shutil.copytree(tmp_path / "corpus" / "C", clean / "R6")
    fad(request)
    again = {"put right": ["R4"], "left out": [], "others added": ["R6"]}[how]
    assert alone == [shards_of(*again), [0, 1], shards_of(*NAMES), [0, 1]]
    assert left_by(request) == fresh(request)


@pytest.mark.slow
def test_a_file_that_could_not_be_opened_for_a_moment(request_of, alone, tmp_path):
    """Its header was not read, so its row of the manifest says nothing of its content."""
    request, file = request_of(), tmp_path / "corpus" / "B" / "bass.wav"

    def unreadable() -> None:
        open_whole = storage.open_whole

        def refuse(uri: str):
            if uri == str(file):
                raise OSError("timed out")
            return open_whole(uri)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(storage, "open_whole", refuse)
            fad(request)

    with pytest.raises(FinishedWithFailures, match=r"first B/bass .*could not be read when the corpus was scanned"):
        unreadable()
    alone.clear()
    fad(request)
    assert alone == [shards_of("B"), [], shards_of("B"), [0]]
    assert left_by(request) == fresh(request)
    alone.clear()
    unreadable()  # and once it has been compared
    assert alone == []


def test_files_that_were_used_may_not_change(request_of, alone, tmp_path):
    (tmp_path / "corpus" / "B" / "bass.wav").write_bytes(b"no audio")
    request = request_of()
    with pytest.raises(FinishedWithFailures):
        fad(request)
    shutil.copy(tmp_path / "corpus" / "A" / "bass.wav", tmp_path / "corpus" / "C" / "bass.wav")
    with pytest.raises(RunConflict, match=r"1 files that it was made of have changed.*first corpus/C/bass"):
        fad(request)
    with pytest.raises(RunConflict, match="another configuration"):
        fad(replace(request, seed=1))
    shutil.copytree(tmp_path / "corpus" / "A", tmp_path / "corpus" / "D")
    with pytest.raises(RunConflict, match="3 files that it was made of"):
        fad(request)


def test_a_run_goes_on_when_corpus_and_reference_were_moved(request_of, alone, tmp_path):
    (tmp_path / "corpus" / "B" / "bass.wav").write_bytes(b"no audio")
    request = request_of()
    with pytest.raises(FinishedWithFailures):
        fad(request)
    shutil.rmtree(Path(request.out, "done", "reference"))
    moved = request_of(
        corpus=move(request.corpus, tmp_path / "corpus-2"), reference=move(request.reference, tmp_path / "clean-2")
    )
    alone.clear()
    with pytest.raises(FinishedWithFailures):
        fad(moved)
    assert alone == [shards_of("B"), [0, 1], shards_of("B"), [0]]
    assert {row["uri"] for row in rows_of(moved).values()} == {
        f"{moved.corpus}/{track}/{label}.wav" for track in NAMES for label in LABELS
    }
    record = Run(moved.out).read_json("fad.json")
    assert (record["corpus"], record["reference"]) == (moved.corpus, moved.reference)
    assert {row["outcome"] for key, row in rows_of(moved).items() if key != ("B", "bass")} == {"scored"}


def test_a_finished_run_says_where_its_files_are_now(request_of, alone, tmp_path):
    request = request_of()
    fad(request)
    shutil.rmtree(Path(request.out, "frames"))  # which the page allows
    moved = request_of(corpus=move(request.corpus, tmp_path / "elsewhere"))
    alone.clear()
    fad(moved)
    assert alone == []
    assert rows_of(moved)["A", "bass"]["uri"] == f"{moved.corpus}/A/bass.wav"
    assert left_by(moved) == fresh(moved)


@pytest.mark.slow
def test_one_corpus_moved_away_from_its_twin(request_of, alone, tmp_path):
    """Files that were corpus and reference at once are two files afterwards."""
    request = request_of(corpus=request_of().reference)
    fad(request)
    shutil.copytree(request.corpus, tmp_path / "copy")
    apart = replace(request, corpus=str(tmp_path / "copy"))
    fad(apart)
    assert left_by(apart) == fresh(apart)
