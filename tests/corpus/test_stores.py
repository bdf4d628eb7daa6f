"""The stores one by one, beside what all of them do alike: see test_storage.py and test_outages.py."""

from __future__ import annotations

import errno
import os
import sys
from types import SimpleNamespace

import boto3
import botocore
import pyarrow as pa
import pytest
from pyarrow import fs

from raysep.corpus import storage, stores
from raysep.corpus.stores import arrow, s3
from raysep.corpus.stores.store import last_change
from raysep.errors import BadInput, StorageUnreachable

# Folders of this machine


def test_a_file_of_a_time_that_no_table_can_hold_has_the_last_one_that_can_be_held(tmp_path):
    known = os.stat(tmp_path)
    assert last_change(known) == max(known.st_mtime_ns, known.st_ctime_ns)
    late = SimpleNamespace(st_mtime_ns=2**63, st_ctime_ns=known.st_ctime_ns)  # the year 2262
    assert pa.array([last_change(late)], pa.int64()).to_pylist() == [2**63 - 1]


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setenv("RAYSEP_STORAGE_PATIENCE", "0.2")
    monkeypatch.setattr("raysep.corpus.retry.FIRST_PAUSE", 0.01)


class Mount:
    """A file system whose files fail with an errno so many times, and then are those of this machine."""

    def __init__(self, number: int, times: float) -> None:
        self.number, self.left = number, times

    def __getattr__(self, name: str):
        if self.left > 0:
            self.left -= 1
            raise OSError(self.number, "as told")
        return getattr(fs.LocalFileSystem(), name)


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE])
def test_a_mount_that_comes_back_is_waited_for(tmp_path, monkeypatch, impatient, number):
    (tmp_path / "x").write_bytes(b"12345")
    monkeypatch.setattr(arrow, "_local", lambda mount=Mount(number, 3): mount)
    assert storage.read_bytes(str(tmp_path / "x")) == b"12345"


@pytest.mark.parametrize(
    ("number", "folder_answers", "error"),
    [
        (errno.ESTALE, True, StorageUnreachable),
        (errno.EIO, False, StorageUnreachable),
        (errno.EIO, True, OSError),  # a bad sector: the file's own
    ],
)
def test_a_mount_that_stays_away_is_not_a_bad_sector(tmp_path, monkeypatch, impatient, number, folder_answers, error):
    (tmp_path / "x").write_bytes(b"12345")
    monkeypatch.setattr(arrow, "_local", lambda mount=Mount(number, float("inf")): mount)
    monkeypatch.setattr(arrow, "_answers", lambda folder: folder_answers)
    with pytest.raises(error, match="as told"):
        storage.read_bytes(str(tmp_path / "x"))


def test_a_range_that_fails_is_read_from_a_file_opened_anew(tmp_path, monkeypatch, impatient):
    (tmp_path / "x").write_bytes(bytes(range(100)))
    with storage.open_random(str(tmp_path / "x")) as stream:
        assert stream.read(3) == b"\0\1\2"
        monkeypatch.setattr(arrow, "_local", lambda mount=Mount(errno.EIO, 2): mount)
        stream._fetch.__closure__  # noqa: B018 - the open file is held
        assert stream.read(2) == b"\3\4"
        assert stream.seek(-2, os.SEEK_END) == 98
        assert (stream.read(), stream.read(5), stream.size()) == (b"bc", b"", 100)
        stream.seek(500)
        assert stream.read(5) == b""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a name is always text")
def test_a_name_that_is_no_text_is_told_in_one_line(tmp_path, raysep):
    (tmp_path / "A").mkdir()
    (tmp_path / "A" / os.fsdecode(b"voc\xff.wav")).write_bytes(b"")
    file = rf"{tmp_path}/A/voc\xff.wav"
    listed = rf"{tmp_path}: 1 name not text in UTF-8, first b'{file}'; rename it"
    own = f"{file}: a name that is no UTF-8"
    for place, shown in ((str(tmp_path), listed), (f"{tmp_path}/A/" + os.fsdecode(b"voc\xff.wav"), own)):
        code, _, told = raysep("scan", place, "--out", str(tmp_path / "m.parquet"))
        assert (code, len(told.splitlines())) == (2, 1)
        assert shown in told


# What pyarrow reaches


@pytest.fixture(params=["gs://bucket", "abfs://box@account.dfs.core.windows.net", "hdfs://host:9000"])
def remote(request, tmp_path, monkeypatch) -> str:
    """A folder of this machine in the place of such a store."""
    base = str(tmp_path / "base")
    os.mkdir(base)
    monkeypatch.setattr(arrow, "_remote", lambda root: (fs.LocalFileSystem(), base))
    return request.param


def test_a_store_of_pyarrows_does_as_the_others(remote, tmp_path):
    uri = f"{remote}/key with #.bin"
    assert storage.kind(uri) == ""
    storage.write_bytes(uri, b"first")
    storage.write_bytes(uri, b"second")
    (tmp_path / "file").write_bytes(b"third")
    storage.upload(tmp_path / "file", f"{remote}/key 3.bin")
    assert [(f.uri, f.size) for f in storage.list_files(remote)] == [(f"{remote}/key 3.bin", 5), (uri, 6)]
    assert storage.read_bytes(uri) == b"second"
    storage.copy(uri, f"{remote}/copy")
    with storage.open_random(f"{remote}/copy") as stream:
        assert (stream.size(), stream.read(3)) == (6, b"sec")
    system, path = storage.filesystem(f"{remote}/copy")
    assert system.get_file_info(path).size == 6
    storage.delete(uri)
    assert storage.kind(uri) == ""
    assert storage.kind(remote) == "folder"
    with pytest.raises(FileNotFoundError, match="key with #"):
        storage.read_bytes(uri)


def test_a_store_that_is_not_installed_is_told_in_one_line():
    arrow._remote.cache_clear()
    with pytest.raises(
        BadInput, match=r"^hdfs://nowhere\.invalid:1: pyarrow cannot use storage of this kind here \(.+\)$"
    ):
        storage.read_bytes("hdfs://nowhere.invalid:1/x")


def test_rays_states_are_refused_where_ray_would_look_elsewhere():
    with pytest.raises(BadInput, match="double slash"):
        storage.filesystem("s3://bucket//run")


# S3


def test_without_credentials_requests_are_not_signed(bucket, monkeypatch, tmp_path):
    storage.write_bytes(f"{bucket}/public", b"x")
    boto3.client("s3").put_object_acl(Bucket=bucket[5:], Key="public", ACL="public-read")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    assert s3.client().meta.config.signature_version is botocore.UNSIGNED
    assert storage.read_bytes(f"{bucket}/public") == b"x"


def test_the_client_follows_the_environment(bucket, monkeypatch):
    before = s3.client()
    assert s3.client() is before
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    assert s3.client().meta.region_name == "eu-central-1"
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    assert s3.client().meta.endpoint_url == "http://127.0.0.1:1"


def test_a_profile_that_is_not_there_is_told(bucket, monkeypatch):
    from raysep.errors import StorageRefused

    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(StorageRefused, match="nobody"):
        storage.read_bytes(f"{bucket}/x")


def test_there_is_one_store_of_each_kind():
    assert stores.store_of("s3://a/b") is stores.store_of("s3://c")
    assert stores.store_of("/a") is not stores.store_of("gs://a")
    with pytest.raises(BadInput, match="ftp://a: storage of this kind"):
        stores.store_of("ftp://a")


def test_a_time_is_what_the_store_says_whichever_way_it_writes_it():
    """Against what botocore itself takes it for."""
    from botocore.utils import parse_timestamp

    written = (
        "2026-11-30T10:00:00.123Z",
        "2026-11-30T10:00:00Z",
        "2026-11-30T12:30:00.000001+02:30",
        "2026-11-30T10:00:00.000",
        "Mon, 30 Nov 2026 10:00:00 GMT",
        "20261130T100000Z",
        "1796032800",
        1796032800.5,
    )
    assert [s3.as_time(time) for time in written] == [parse_timestamp(time) for time in written]
    assert s3.as_time(written[0]).tzinfo
    with pytest.raises(ValueError, match="yesterday"):
        s3.as_time("yesterday")
