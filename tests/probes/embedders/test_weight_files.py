"""Weights from a path, an object store and the hub; no network but the loopback is used."""

from __future__ import annotations

import hashlib
import sys
import threading
from types import SimpleNamespace

import boto3
import pytest
import torch

from raysep.corpus import storage
from raysep.errors import BadInput
from raysep.probes.embedders import weight_files as weights


@pytest.fixture
def bucket(s3_server, request):
    name = request.node.name.replace("_", "-").lower()[:40]
    boto3.client("s3", endpoint_url=s3_server).create_bucket(Bucket=name)
    return f"s3://{name}"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("RAYSEP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def kept(cache):
    return sorted(path.name for path in (cache / "weights").iterdir() if not path.name.endswith(".lock"))


@pytest.fixture
def openings(monkeypatch):
    """How often each object has been read from its beginning to its end."""
    counts: dict[str, int] = {}
    fetch = weights._fetch

    def counted(files, target):
        for source in files:
            counts[source] = counts.get(source, 0) + 1
        fetch(files, target)

    monkeypatch.setattr(weights, "_fetch", counted)
    return counts


def test_a_path_is_taken_as_it_is(tmp_path):
    file = tmp_path / "net.pt"
    file.write_bytes(b"1")
    assert weights.locate(str(file), "x") == weights.locate(f"file://{file}", "x") == file
    assert weights.locate(str(tmp_path), "x") == tmp_path


def test_only_a_path_depends_on_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert [weights.absolute(w) for w in ("", "hub:a/b", "s3://b/k")] == ["", "hub:a/b", "s3://b/k"]
    assert weights.absolute("net.pt") == str(tmp_path.resolve() / "net.pt")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("", r"embedder 'clap-music' ships no weights: give --embedder-weights .*or scoring\.embedder_weights"),
        ("nowhere/net.pt", r"nowhere/net.pt: embedder 'clap-music' finds no weights"),
        ("ftp://bucket/net.pt", "ftp://bucket/net.pt: storage of this kind"),
        ("hub:name", r"hub:name: not a model of the hub; write hub:owner/name"),
        ("hub:a/b/c", "not a model of the hub"),
    ],
)
def test_what_is_not_there_is_named_with_the_way_out(given, message):
    with pytest.raises(BadInput, match=message):
        weights.locate(given, "clap-music")


def test_an_object_is_fetched_once_and_anew_when_it_changed(bucket, cache, openings):
    uri = f"{bucket}/models/net.pt"
    storage.write_bytes(uri, b"first")
    path = weights.locate(uri, "x")
    assert (path.name, path.read_bytes()) == ("net.pt", b"first")
    assert weights.locate(uri, "x") == path
    assert openings == {uri: 1}
    storage.write_bytes(uri, b"other")
    assert weights.locate(uri, "x").read_bytes() == b"other"
    assert openings == {uri: 2}
    assert path.read_bytes() == b"first"  # who had located it can go on reading


def test_a_folder_is_fetched_without_what_is_no_weights(bucket, cache):
    for name in ("config.json", "model.safetensors", "README.md", "tokenizer.json", "onnx/model.onnx"):
        storage.write_bytes(f"{bucket}/clap/{name}", name.encode())
    folder = weights.locate(f"{bucket}/clap/", "x")
    assert sorted(p.name for p in folder.rglob("*")) == ["config.json", "model.safetensors"]
    assert (folder / "config.json").read_bytes() == b"config.json"


def test_nothing_in_the_store_is_named(bucket):
    with pytest.raises(BadInput, match=f"{bucket}/absent: embedder 'x' finds no weights here"):
        weights.locate(f"{bucket}/absent", "x")
    with pytest.raises(BadInput, match="s3://no-such-bucket-anywhere"):
        weights.locate("s3://no-such-bucket-anywhere/net.pt", "x")


def test_two_workers_at_once_fetch_it_once(bucket, cache, openings):
    uri, barrier, found = f"{bucket}/net.pt", threading.Barrier(4), []
    storage.write_bytes(uri, bytes(range(256)) * 20000)

    def worker():
        barrier.wait()
        found.append(weights.locate(uri, "x"))

    threads = [threading.Thread(target=worker) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1
    assert found[0].read_bytes() == bytes(range(256)) * 20000
    assert openings == {uri: 1}
    assert len(kept(cache)) == 1


def test_without_locks_two_fetch_and_neither_is_harmed(bucket, cache):
    """The rename alone: another worker finished while this one was fetching."""
    uri = f"{bucket}/net.pt"
    storage.write_bytes(uri, b"content")
    path = weights.locate(uri, "x")
    weights._fetch({uri: "net.pt"}, path.parent)
    assert path.read_bytes() == b"content"
    assert len(kept(cache)) == 1  # what the second had fetched is gone


def test_a_fetch_that_breaks_off_leaves_nothing_that_looks_whole(bucket, cache, monkeypatch):
    uri = f"{bucket}/net.pt"
    storage.write_bytes(uri, b"content")
    real = storage.open_random

    class Broken:
        def __init__(self, stream):
            self.stream, self.size = stream, stream.size

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.stream.close()

        def seek(self, where):
            self.stream.seek(where)

        def read(self, size):
            if size == weights.BLOCK:
                raise OSError("the line broke")
            return self.stream.read(size)

    monkeypatch.setattr(storage, "open_random", lambda uri: Broken(real(uri)))
    with pytest.raises(BadInput, match=r"cannot be fetched .*the line broke"):
        weights.locate(uri, "x")
    assert kept(cache) == []
    monkeypatch.setattr(storage, "open_random", real)
    assert weights.locate(uri, "x").read_bytes() == b"content"


def test_the_hub_is_asked_for_safetensors_first(tmp_path, monkeypatch):
    asked = []

    def snapshot_download(repository, allow_patterns):
        asked.append((repository, "*.bin" in allow_patterns))
        (tmp_path / "config.json").write_text("{}")
        return str(tmp_path)

    monkeypatch.setitem(sys.modules, "huggingface_hub", SimpleNamespace(snapshot_download=snapshot_download))
    assert weights.locate("hub:owner/model", "x") == tmp_path
    assert asked == [("owner/model", False), ("owner/model", True)]
    (tmp_path / "model.safetensors").write_bytes(b"")
    weights.locate("hub:owner/model", "x")
    assert len(asked) == 3


def test_without_a_connection_the_hub_s_error_says_what_to_do(monkeypatch):
    def snapshot_download(repository, allow_patterns):
        raise ConnectionError("no route")

    monkeypatch.setitem(sys.modules, "huggingface_hub", SimpleNamespace(snapshot_download=snapshot_download))
    with pytest.raises(
        BadInput,
        match=r"no route.*hf download owner/model --local-dir.*--embedder-weights .*or scoring\.embedder_weights",
    ):
        weights.locate("hub:owner/model", "x")


def test_without_the_extra_the_hub_s_error_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(BadInput, match=r"pip install 'raysep\[embedders\]'"):
        weights.locate("hub:owner/model", "x")


def test_the_digest_is_of_the_weights_alone(tmp_path):
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"abc")
    assert weights.digest(file) == hashlib.sha256(b"abc").hexdigest()
    before = weights.digest(tmp_path)
    (tmp_path / "README.md").write_text("words")
    assert weights.digest(tmp_path) == before
    (tmp_path / "config.json").write_text("{}")
    with_config = weights.digest(tmp_path)
    file.rename(tmp_path / "other.safetensors")
    assert len({before, with_config, weights.digest(tmp_path)}) == 3


def test_tensors_that_are_not_loaded_are_no_part_of_it(tmp_path, bucket, cache):
    """The hub's folders hold the network in several formats, and how many of them a node has is chance."""
    names = ("config.json", "model.safetensors", "older/net.bin")
    for name in names:
        (tmp_path / "net" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "net" / name).write_text(name)
        storage.write_bytes(f"{bucket}/net/{name}", name.encode())
    before = weights.digest(tmp_path / "net")
    for name in ("pytorch_model.bin", "net.pt"):
        (tmp_path / "net" / name).write_text(name)
        storage.write_bytes(f"{bucket}/net/{name}", name.encode())
    assert weights.digest(tmp_path / "net") == before
    fetched = weights.locate(f"{bucket}/net", "x")
    assert sorted(p.relative_to(fetched).as_posix() for p in fetched.rglob("*") if p.is_file()) == sorted(names)
    (tmp_path / "net" / "older" / "net.bin").write_text("alone there, so it may be what is loaded")
    assert weights.digest(tmp_path / "net") != before
    (tmp_path / "net" / "model.safetensors").unlink()
    without = weights.digest(tmp_path / "net")
    (tmp_path / "net" / "pytorch_model.bin").write_text("other")
    assert weights.digest(tmp_path / "net") != without


@pytest.mark.parametrize(
    ("environment", "folder"),
    [({"RAYSEP_CACHE": "/a"}, "/a"), ({"XDG_CACHE_HOME": "/b"}, "/b/raysep"), ({"HOME": "/c"}, "/c/.cache/raysep")],
)
def test_where_the_cache_is(environment, folder, monkeypatch):
    for name in ("RAYSEP_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert str(weights.cache_folder()) == folder


def test_tensors_of_both_formats_and_of_none(tmp_path):
    from safetensors.torch import save_file

    state = {"a": torch.arange(3.0)}
    torch.save(state, tmp_path / "net.pth")
    save_file(state, tmp_path / "net.safetensors")
    (tmp_path / "words.pt").write_text("no tensors")
    for name in ("net.pth", "net.safetensors"):
        assert torch.equal(weights.load_tensors(tmp_path / name, "x")["a"], state["a"])
    for name in ("words.pt", "absent.safetensors"):
        with pytest.raises(BadInput, match=name.replace(".", r"\.") + ": embedder 'x' cannot read"):
            weights.load_tensors(tmp_path / name, "x")


def test_nothing_in_a_file_of_weights_is_executed(tmp_path):
    class Payload:
        def __reduce__(self):
            return (open, (str(tmp_path / "owned"), "w"))

    torch.save({"a": Payload()}, tmp_path / "net.pt")
    with pytest.raises(BadInput, match="cannot read"):
        weights.load_tensors(tmp_path / "net.pt", "x")
    assert not (tmp_path / "owned").exists()
