from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import pytest

from raysep.corpus import outputs, storage
from raysep.errors import BadInput, OutputError, RunConflict, writing

PIECES = ["A/bass.wav", "A/drums.wav"]


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


# Trying


def test_trying_a_place_leaves_nothing_behind(tmp_path):
    assert outputs.try_file(str(tmp_path / "new" / "deep" / "t.csv"), suffixes=(".csv",)) == str(
        tmp_path / "new" / "deep" / "t.csv"
    )
    assert outputs.try_folder(str(tmp_path / "run"), needs_bytes=1) == str(tmp_path / "run")
    assert files_in(tmp_path) == []


def test_a_wrong_ending_a_folder_and_a_file_are_told_apart(tmp_path):
    (tmp_path / "f.csv").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match=r"^--csv .*t\.txt: must end in \.csv or \.parquet"):
        outputs.try_file(str(tmp_path / "t.txt"), "--csv", (".csv", ".parquet"))
    with pytest.raises(BadInput, match=r"f\.csv: is a folder; give a file"):
        outputs.try_file(str(tmp_path / "f.csv"))
    with pytest.raises(BadInput, match=r"^--out .*file: is a file; give a folder"):
        outputs.try_folder(str(tmp_path / "file"))


def test_a_place_below_a_file_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    for tried in (outputs.try_file, outputs.try_folder):
        with pytest.raises(OutputError, match=r"^--out .*file/x: cannot be written \(.*file is a file\)"):
            tried(str(tmp_path / "file" / "x"))


def test_a_place_that_may_not_be_written_is_named_with_the_reason():
    # /proc belongs to the kernel: not even root makes a file there.
    with pytest.raises(
        OutputError, match=r"^--out /proc/t\.csv: cannot be written \(.*\); check that it exists and may"
    ):
        outputs.try_file("/proc/t.csv")


def test_a_disk_without_room_is_told_before_any_work(tmp_path):
    with pytest.raises(OutputError, match=r"has room for .* GiB and about 1048576\.00 GiB will be written; make room"):
        outputs.try_folder(str(tmp_path / "out"), needs_bytes=1 << 50)


def test_what_is_there_is_replaced_only_by_its_maker_or_when_asked(tmp_path):
    place = tmp_path / "t.csv"
    place.write_text("")
    with pytest.raises(
        RunConflict, match=r"t\.csv: exists already, and may be what you wrote; choose another, or --overwrite"
    ):
        outputs.try_file(str(place), overwrite=False)
    assert outputs.try_file(str(place), overwrite=False, ours=lambda uri: uri == str(place)) == str(place)
    assert outputs.try_file(str(place), overwrite=True) == str(place)


def test_an_object_store_is_tried_by_writing(s3_server):
    import boto3

    boto3.client("s3").create_bucket(Bucket="outputs")
    assert outputs.try_file("s3://outputs/a/t.csv") == "s3://outputs/a/t.csv"
    assert storage.list_files("s3://outputs") == []
    with pytest.raises(OutputError, match=r"^--out s3://no-such-bucket-here/run: cannot be written"):
        outputs.try_folder("s3://no-such-bucket-here/run")


# Writing


def test_a_full_disk_is_told_of_the_output():
    with (
        pytest.raises(
            OutputError, match=r"^stems\.parquet: cannot be written \(No space left on device\); make room there"
        ),
        writing("stems.parquet"),
        open("/dev/full", "wb", buffering=0) as full,
    ):
        full.write(b"x")


def test_writing_where_none_may_names_the_place(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"^.*file/t: cannot be written"):
        storage.write_bytes(str(tmp_path / "file" / "t"), b"x")


def test_a_link_is_replaced_and_what_it_leads_to_stays(tmp_path):
    (tmp_path / "theirs").write_bytes(b"theirs")
    os.symlink(tmp_path / "theirs", tmp_path / "mine")
    storage.write_bytes(str(tmp_path / "mine"), b"new")
    storage.copy(str(tmp_path / "theirs"), str(tmp_path / "copy"))
    assert [(tmp_path / name).read_bytes() for name in ("theirs", "mine", "copy")] == [b"theirs", b"new", b"theirs"]
    assert not (tmp_path / "mine").is_symlink()
    assert files_in(tmp_path) == ["copy", "mine", "theirs"]


def test_a_copy_is_the_same_bytes_in_every_store(tmp_path, s3_server):
    import boto3

    boto3.client("s3").create_bucket(Bucket="copies")
    (tmp_path / "a").write_bytes(bytes(range(256)) * 99)
    places = [str(tmp_path / "a"), "s3://copies/x/b", "s3://copies/y/c", str(tmp_path / "d"), str(tmp_path / "e")]
    for source, target in pairwise(places):
        storage.copy(source, target)
    assert {storage.read_bytes(place) for place in places} == {bytes(range(256)) * 99}
    for missing in (str(tmp_path / "no"), "s3://copies/no"):
        for target in (str(tmp_path / "f"), "s3://copies/f"):
            with pytest.raises(FileNotFoundError):
                storage.copy(missing, target)


# Claiming


def test_a_folder_that_a_command_filled_may_be_filled_again_from_the_same(tmp_path):
    out = str(tmp_path)
    outputs.claim(out, "raysep synth a", {"seed": 1}, PIECES, overwrite=False)
    storage.write_bytes(f"{out}/A/bass.wav", b"")
    outputs.claim(out, "raysep synth a", {"seed": 1}, PIECES, overwrite=False)
    outputs.claim(out, "raysep synth b", {"seed": 1}, ["B/bass.wav"], overwrite=False)
    outputs.claim(out, "raysep synth a", {"seed": 1}, PIECES, overwrite=False)
    assert [info.base_name for info in storage.list_files(out)] == ["bass.wav"]  # the marker is no part of a corpus


def test_what_somebody_else_made_is_not_replaced(tmp_path):
    out = str(tmp_path)
    storage.write_bytes(f"{out}/A/bass.wav", b"theirs")
    with pytest.raises(
        RunConflict, match=r"holds A/bass\.wav, not made by raysep synth a; choose another folder, or --over"
    ):
        outputs.claim(out, "raysep synth a", {"seed": 1}, PIECES, overwrite=False)
    assert not (tmp_path / outputs.MARKER).exists()
    outputs.claim(out, "raysep synth a", {"seed": 1}, PIECES, overwrite=True)
    with pytest.raises(RunConflict, match=r"holds A/bass\.wav, made from seed 1 and not 2"):
        outputs.claim(out, "raysep synth a", {"seed": 2}, PIECES, overwrite=False)


def test_a_marker_that_is_none_vouches_for_nothing(tmp_path):
    storage.write_bytes(f"{tmp_path}/A/bass.wav", b"theirs")
    (tmp_path / outputs.MARKER).write_text("[]")
    with pytest.raises(RunConflict):
        outputs.claim(str(tmp_path), "x", {}, PIECES, overwrite=False)


def test_below_is_the_folder_or_in_it():
    assert outputs.below("/a/b", "/a")
    assert outputs.below("/a", "/a")
    assert not outputs.below("/ab", "/a")


def test_a_disk_that_fills_up_is_told_of_the_file_and_the_one_before_stays(tmp_path, file_limit):
    uri = str(tmp_path / "t.parquet")
    storage.write_bytes(uri, b"before")
    (tmp_path / "source").write_bytes(bytes(50_000))
    for write in (lambda: storage.write_bytes(uri, bytes(50_000)), lambda: storage.copy(str(tmp_path / "source"), uri)):
        with (
            file_limit(20_000),
            pytest.raises(OutputError, match=r"t\.parquet: cannot be written \(File too large\); make room"),
        ):
            write()
    assert (tmp_path / "t.parquet").read_bytes() == b"before"
    assert files_in(tmp_path) == ["source", "t.parquet"]


@pytest.mark.parametrize("kind", [outputs.try_file, outputs.try_folder])
def test_a_disk_that_is_full_is_told_before_any_work(tmp_path, file_limit, kind):
    with (
        file_limit(0),
        pytest.raises(OutputError, match=r"^--out .*out: cannot be written \(File too large\); make room"),
    ):
        kind(str(tmp_path / "out"))
    assert files_in(tmp_path) == []


def test_a_full_disk_leaves_no_empty_file_that_would_seem_to_be_somebodys(tmp_path, file_limit):
    uri = str(tmp_path / "run" / ".lease.json")
    with file_limit(0), pytest.raises(OutputError, match="File too large"):
        storage.create(uri, b"mine")
    assert not Path(uri).exists()
    assert storage.create(uri, b"mine")
