"""Two hundred files, thirty damaged in as many ways, in nine formats: each ends in a named class, and none as something else."""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from raysep import pipeline
from raysep.audio.files import decode
from raysep.audio.levels import is_audible
from raysep.commands.check.check import CheckRequest, check
from raysep.corpus.layouts import stems_of
from raysep.corpus.manifest import Stem
from raysep.corpus.reading import read_stem
from raysep.errors import AudioError, FinishedWithFailures
from raysep.rundir import Run

sys.path.insert(0, str(Path(__file__).parents[1]))  # the same helper module under any import mode of pytest

import damages
from damages import DAMAGES, FAILED, LABELS, RATE, SCORED, SILENT, TRACKS, File


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> tuple[Path, list[File]]:
    folder = tmp_path_factory.mktemp("damaged")
    return folder, damages.write(folder)


@pytest.fixture(scope="module")
def in_tracks(corpus) -> dict[str, tuple[str, str]]:
    """stem_id → (outcome, words of its message), as a stem of its track."""
    _, files = corpus
    of_track = {file.track: file.damage for file in files if file.damage}
    return {file.stem_id: file.in_track(of_track.get(file.track)) for file in files}


def refuse_others(found: dict[str, tuple[str, str]], expected: dict[str, tuple[str, str]]) -> None:
    """Each in the class, and for the reason, that is expected of it."""
    assert found.keys() == expected.keys()
    wrong = {
        name: (found[name], wanted)
        for name, wanted in expected.items()
        if found[name][0] != wanted[0] or not re.search(wanted[1], found[name][1])
    }
    assert wrong == {}


def test_there_are_thirty_damages_in_two_hundred_files_of_nine_formats(corpus):
    _, files = corpus
    assert len(DAMAGES) == len({(d.name, d.extension) for d in DAMAGES}) == 30
    assert len(files) == 200 == TRACKS * len(LABELS)
    assert len({file.path.suffix for file in files}) == 9 == len({d.extension for d in DAMAGES})


def outcome_of(stem: Stem) -> tuple[str, str]:
    try:
        audio = read_stem(stem, RATE, 1)
    except AudioError as error:
        return FAILED, str(error)
    return SCORED if is_audible(audio) else SILENT, ""


def test_every_stem_is_scored_or_silent_or_fails_for_its_own_reason(corpus, in_tracks):
    stems = stems_of(str(corpus[0]), on_problem="keep").stems
    found = {stem.stem_id: outcome_of(stem) for stem in stems}
    assert len(stems) == len(found) == 200
    refuse_others(found, in_tracks)


def test_none_is_read_as_something_else(corpus, in_tracks):
    """What is scored are the whole file's samples, but for silence that the scan adds, and says."""
    stems = {stem.stem_id: stem for stem in stems_of(str(corpus[0]), on_problem="keep").stems}
    for file in corpus[1]:
        if in_tracks[file.stem_id][0] == SCORED:
            stem = stems[file.stem_id]
            audio, whole, held = read_stem(stem, RATE, 1), decode(file.whole, ""), stem.frames - stem.padding
            assert audio.shape == whole.shape
            assert np.array_equal(audio[:, :held], whole[:, :held])
            assert not audio[:, held:].any()
            assert bool(stem.padding) == (file.damage is not None and file.damage.name == "a few samples less")


def test_a_check_names_the_class_of_each(corpus, tmp_path, alone):
    with pytest.raises(FinishedWithFailures):
        check(CheckRequest(str(corpus[0]), str(tmp_path / "out"), sound=False, quiet=True))
    run = Run(str(tmp_path / "out"))
    rows = run.read_table("stems.parquet").to_pylist()
    found = {f"{row['track']}/{row['stem']}": (row["outcome"], row["message"]) for row in rows}
    refuse_others(found, {file.stem_id: file.alone() for file in corpus[1]})
    count = Counter(outcome for outcome, _ in found.values())
    assert len(rows) == len(found) == 200 == count[SCORED] + count[SILENT] + count[FAILED]
    told = {(row["track"], row["stem"]) for row in run.read_table("check.parquet").to_pylist()}
    for file in corpus[1]:
        if file.damage and (file.damage.outcome != SCORED or file.damage.uneven):
            assert told & {(file.track, label) for label in LABELS}, file.damage


@pytest.mark.train
@pytest.mark.long
def test_a_run_scores_what_is_whole_and_counts_the_rest(corpus, in_tracks, request_for, ray_runtime, tmp_path):
    request = request_for(tmp_path / "run", corpus=str(corpus[0]), test=None)
    lost = [name for name, (outcome, _) in in_tracks.items() if outcome == FAILED]
    with pytest.raises(FinishedWithFailures, match=f"{len(lost)} stems failed"):
        pipeline.score(request)
    run = Run(request.out)
    failed = {row["stem_id"]: row["message"] for row in run.read_table("failed.parquet").to_pylist()}
    rows = [row for row in run.read_table("stems.parquet").to_pylist() if row["role"] == "corpus"]
    refuse_others({row["stem_id"]: (row["outcome"], failed.get(row["stem_id"], "")) for row in rows}, in_tracks)
    assert failed.keys() == set(lost)
    told = run.read_json("run.json")["stages"]["score"]
    assert told["stems"] == told[SCORED] + told[SILENT] + told[FAILED]
