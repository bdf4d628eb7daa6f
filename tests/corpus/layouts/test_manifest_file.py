from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile

from raysep.corpus import manifest
from raysep.corpus.layouts import stems_of
from raysep.errors import BadInput


@pytest.fixture
def folder(tmp_path, write_tracks) -> str:
    return write_tracks(tmp_path / "tracks", ["A", "B"], seconds=0.2)


@pytest.fixture
def listed(folder, tmp_path):
    """listed(stems): a manifest of them (of the folder's, when none are given)."""

    def write(stems=None) -> str:
        path = str(tmp_path / "m.parquet")
        manifest.write(path, stems_of(folder).stems if stems is None else stems)
        return path

    return write


@pytest.mark.parametrize("on_problem", ["raise", "keep", "collect"])
def test_a_manifest_gives_what_was_scanned(folder, listed, on_problem):
    assert stems_of(listed(), on_problem=on_problem) == stems_of(folder)


def test_it_names_its_labels_and_keeps_its_split(folder, listed):
    path = listed([replace(s, split="valid") for s in stems_of(folder).stems])
    assert {s.split for s in stems_of(path, split="test").stems} == {"valid"}
    assert len(stems_of(path, usual=("vocals", "rest"), on_problem="keep").stems) == 8
    assert [s.stem_id for s in stems_of(path, ("bass",)).stems] == ["A/bass", "B/bass"]
    assert stems_of(path, ("piano",), on_problem="keep").stems == []


def test_files_are_looked_at_only_when_nothing_may_be_wrong(folder, listed):
    path = listed()
    Path(folder, "A", "bass.wav").unlink()
    Path(folder, "A", "drums.wav").write_bytes(b"no audio")
    Path(folder, "A", "vocals.wav").write_bytes(
        Path(folder, "A", "vocals.wav").read_bytes().replace(b"\x40\x1f", b"\x80\x3e", 1)
    )
    for on_problem in ("keep", "collect"):
        assert len(stems_of(path, on_problem=on_problem).stems) == 8
    with pytest.raises(BadInput) as caught:
        stems_of(path)
    told = str(caught.value).splitlines()
    assert told[0] == f"{path}: 3 problems"
    assert "A/bass.wav: cannot be read" in told[1]
    assert "A/drums.wav: not audio" in told[2]
    assert "A/vocals.wav: is not what the manifest says; the file changed since the scan" in told[3]


def test_tracks_may_lack_stems_and_have_two_of_a_label_unless_nothing_may_be_wrong(folder, listed):
    stems = stems_of(folder).stems
    assert len(stems_of(listed(stems[1:])).stems) == 7
    path = listed([replace(s, stem="bass") if s.stem_id == "A/drums" else s for s in stems])
    assert len(stems_of(path, on_problem="keep").stems) == 8
    with pytest.raises(BadInput, match=r"m\.parquet: 2 stems are 'bass' of A; keep one"):
        stems_of(path)


def test_lengths_must_agree_within_a_track_when_nothing_may_be_wrong(folder, listed, write_tracks, tmp_path):
    other = stems_of(write_tracks(tmp_path / "other", ["A"], seconds=0.4)).stems[0]
    path = listed([other, *stems_of(folder).stems[1:]])
    with pytest.raises(BadInput, match=r"1600 samples, and the track's bass has 3200, which is 0\.2 s more"):
        stems_of(path)


def test_a_manifest_of_before_has_fewer_columns(folder, listed):
    from raysep.corpus import storage

    path = listed()
    table = storage.read_table(path)
    pq.write_table(table.drop_columns(list(manifest.LATER)), path)
    assert stems_of(path).stems == stems_of(folder).stems


def test_what_a_scan_padded_summed_and_gave_up_is_in_the_manifest(folder, listed):
    audio, rate = soundfile.read(f"{folder}/A/bass.wav")
    soundfile.write(f"{folder}/A/bass.wav", audio[:-100], rate)
    audio, rate = soundfile.read(f"{folder}/B/bass.wav")
    soundfile.write(f"{folder}/B/bass.wav", np.concatenate([audio, audio]), rate)
    found = stems_of(folder, on_problem="keep", usual=("vocals", "other"), sums={"other": ("bass", "drums", "other")})
    again = stems_of(listed(found.stems), on_problem="keep")
    assert again.stems == found.stems
    assert [(s.stem_id, len(s.parts), bool(s.problem)) for s in again.stems] == [
        ("A/other", 3, False),
        ("A/vocals", 0, False),
        ("B/other", 3, True),
        ("B/vocals", 0, True),
    ]


def test_rows_are_summed_as_the_labels_say(folder, listed):
    sums = {"rest": ("bass", "drums", "other")}
    here = stems_of(folder, ("vocals", "rest"), sums=sums).stems
    assert sorted(stems_of(listed(), ("vocals", "rest"), sums=sums).stems) == here
    Path(folder, "A", "drums.wav").unlink()
    with pytest.raises(BadInput, match=r"A/drums\.wav: cannot be read"):
        stems_of(listed(here))


def test_a_row_that_could_not_be_read_is_tried_again(folder, listed):
    broken = replace(stems_of(folder).stems[0], sample_rate=0, channels=0, frames=0)
    with pytest.raises(BadInput, match="the file changed since the scan: scan again"):
        stems_of(listed([broken, *stems_of(folder).stems[1:]]))


def test_no_manifest(tmp_path):
    with pytest.raises(BadInput, match=r"none\.parquet: no such manifest; make one with `raysep scan"):
        stems_of(str(tmp_path / "none.parquet"))
    (tmp_path / "x.parquet").write_bytes(b"rubbish")
    with pytest.raises(BadInput, match=r"x\.parquet: not a manifest"):
        stems_of(str(tmp_path / "x.parquet"))


def test_a_manifest_in_the_object_store(folder, bucket):
    manifest.write(f"{bucket}/m.parquet", stems_of(folder).stems)
    assert stems_of(f"{bucket}/m.parquet").stems == stems_of(folder).stems


@pytest.mark.parametrize("on_problem", ["raise", "keep", "collect"])
def test_a_manifest_of_files_that_all_were_moved_is_told_as_such(folder, listed, on_problem):
    path = listed()
    (Path(folder) / "A").rename(Path(folder) / "C")
    assert on_problem == "raise" or len(stems_of(path, on_problem=on_problem).stems) == 8  # some are there
    Path(folder).rename(f"{folder}-moved")
    with pytest.raises(
        BadInput, match=r"none of its 8 stems' files is there, first .*; if they were moved, make the manifest"
    ):
        stems_of(path, on_problem=on_problem)
