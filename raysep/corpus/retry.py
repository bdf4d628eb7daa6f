"""What a storage's errors mean, and patience with those that pass: outages, throttling, answers that were cut off.

gone          there is no such file: ``FileNotFoundError``
refused       access rights, credentials, names: ``StorageRefused``
unreachable   the network, the server: tried again with growing, random pauses, then ``StorageUnreachable``
"""

from __future__ import annotations

import errno
import os
import random
import re
import time
from collections.abc import Callable
from enum import StrEnum
from typing import TypeVar

from raysep.corpus import traffic
from raysep.errors import BadInput, StorageRefused, StorageUnreachable

T = TypeVar("T")

PATIENCE = "RAYSEP_STORAGE_PATIENCE"  # seconds, in the environment: how long one request is tried
PATIENCE_SECONDS = 150.0
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 15.0  # seconds; a pause is drawn from zero to a bound that doubles between these

SOON = {408, 409, 425, 429}  # of the 4xx, those that another try may not get; of the others every try does
SOON_CODES = ("RequestTimeout", "SlowDown", "Throttl", "TooManyRequests", "InternalError", "ServiceUnavailable")
NO_CLIENT = (  # botocore's errors of what was configured; all its others are of the network
    "NoCredentialsError",
    "PartialCredentialsError",
    "ProfileNotFound",
    "ParamValidationError",
    "InvalidRegionError",
    "InvalidConfigError",
    "ConfigParseError",
    "UnknownCredentialError",
    "UnauthorizedSSOTokenError",
    "SSOTokenLoadError",
    "ValidationError",
)
# A mounted folder's own words for an outage. EIO is a broken disk's, too.
MOUNT = {
    getattr(errno, name)
    for name in ("EIO", "ESTALE", "ETIMEDOUT", "ENOTCONN", "EHOSTDOWN", "EHOSTUNREACH", "ENETDOWN", "ENETUNREACH")
} | {errno.ECONNRESET, errno.ECONNABORTED, errno.ECONNREFUSED}
# What pyarrow says of gs, abfs and hdfs is text; what is none of these is taken for an outage.
OUTAGE = re.compile(
    r"\b(408|429|5\d\d)\b|unavailable|time.?out|timed out|deadline|reset by|throttl|slow.?down|connect", re.I
)
REFUSAL = re.compile(
    r"\b40[13]\b|access.?denied|permission.?denied|forbidden|unauthori[sz]ed|unauthenticated|authenticat", re.I
)
ABSENCE = re.compile(r"\b404\b|not.?found|does not exist|no such", re.I)


class Fault(StrEnum):
    GONE = "gone"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    OTHER = "other"  # not the storage's: raised as it is


class CutShort(OSError):
    """A body ended before its length said it would."""


def patience() -> float:
    """Seconds that a request is tried for, from ``RAYSEP_STORAGE_PATIENCE``. Raises ``BadInput`` when it is no number."""
    text = os.environ.get(PATIENCE) or str(PATIENCE_SECONDS)
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise BadInput(f"{PATIENCE}={text}: must be a number of seconds, 0 or more")
    return seconds


def patiently(
    action: Callable[[], T],
    uri: str,
    seconds: float | None = None,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
    draw: Callable[[], float] = random.random,
) -> T:
    """What ``action`` returns, tried again while the storage cannot be reached, for ``seconds`` after the first failure.

    Pauses are drawn anew each time (full jitter), so that many workers do not come back all at once; the last try is made
    when the time is over. Raises ``FileNotFoundError``, ``StorageRefused`` or ``StorageUnreachable``, each naming the
    ``uri``; whatever else ``action`` raises, as it is.
    """
    total = patience() if seconds is None else seconds
    begin, bound = None, FIRST_PAUSE
    while True:
        traffic.note(requests=int("://" in uri))
        try:
            found = action()
            if isinstance(found, bytes):
                traffic.note(bytes_read=len(found))
            return found
        except Exception as error:
            fault = fault_of(error, uri)
            if fault is not Fault.UNREACHABLE:
                if told := _told(error, fault, uri):
                    raise told from error
                raise
            now = clock()
            begin = now if begin is None else begin
            left = total - (now - begin)
            if left <= 0:
                raise StorageUnreachable(
                    f"{uri}: storage cannot be reached ({reason(error)}; tried for {now - begin:.0f} s); nothing is lost: "
                    "the same command goes on from here"
                ) from error
        sleep(min(left, bound * draw()))
        bound = min(2 * bound, LONGEST_PAUSE)


def fault_of(error: BaseException, uri: str) -> Fault:
    """What an error of a request for ``uri`` means: a remote store's, or a folder's of this machine."""
    if isinstance(error, FileNotFoundError):
        return Fault.GONE
    if "://" not in uri:
        return Fault.UNREACHABLE if isinstance(error, OSError) and error.errno in MOUNT else Fault.OTHER
    if answer := getattr(error, "response", None):
        return _answered(int(answer["ResponseMetadata"].get("HTTPStatusCode", 0)), str(answer["Error"].get("Code", "")))
    if _module(error).startswith(("botocore.", "boto3.", "s3transfer.", "urllib3.", "http.client")):
        return Fault.REFUSED if type(error).__name__ in NO_CLIENT else Fault.UNREACHABLE
    if isinstance(error, PermissionError) or (isinstance(error, ValueError) and _module(error).startswith("pyarrow")):
        return Fault.REFUSED
    if not isinstance(error, OSError) or isinstance(error, (NotADirectoryError, IsADirectoryError)):
        return Fault.OTHER
    if isinstance(error, (CutShort, ConnectionError, TimeoutError)):
        return Fault.UNREACHABLE
    meanings = {OUTAGE: Fault.UNREACHABLE, REFUSAL: Fault.REFUSED, ABSENCE: Fault.GONE}
    return next((meant for words, meant in meanings.items() if words.search(str(error))), Fault.UNREACHABLE)


def _module(error: BaseException) -> str:
    return type(error).__module__


def _answered(status: int, code: str) -> Fault:
    """Of an S3 server's answer."""
    if status >= 500 or status in SOON or not status or code.startswith(SOON_CODES):
        return Fault.UNREACHABLE
    return Fault.GONE if status == 404 else Fault.REFUSED


def _told(error: Exception, fault: Fault, uri: str) -> Exception | None:
    """What is raised instead of an error that no patience helps with; None: the error itself."""
    if fault is Fault.GONE:
        return FileNotFoundError(f"{uri}: no such {'bucket' if type(error).__name__ == 'NoSuchBucket' else 'file'}")
    if fault is Fault.REFUSED:
        return StorageRefused(
            f"{uri}: the storage refuses it ({reason(error)}); check the address, the access rights, the credentials and "
            "AWS_ENDPOINT_URL"
        )
    return None


def reason(error: BaseException) -> str:
    """An error in a few words of one line."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__
