"""SeaweedFS on loopback: an object store that signs, lists and refuses by its own code. It comes with the extra ``dev``."""

from __future__ import annotations

import itertools
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

WEED = shutil.which("weed", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
# The other tests' own: whoever has once asked for a client keeps its key.
KEY = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}


class Endpoints(NamedTuple):
    s3: str
    filer: str  # takes files as they are, unsigned: a bucket is its folder /buckets/NAME


@contextmanager
def seaweed(folder: Path) -> Iterator[Endpoints]:
    """Where it listens, while it runs, with its data in this folder."""
    assert WEED
    s3_port, master, volume, filer, admin = free_ports(5)
    words = [
        "mini",
        f"-dir={folder}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        f"-s3.port={s3_port}",
        f"-master.port={master}",
        f"-volume.port={volume}",
        f"-filer.port={filer}",
        f"-admin.port={admin}",
        "-admin.ui=false",
        "-webdav=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([WEED, *words], stdout=log, stderr=log, env={**os.environ, **KEY}, cwd=folder)
    try:
        endpoint, deadline = f"http://127.0.0.1:{s3_port}", time.monotonic() + 120
        while not _answers(endpoint):
            assert process.poll() is None, (folder / "log").read_text()[-2000:]
            assert time.monotonic() < deadline, (folder / "log").read_text()[-2000:]
            time.sleep(0.2)
        yield Endpoints(endpoint, f"http://127.0.0.1:{filer}")
    finally:
        process.kill()  # to end in peace takes it half a minute
        process.wait()


def free_ports(count: int) -> list[int]:
    """Below 50000: the program takes the port 10000 above each, too."""
    found = []
    for port in itertools.count(20000 + os.getpid() % 20000):
        with socket.socket() as one, socket.socket() as other:
            try:
                one.bind(("127.0.0.1", port))
                other.bind(("127.0.0.1", port + 10000))
            except OSError:
                continue
            found.append(port)
        if len(found) == count:
            return found
    raise AssertionError


def _answers(endpoint: str) -> bool:
    try:
        urllib.request.urlopen(endpoint, timeout=5).read()
    except urllib.error.HTTPError as error:
        return error.code == 403
    except OSError:
        return False
    return True
