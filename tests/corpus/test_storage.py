from __future__ import annotations

import os
from pathlib import Path

import pytest

from raysep.corpus import storage
from raysep.errors import BadInput, OutputError


@pytest.fixture(params=["local", "s3"])
def root(request, tmp_path):
    return str(tmp_path) if request.param == "local" else request.getfixturevalue("bucket")


def test_bytes_come_back_and_are_replaced(root):
    uri = storage.join(root, "a/b", "c d é.bin")
    assert not storage.exists(uri)
    storage.write_bytes(uri, b"first")
    storage.write_bytes(uri, b"second")
    assert storage.read_bytes(uri) == b"second"
    assert storage.exists(uri)
    storage.delete(uri)
    assert not storage.exists(uri)
    storage.delete(uri)  # a second time does no harm


def test_a_missing_file_is_named(root):
    with pytest.raises(FileNotFoundError, match=r"nothing\.bin: no such file"):
        storage.read_bytes(f"{root}/nothing.bin")


def test_a_folder_exists_once_something_is_in_it(root):
    assert not storage.exists(f"{root}/folder")
    storage.write_bytes(f"{root}/folder/file", b"x")
    assert storage.exists(f"{root}/folder")


def test_listing_is_sorted_and_leaves_hidden_files_and_folders_out(root):
    for name in ("b/2.wav", "b/1.wav", "a/x/y.wav", ".hidden/z.wav", "a/.part", "top.txt"):
        storage.write_bytes(f"{root}/data/{name}", b"12345")
    found = storage.list_files(f"{root}/data")
    assert [storage.uri_of(root, f) for f in found] == [
        f"{root}/data/{name}" for name in ("a/x/y.wav", "b/1.wav", "b/2.wav", "top.txt")
    ]
    assert {f.size for f in found} == {5}
    assert storage.list_files(f"{root}/absent") == []
    assert len(storage.list_files(f"{root}/data", recursive=False)) == 1


def test_ranges_are_read_in_any_order(root):
    storage.write_bytes(f"{root}/range", bytes(range(200)))
    with storage.open_random(f"{root}/range") as stream:
        stream.seek(150)
        assert stream.read(3) == bytes([150, 151, 152])
        stream.seek(1)
        assert stream.read(2) == bytes([1, 2])


def test_an_empty_file_is_a_file(root):
    storage.write_bytes(f"{root}/empty", b"")
    assert storage.exists(f"{root}/empty")
    assert storage.read_bytes(f"{root}/empty") == b""


def test_a_failed_local_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    uri = str(tmp_path / "file")
    storage.write_bytes(uri, b"old")

    def full(_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="disk full"):
        storage.write_bytes(uri, b"new")
    assert storage.read_bytes(uri) == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_a_hidden_folder_above_the_listed_one_hides_nothing(tmp_path):
    folder = tmp_path / ".cache" / "corpus"
    storage.write_bytes(str(folder / "a.wav"), b"x")
    assert len(storage.list_files(str(folder))) == 1  # only what is hidden below the listed folder is left out


def test_local_names_are_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert storage.absolute("x/../y") == str(Path(tmp_path).resolve() / "y")
    assert storage.absolute(f"file://{tmp_path}/y") == str(Path(tmp_path).resolve() / "y")
    assert storage.absolute("s3://bucket/y/") == "s3://bucket/y"


def test_remote_is_what_has_another_scheme():
    assert storage.is_remote("s3://bucket/key")
    assert not storage.is_remote("/a/b")
    assert not storage.is_remote("file:///a/b")


def test_an_unknown_scheme_is_refused_by_name():
    with pytest.raises(BadInput, match=r"ftp://bucket/x.*s3://bucket/key"):
        storage.read_bytes("ftp://bucket/x")


def test_join():
    assert storage.join("s3://b/", "/x/", "y") == "s3://b/x/y"
    assert storage.join("/a", "b") == "/a/b"


def test_digest_is_sha256():
    assert storage.digest(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_a_whole_file_of_a_store_is_one_request_wherever_it_is_held(bucket, asked, monkeypatch):
    data = bytes(range(256)) * 8000
    storage.write_bytes(f"{bucket}/x", data)
    for held in (1 << 22, 1 << 10):  # in memory, and in a file
        monkeypatch.setattr(storage, "HELD_BYTES", held)
        asked.clear()
        with storage.open_whole(f"{bucket}/x") as stream:
            assert stream.read() == data
            assert stream.seek(-5, 2) == len(data) - 5
            assert stream.read() == data[-5:]
        assert asked == [f"{bucket}/x"]
    with pytest.raises(FileNotFoundError, match=f"{bucket}/nothing"):
        storage.open_whole(f"{bucket}/nothing")


def test_a_disk_without_room_for_what_came_is_told_as_such(bucket, file_limit, monkeypatch):
    storage.write_bytes(f"{bucket}/x", bytes(3 << 20))
    monkeypatch.setattr(storage, "HELD_BYTES", 1 << 10)
    with file_limit(1 << 20), pytest.raises(OutputError, match=r"cannot be written \(File too large\)"):
        storage.open_whole(f"{bucket}/x")


@pytest.mark.parametrize(
    ("uris", "above"),
    [
        (["/a/b/c", "/a/b/d/e"], "/a/b"),
        (["s3://x/a//b/c", "s3://x/a//bb/c"], "s3://x/a/"),
        (["s3://x/a", "s3://x/b"], "s3://x"),
        (["/a/b", "s3://x/b"], ""),
        ([], ""),
    ],
)
def test_the_folder_above_all(uris, above):
    assert storage.folder_above(uris) == above


@pytest.mark.parametrize("where", ["folder", "store"])
def test_a_file_is_made_where_there_is_none(where, tmp_path, bucket):
    root = str(tmp_path) if where == "folder" else bucket
    assert storage.create(f"{root}/a/b", b"first")
    assert not storage.create(f"{root}/a/b", b"second")
    assert storage.read_bytes(f"{root}/a/b") == b"first"


def test_a_store_that_cannot_make_a_file_where_there_is_none_looks_first(bucket, monkeypatch):
    from botocore.exceptions import ClientError

    from raysep.corpus.stores import s3

    real = s3.client()

    class Older:
        def __getattr__(self, name):
            return getattr(real, name)

        def put_object(self, **arguments):
            if "IfNoneMatch" in arguments:
                answer = {"Error": {"Code": "NotImplemented"}, "ResponseMetadata": {"HTTPStatusCode": 501}}
                raise ClientError(answer, "PutObject")
            return real.put_object(**arguments)

    monkeypatch.setattr(s3, "client", Older)
    assert storage.create(f"{bucket}/a", b"first")
    assert not storage.create(f"{bucket}/a", b"second")
    assert storage.read_bytes(f"{bucket}/a") == b"first"


@pytest.mark.parametrize("uri", ["s3://", "s3:", "s3:/bucket/x", "gs://", "abfs:///"])
def test_an_address_without_a_bucket_is_no_folder_of_that_name(uri):
    with pytest.raises(BadInput, match=f"^{uri}: an address without a bucket; write s3://bucket/key"):
        storage.absolute(uri)


def test_a_locale_that_reads_names_as_others_is_told(monkeypatch):
    monkeypatch.setattr(storage.sys, "getfilesystemencoding", lambda: "iso8859-1")
    with pytest.raises(BadInput, match=r"^/data/Für: Python reads names of files as iso8859-1 here.*PYTHONUTF8=1"):
        storage.absolute("/data/Für")
    assert storage.absolute("s3://bucket/Für") == "s3://bucket/Für"


def test_a_pipe_is_no_file_and_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "p.wav")
    for read in (storage.read_bytes, storage.open_random, storage.open_whole):
        with pytest.raises(OSError, match="a pipe, a socket or a device"):
            read(str(tmp_path / "p.wav"))


@pytest.mark.parametrize(
    ("folder", "path", "found"),
    [
        ("/music", "./a//b/../c.wav", "/music/a/c.wav"),
        ("/music", "/x/./y.wav", "/x/y.wav"),
        ("/music", "file:///x/y.wav", "/x/y.wav"),
        ("/music", "a/..b/c...wav", "/music/a/..b/c...wav"),
        ("s3://b//lists", "./a/../c.wav", "s3://b//lists/c.wav"),  # a key may have nothing between two slashes
        ("s3://b/lists", "../../../c.wav", "s3://b/c.wav"),
        ("/music", "s3://b/a/./b.wav", "s3://b/a/./b.wav"),  # the store's own word
    ],
)
def test_a_path_beside_a_file_is_one_however_it_is_written(folder, path, found):
    assert storage.beside(folder, path) == found


@pytest.mark.parametrize("path", ["", " ", "~nobody-of-this-name/x", "/tmp/\0x"])
def test_what_is_no_path_is_refused_and_not_taken_for_the_working_directory(path):
    with pytest.raises(BadInput, match=r"no path; give one|cannot be found"):
        storage.absolute(path)
