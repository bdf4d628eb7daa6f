"""S3, and what speaks as it does, through boto3: keys are read just as the store has them, whatever is in them.

Credentials come from the standard variables, then as boto3 finds them (a profile, an instance's role); without any, requests
are not signed, as public buckets take them. The endpoint is ``AWS_ENDPOINT_URL_S3`` or ``AWS_ENDPOINT_URL``.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

from raysep.corpus import traffic
from raysep.corpus.retry import CutShort, patiently
from raysep.corpus.stores.ranges import Ranges
from raysep.corpus.stores.store import Listed, Store
from raysep.errors import StorageError, writing

PART_BYTES = 64 << 20  # of an upload in parts; what is smaller is one request
PIECE_BYTES = 1 << 20  # of an answer, held at a time
CONNECT_SECONDS, ANSWER_SECONDS = 10, 60  # a server that does not answer, or stops in the middle, is given up for a try
CONNECTIONS = 32
DELETED_AT_ONCE = 1000  # the most that S3 takes
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_making = threading.Lock()


class S3(Store):
    in_pages = True

    def kind(self, uri: str) -> str:
        bucket, key = parts(uri)
        try:
            if key:
                ask(uri, "head_object", Bucket=bucket, Key=key)
                return "file"
        except FileNotFoundError:
            pass
        try:
            found = ask(uri, "list_objects_v2", Bucket=bucket, Prefix=below(key), MaxKeys=1)
        except FileNotFoundError:
            return ""
        return "folder" if found.get("KeyCount") else ""

    def look_up(self, uri: str) -> Listed | None:
        bucket, key = parts(uri)
        try:
            found = ask(uri, "head_object", Bucket=bucket, Key=key)
        except FileNotFoundError:
            return None
        return _as_listed(uri, found["ContentLength"], found)

    def read(self, uri: str) -> bytes:
        bucket, key = parts(uri)
        return patiently(lambda: _body(client().get_object(Bucket=bucket, Key=key)), uri)

    def ranges(self, uri: str) -> Ranges:
        bucket, key = parts(uri)

        def fetch(start: int, stop: int) -> bytes:
            return patiently(lambda: _range(bucket, key, start, stop), uri)

        return Ranges(fetch, lambda: int(ask(uri, "head_object", Bucket=bucket, Key=key)["ContentLength"]))

    def fetch(self, uri: str, to: BinaryIO) -> None:
        """In one request; of one that was cut off nothing is kept."""
        bucket, key = parts(uri)

        def whole() -> None:
            answer = client().get_object(Bucket=bucket, Key=key)
            to.seek(0)
            to.truncate()
            for block in answer["Body"].iter_chunks(PIECE_BYTES):
                with writing(tempfile.gettempdir()):  # a disk that is full is no outage of the store
                    to.write(block)
            if to.tell() != answer["ContentLength"]:
                raise CutShort(f"{to.tell()} of {answer['ContentLength']} bytes came")
            traffic.note(bytes_read=to.tell())

        patiently(whole, uri)

    def write(self, uri: str, data: bytes) -> None:
        bucket, key = parts(uri)
        if len(data) <= PART_BYTES:
            ask(uri, "put_object", Bucket=bucket, Key=key, Body=data)
            return
        view = memoryview(data)
        _in_parts(uri, (bytes(view[at : at + PART_BYTES]) for at in range(0, len(data), PART_BYTES)))

    def create(self, uri: str, data: bytes) -> bool:
        from botocore.exceptions import ClientError

        bucket, key = parts(uri)

        def made() -> bool | None:
            try:
                client().put_object(Bucket=bucket, Key=key, Body=data, IfNoneMatch="*")
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] == 412:
                    return False
                if error.response["Error"]["Code"] in ("NotImplemented", "InvalidArgument"):
                    return None
                raise
            return True

        found = patiently(made, uri)
        return super().create(uri, data) if found is None else found

    def upload(self, file: Path, uri: str) -> None:
        if file.stat().st_size <= PART_BYTES:
            self.write(uri, file.read_bytes())
            return
        with file.open("rb") as stream:
            _in_parts(uri, iter(lambda: stream.read(PART_BYTES), b""))

    def delete(self, uri: str) -> None:
        bucket, key = parts(uri)
        ask(uri, "delete_object", Bucket=bucket, Key=key)

    def delete_folder(self, uri: str) -> None:
        bucket, key = parts(uri)
        keys = [found["Key"] for found in _listed(uri, bucket, Prefix=below(key))]
        for at in range(0, len(keys), DELETED_AT_ONCE):
            some = [{"Key": each} for each in keys[at : at + DELETED_AT_ONCE]]
            answer = ask(uri, "delete_objects", Bucket=bucket, Delete={"Objects": some, "Quiet": True})
            if wrong := answer.get("Errors"):
                raise StorageError(f"{uri}: {len(wrong)} files cannot be deleted, first {wrong[0]['Key']}: {wrong[0]}")

    def list(self, uri: str, recursive: bool) -> Iterator[Listed]:
        bucket, key = parts(uri)
        shallow = {} if recursive else {"Delimiter": "/"}
        for found in _listed(uri, bucket, Prefix=below(key), **shallow):
            if not found["Key"].endswith("/"):  # what some clients leave to stand for a folder
                place = f"s3://{bucket}/{found['Key']}"
                yield _as_listed(place, found["Size"], found)

    def copy(self, source: str, target: str) -> None:
        (bucket, key), (to, name) = parts(source), parts(target)
        patiently(lambda: client().copy({"Bucket": bucket, "Key": key}, to, name), source)


def parts(uri: str) -> tuple[str, str]:
    """(bucket, key); the key is all that follows, blanks, brackets and double slashes too."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def below(key: str) -> str:
    """What the keys below a folder begin with."""
    return f"{key}/" if key else ""


def ask(uri: str, operation: str, **arguments: Any) -> dict[str, Any]:
    """One request, tried patiently."""
    return patiently(lambda: getattr(client(), operation)(**arguments), uri)


def _listed(uri: str, bucket: str, **arguments: Any) -> Iterator[dict[str, Any]]:
    """Every object of a listing, a thousand a request; none of a bucket that is not there."""
    more: dict[str, Any] = {}
    while True:
        try:
            page = ask(uri, "list_objects_v2", Bucket=bucket, **arguments, **more)
        except FileNotFoundError:
            return
        yield from page.get("Contents", ())
        if not page.get("IsTruncated"):
            return
        more = {"ContinuationToken": page["NextContinuationToken"]}


def _as_listed(uri: str, size: int, found: dict[str, Any]) -> Listed:
    return Listed(uri, size, found.get("ETag", "").strip('"'), _nanoseconds(found.get("LastModified")))


def _nanoseconds(time: datetime | None) -> int:
    """Since 1970; 0 for None. Without a float, which would round it."""
    return (time - EPOCH) // timedelta(microseconds=1) * 1000 if time else 0


def as_time(told: Any) -> datetime:
    """A time as a store's answers write it. What botocore itself takes for it is two thirds of reading a listing."""
    from botocore.utils import parse_timestamp

    if isinstance(told, str) and told[10:11] == "T":
        with suppress(ValueError):
            time = datetime.fromisoformat(told)
            if time.tzinfo:
                return time
    found: datetime = parse_timestamp(told)
    return found


def _body(answer: dict[str, Any]) -> bytes:
    data: bytes = answer["Body"].read()
    if len(data) != answer["ContentLength"]:
        raise CutShort(f"{len(data)} of {answer['ContentLength']} bytes came")
    return data


def _range(bucket: str, key: str, start: int, stop: int) -> bytes:
    from botocore.exceptions import ClientError

    try:
        return _body(client().get_object(Bucket=bucket, Key=key, Range=f"bytes={start}-{stop - 1}"))
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 416:  # it begins where the file has ended
            return b""
        raise


def _in_parts(uri: str, pieces: Iterator[bytes]) -> None:
    """An upload of many requests, each tried patiently; nothing is seen before the last, and nothing stays of half of one."""
    bucket, key = parts(uri)
    place = {"Bucket": bucket, "Key": key}
    upload = place | {"UploadId": ask(uri, "create_multipart_upload", **place)["UploadId"]}
    done, total = [], 0
    try:
        for number, piece in enumerate(pieces, start=1):
            tag = ask(uri, "upload_part", **upload, PartNumber=number, Body=piece)["ETag"]
            done.append({"PartNumber": number, "ETag": tag})
            total += len(piece)
        try:
            ask(uri, "complete_multipart_upload", **upload, MultipartUpload={"Parts": done})
        except FileNotFoundError:  # no such upload: a try before may have ended it, and its answer been lost
            if ask(uri, "head_object", **place)["ContentLength"] != total:
                raise
    except BaseException:
        _quietly(lambda: client().abort_multipart_upload(**upload))
        raise


def _quietly(action: Callable[[], Any]) -> None:
    """One try to clean up after an error, which is the one to be told."""
    try:
        action()
    except Exception:
        return


def client() -> Any:
    """This process's client for the environment as it is; boto3's are safe to share among threads."""
    names = tuple(sorted(item for item in os.environ.items() if item[0].startswith("AWS_")))
    with _making:
        return _client(names, os.getpid())


@lru_cache(maxsize=4)
def _client(environment: tuple[tuple[str, str], ...], process: int) -> Any:
    import boto3
    from botocore import UNSIGNED
    from botocore.config import Config
    from botocore.session import get_session

    core = get_session()
    core.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=as_time)
    session = boto3.session.Session(botocore_session=core)
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or None
    options: dict[str, Any] = {
        "connect_timeout": CONNECT_SECONDS,
        "read_timeout": ANSWER_SECONDS,
        "max_pool_connections": CONNECTIONS,
        "retries": {"total_max_attempts": 1},  # ``patiently`` tries again, and knows for how long
    }
    if endpoint:  # other makers' stores know no names of hosts by bucket, nor the newer checksums
        options |= {
            "s3": {"addressing_style": "path"},
            "request_checksum_calculation": "when_required",
            "response_checksum_validation": "when_required",
        }
    if session.get_credentials() is None:
        options["signature_version"] = UNSIGNED
    region = os.environ.get("AWS_REGION") or session.region_name or "us-east-1"
    return session.client("s3", region_name=region, endpoint_url=endpoint, config=Config(**options))
