"""What reaches bytes goes on through a store that fails, and says in one way when it does not."""

from __future__ import annotations

import os
import pickle
import sys
import time
import unicodedata
from pathlib import Path

import pyarrow.fs as fs
import pytest

from raysep.audio import files
from raysep.corpus import storage
from raysep.corpus.layouts import stems_of
from raysep.corpus.stores import s3
from raysep.errors import AudioError, StorageRefused, StorageUnreachable

sys.path.insert(0, str(Path(__file__).parents[1]))  # the same helper module under any import mode of pytest

from flaky_proxy import FAULTS, FlakyProxy, first


@pytest.fixture(scope="module")
def _proxy(_server):
    made = FlakyProxy(_server)
    yield made
    made.close()


@pytest.fixture
def proxy(_proxy, bucket, monkeypatch) -> FlakyProxy:
    monkeypatch.setenv("AWS_ENDPOINT_URL", _proxy.url)
    monkeypatch.setenv("RAYSEP_STORAGE_PATIENCE", "20")
    monkeypatch.setattr("raysep.corpus.retry.FIRST_PAUSE", 0.02)
    return _proxy


ACTIONS = {
    "read": lambda root: storage.read_bytes(f"{root}/a/b.bin"),
    "ranges": lambda root: [storage.open_random(f"{root}/a/b.bin").read(n) for n in (3, -1)],
    "whole": lambda root: storage.open_whole(f"{root}/a/b.bin").read(),
    "size": lambda root: storage.open_random(f"{root}/a/b.bin").size(),
    "list": lambda root: [(f.uri, f.size) for f in storage.list_files(f"{root}/a")],
    "kind": lambda root: [storage.kind(f"{root}/{name}") for name in ("a", "a/b.bin", "nothing")],
    "write": lambda root: (storage.write_bytes(f"{root}/w", b"new"), storage.read_bytes(f"{root}/w")),
    "copy": lambda root: (storage.copy(f"{root}/a/b.bin", f"{root}/c"), storage.read_bytes(f"{root}/c")),
    "delete": lambda root: (storage.delete(f"{root}/w"), storage.exists(f"{root}/w")),
    "delete folder": lambda root: (storage.delete_folder(f"{root}/d"), storage.list_files(f"{root}/d")),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("action", ACTIONS.values(), ids=ACTIONS)
def test_nothing_is_different_behind_a_store_that_fails(proxy, bucket, action, fault):
    storage.write_bytes(f"{bucket}/a/b.bin", bytes(range(200)))
    storage.write_bytes(f"{bucket}/d/x", b"x")
    expected = action(bucket)
    storage.write_bytes(f"{bucket}/d/x", b"x")
    with proxy.by(first(3, fault)):
        assert action(bucket) == expected
        assert len(proxy.failed) == 3 or fault == "cut"  # an answer without a body cannot be cut


def test_a_server_that_does_not_answer_is_given_up_and_asked_again(proxy, bucket, monkeypatch):
    monkeypatch.setattr(s3, "ANSWER_SECONDS", 0.3)
    s3._client.cache_clear()
    storage.write_bytes(f"{bucket}/x", b"12345")
    begin = time.monotonic()
    with proxy.by(first(2, "delay 3", of="GET")):
        assert storage.read_bytes(f"{bucket}/x") == b"12345"
        assert len(proxy.failed) == 2
    assert time.monotonic() - begin < 3
    s3._client.cache_clear()


def test_a_large_upload_repeats_only_the_part_that_failed(proxy, bucket, monkeypatch, tmp_path):
    monkeypatch.setattr(s3, "PART_BYTES", 5 << 20)
    data = os.urandom((11 << 20) + 5)
    (tmp_path / "large").write_bytes(data)
    for write in (
        lambda uri: storage.write_bytes(uri, data),
        lambda uri: storage.upload(tmp_path / "large", uri),
    ):
        with proxy.by(first(2, "reset", of="partNumber=2")):
            write(f"{bucket}/large")
            assert [sum(f"partNumber={n}" in path for _, path in proxy.seen) for n in (1, 2, 3)] == [1, 3, 1]
        assert storage.read_bytes(f"{bucket}/large") == data
        with proxy.by(
            first(1, "cut", of="POST /" + bucket[5:] + "/large?uploadId")
        ):  # it has ended; the answer is lost
            write(f"{bucket}/large")
            assert len(proxy.failed) == 1
        assert storage.read_bytes(f"{bucket}/large") == data


def test_an_upload_that_cannot_end_leaves_nothing(proxy, bucket, monkeypatch):
    monkeypatch.setattr(s3, "PART_BYTES", 5 << 20)
    with proxy.by(lambda method, path: "403" if "partNumber=2" in path else None), pytest.raises(StorageRefused):
        storage.write_bytes(f"{bucket}/large", bytes(6 << 20))
    assert not storage.exists(f"{bucket}/large")
    assert not s3.client().list_multipart_uploads(Bucket=bucket[5:]).get("Uploads")


def test_a_small_object_is_one_put(proxy, bucket):
    with proxy.by(lambda method, path: None):
        storage.write_bytes(f"{bucket}/small", b"12345")
        assert [method for method, _ in proxy.seen] == ["PUT"]


def test_a_listing_is_a_request_a_thousand_keys(proxy, bucket):
    from moto.backends import get_backend

    for number in range(1001):
        get_backend("s3")["123456789012"]["aws"].put_object(bucket[5:], f"many/{number:04d}", b"x")
    with proxy.by(first(2, "cut")):
        found = storage.list_files(f"{bucket}/many")
        assert len(proxy.seen) == 2 + 2
    assert [f.base_name for f in found] == [f"{number:04d}" for number in range(1001)]
    assert (found[0].size, len(found[0].etag), found[0].modified > 30 * 365 * 86400 * 10**9) == (1, 32, True)


@pytest.mark.parametrize("action", ACTIONS.values(), ids=ACTIONS)
def test_an_outage_that_lasts_is_told_in_one_line_naming_the_place(proxy, bucket, action, monkeypatch):
    monkeypatch.setenv("RAYSEP_STORAGE_PATIENCE", "0.3")
    begin = time.monotonic()
    with proxy.by(lambda method, path: "drop"), pytest.raises(StorageUnreachable) as told:
        action(bucket)
    assert str(told.value).startswith(f"{bucket}/")
    assert "\n" not in str(told.value)
    assert 0.3 <= time.monotonic() - begin < 5


@pytest.mark.parametrize("action", ACTIONS.values(), ids=ACTIONS)
def test_a_refusal_is_not_tried_again(proxy, bucket, action):
    with proxy.by(lambda method, path: "403"), pytest.raises(StorageRefused, match=f"^{bucket}/.*refuses it"):
        action(bucket)
    assert len(proxy.seen) == 1


def test_what_is_gone_is_not_tried_again(proxy, bucket):
    for read in (storage.read_bytes, lambda uri: storage.open_random(uri).size()):
        with proxy.by(lambda method, path: None):
            with pytest.raises(FileNotFoundError, match=f"^{bucket}/nothing: no such file$"):
                read(f"{bucket}/nothing")
            assert len(proxy.seen) == 1


# Audio


def test_a_scan_through_outages_finds_the_same(proxy, bucket, write_corpus):
    root = write_corpus(f"{bucket}/corpus", ["A"])
    calm = stems_of(root, threads=2)
    with proxy.by(first(4, "reset", of="GET")):
        assert stems_of(root, threads=2) == calm
        assert len(proxy.failed) == 4


@pytest.mark.parametrize(("fault", "error"), [("drop", StorageUnreachable), ("403", StorageRefused)])
def test_an_outage_is_never_a_file_that_is_no_audio(proxy, bucket, write_corpus, monkeypatch, capfd, fault, error):
    """libsndfile calls back from C, where nothing can be raised: whatever it makes of that is not the file's fault."""
    root = write_corpus(f"{bucket}/corpus", ["A"], mixture=False)
    monkeypatch.setenv("RAYSEP_STORAGE_PATIENCE", "0.1")
    uri = f"{root}/A/bass.wav"
    for good in range(3):
        left = iter(range(good))
        with (
            proxy.by(lambda method, path, left=left: None if next(left, None) is not None else fault),
            pytest.raises(error),
            storage.open_random(uri) as stream,
        ):
            for _ in files.decode_blocks(stream, uri, 500):
                pass
    with proxy.by(lambda method, path: fault if "bass" in path else None), pytest.raises(error):
        stems_of(root, on_problem="keep")
    assert capfd.readouterr().err.count("Traceback") == 0
    storage.write_bytes(uri, b"no audio")
    with pytest.raises(AudioError), storage.open_random(uri) as stream:
        files.probe(stream, uri)


# Names


KEYS = (
    "a//b.wav",
    "/leading.wav",
    "blank at the end ",
    " blank before/x.wav",
    "[brackets]*?.wav",
    "50%25 #1?x=y+z.wav",
    unicodedata.normalize("NFD", "é/ü.wav"),
    unicodedata.normalize("NFC", "é/ü.wav"),
    "a/./b.wav",
    "a/../c.wav",
    "tab\tquote'\"&<>.wav",
)


def test_a_key_is_read_as_the_store_has_it(bucket):
    for key in KEYS:
        storage.write_bytes(f"{bucket}/{key}", key.encode())
    found = list(s3.S3().list(bucket, recursive=True))
    assert {f.uri for f in found} == {f"{bucket}/{key}" for key in KEYS}
    for file in found:
        key = file.uri[len(bucket) + 1 :]
        assert storage.read_bytes(file.uri) == key.encode()
        assert storage.kind(file.uri) == "file"
        assert storage.open_random(file.uri).read(2) == key.encode()[:2]
        storage.copy(file.uri, f"{bucket}/copy of {key}")
        assert storage.read_bytes(f"{bucket}/copy of {key}") == key.encode()
        storage.delete(file.uri)
        assert not storage.exists(file.uri)


def test_a_corpus_below_a_double_slash(bucket, write_corpus):
    root = write_corpus(f"{bucket}//my corpus/", ["A [live] #1", unicodedata.normalize("NFD", "Ä")], mixture=False)
    stems = stems_of(root).stems
    assert {s.track for s in stems} == {"A [live] #1", "Ä"}
    assert all(storage.exists(s.uri) for s in stems)


# What Ray keeps states by


def test_rays_states_go_and_come_through_outages(proxy, bucket, tmp_path):
    (tmp_path / "here" / "deep").mkdir(parents=True)
    (tmp_path / "here" / "deep" / "state.pt").write_bytes(bytes(3 << 20))
    (tmp_path / "here" / "note").write_text("x")
    system, path = storage.filesystem(f"{bucket}/states/run")
    system = pickle.loads(pickle.dumps(system))  # to another process
    with proxy.by(first(4, "reset")):
        fs.copy_files(str(tmp_path / "here"), path, destination_filesystem=system)
        fs.copy_files(path, str(tmp_path / "there"), source_filesystem=system)
        assert len(proxy.failed) == 4
    assert (tmp_path / "there" / "deep" / "state.pt").read_bytes() == bytes(3 << 20)
    listed = system.get_file_info(fs.FileSelector(path))
    assert {(i.base_name, i.type) for i in listed} == {("deep", fs.FileType.Directory), ("note", fs.FileType.File)}
    kinds = [info.type for info in system.get_file_info([path, f"{path}/note", f"{path}/no"])]
    assert kinds == [fs.FileType.Directory, fs.FileType.File, fs.FileType.NotFound]
    system.move(f"{path}/note", f"{path}/moved")
    with system.open_input_file(f"{path}/moved") as stream:
        assert (stream.size(), stream.read()) == (1, b"x")
    system.delete_dir(path)
    assert storage.list_files(f"{bucket}/states") == []
    with pytest.raises(FileNotFoundError, match="no such folder"):
        system.get_file_info(fs.FileSelector(path))
