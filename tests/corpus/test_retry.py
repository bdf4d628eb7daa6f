from __future__ import annotations

import errno
import pickle
from http.client import IncompleteRead

import botocore.exceptions as boto
import pyarrow as pa
import pytest

from raysep.corpus import retry
from raysep.corpus.retry import CutShort, Fault, fault_of, patiently
from raysep.errors import BadInput, StorageRefused, StorageUnreachable

URI = "s3://bucket/a key"


class Time:
    """A clock that only sleeping moves, and every pause."""

    def __init__(self) -> None:
        self.now, self.pauses = 0.0, []

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    def options(self, draw: float = 1.0) -> dict:
        return {"sleep": self.sleep, "clock": lambda: self.now, "draw": lambda: draw}


def script(*outcomes):
    """An action with these outcomes one after another; the last one for ever."""
    left = list(outcomes)

    def action():
        outcome = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return action


def answer(status: int, code: str = "") -> boto.ClientError:
    return boto.ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "GetObject")


def test_what_passes_is_waited_for_with_pauses_that_grow():
    time, away = Time(), answer(503, "SlowDown")
    assert patiently(script(*[away] * 12, b"data"), URI, 150, **time.options()) == b"data"
    assert time.pauses == [0.25, 0.5, 1, 2, 4, 8, 15, 15, 15, 15, 15, 15]


def test_pauses_are_drawn_between_nothing_and_the_bound():
    time = Time()
    patiently(script(*[answer(500)] * 4, 1), URI, 150, **time.options(draw=0.5))
    assert time.pauses == [0.125, 0.25, 0.5, 1]


def test_by_default_it_is_more_than_two_minutes(monkeypatch):
    monkeypatch.delenv(retry.PATIENCE, raising=False)
    time = Time()
    with pytest.raises(
        StorageUnreachable, match=r"^s3://bucket/a key: .*GetObject.*tried for 150 s.*goes on from here$"
    ) as told:
        patiently(script(answer(503)), URI, **time.options())
    assert time.now == 150
    again = pickle.loads(pickle.dumps(told.value))  # it comes from workers
    assert (type(again), str(again), again.exit_code) == (StorageUnreachable, str(told.value), 1)


def test_the_time_of_one_long_try_is_not_counted_before_it_failed():
    time = Time()

    def slow():
        time.now += 400
        if time.now < 500:
            raise answer(504)
        return "there"

    assert patiently(slow, URI, 10, **time.options()) == "there"


def test_the_patience_is_the_environments(monkeypatch):
    monkeypatch.setenv(retry.PATIENCE, "7.5")
    time = Time()
    with pytest.raises(StorageUnreachable):
        patiently(script(answer(503)), URI, **time.options())
    assert time.now == 7.5
    for text in ("soon", "-1", "inf", "nan"):
        monkeypatch.setenv(retry.PATIENCE, text)
        with pytest.raises(BadInput, match=f"^{retry.PATIENCE}={text}: must be a number of seconds"):
            retry.patience()


@pytest.mark.parametrize(
    "error",
    [
        *(answer(status) for status in (408, 425, 429, 500, 502, 503, 504, 509)),
        answer(400, "RequestTimeout"),
        answer(200, "InternalError"),
        boto.EndpointConnectionError(endpoint_url="x"),
        boto.ConnectTimeoutError(endpoint_url="x"),
        boto.ReadTimeoutError(endpoint_url="x"),
        boto.ConnectionClosedError(endpoint_url="x"),
        boto.ResponseStreamingError(error="reset"),
        boto.IncompleteReadError(actual_bytes=1, expected_bytes=2),
        boto.MetadataRetrievalError(error_msg="no role just now"),
        IncompleteRead(b""),
        ConnectionResetError(errno.ECONNRESET, "reset"),
        TimeoutError(),
        CutShort("1 of 2 bytes"),
        OSError("google::cloud::Status(UNAVAILABLE: could not authenticate, the server does not answer)"),
        OSError("something that nobody has thought of"),
    ],
    ids=repr,
)
def test_outages(error):
    assert fault_of(error, URI) is Fault.UNREACHABLE


@pytest.mark.parametrize(
    "error",
    [
        *(answer(403, code) for code in ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch")),
        *(answer(status) for status in (301, 400, 401, 403, 405)),
        boto.NoCredentialsError(),
        boto.ParamValidationError(report="Invalid bucket name"),
        boto.ProfileNotFound(profile="x"),
        PermissionError("no"),
        pa.ArrowInvalid("an odd path"),
        OSError("PERMISSION_DENIED: Caller does not have storage.objects.get access"),
    ],
    ids=repr,
)
def test_refusals_are_told_at_once_and_are_no_failure_of_a_file(error):
    time = Time()
    with pytest.raises(StorageRefused, match=r"^s3://bucket/a key: the storage refuses it \(.*access rights") as told:
        patiently(script(error), URI, 150, **time.options())
    assert (time.pauses, told.value.exit_code) == ([], 2)
    assert not isinstance(told.value, OSError | BadInput)  # what a file's failure is made of


@pytest.mark.parametrize("error", [answer(404, "NoSuchKey"), FileNotFoundError("?"), OSError("NOT_FOUND: no object")])
def test_what_is_gone_is_told_at_once(error):
    time = Time()
    with pytest.raises(FileNotFoundError, match=r"^s3://bucket/a key: no such file$"):
        patiently(script(error), URI, 150, **time.options())
    assert time.pauses == []


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN])
def test_a_mounted_folder_that_is_away_is_waited_for(number):
    time = Time()
    assert patiently(script(OSError(number, "away"), "there"), "/mnt/corpus/x", 150, **time.options()) == "there"
    assert len(time.pauses) == 1


@pytest.mark.parametrize("number", [errno.EACCES, errno.ENOSPC, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG])
def test_other_errors_of_this_machine_are_raised_as_they_are(number):
    error, time = OSError(number, "no"), Time()
    with pytest.raises(OSError, match="no") as told:
        patiently(script(error), "/mnt/corpus/x", 150, **time.options())
    assert (told.value, time.pauses) == (error, [])


def test_a_mistake_of_the_programs_is_no_outage():
    with pytest.raises(KeyError):
        patiently(script(KeyError("x")), URI, 150, **Time().options())
