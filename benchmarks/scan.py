"""What it costs to list a corpus that is new, and one that has not changed: requests, seconds, the driver's memory.

    python -m benchmarks.scan --out docs/results

Tracks of four stems, each a WAV file of 800 samples of its own, in a folder and in an S3 server on loopback, a process of its own:
moto, which is filled from inside, with ``--server weed`` SeaweedFS, which is filled by its filer, or with ``--server lister`` one of our
own that only lists (``benchmarks/lister.py``). What was measured before, of
other sizes and servers, stays in the page. Every scan is a process of its own. The new one has nothing to go by; the unchanged one has
the manifest that the first has left, once as rows that the scan knows (`raysep scan` again, a run that goes on), and once as the
corpus itself. Requests are those that boto3 sends, files those that are opened.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import numpy as np

from benchmarks.results import write
from raysep.audio.files import encode

LABELS = ("vocals", "drums", "bass", "other")
SIZES = (1_000, 10_000, 100_000)
SAMPLES, RATE = 800, 8_000
BUCKET = "scan"
SETTLED_SECONDS = 3  # what is younger is not believed to be unchanged
NEW, KNOWN, GIVEN = "new", "unchanged, known", "unchanged, its manifest"
TARGET_SECONDS, TARGET_STEMS = 60, 100_000
PUTTING = 8  # connections that fill a store
WAIT = 0.2  # seconds before each answer of the lister, as a store far away takes them
MOTO, WEED, LISTER = "moto", "weed", "lister"
NAMES = {MOTO: "S3 on loopback", WEED: "SeaweedFS on loopback", LISTER: f"a lister, {WAIT:g} s an answer"}
SERVED = {MOTO: ("benchmarks.scan", "--serve"), LISTER: ("benchmarks.lister", "--wait", str(WAIT))}


def stems(count: int) -> Iterator[tuple[str, bytes]]:
    """(path below the corpus, the bytes of a file like no other)."""
    whole = encode(np.zeros((1, SAMPLES), np.float32), RATE)
    for number in range(count):
        path = f"track-{number // len(LABELS):06d}/{LABELS[number % len(LABELS)]}.wav"
        yield path, whole[:-4] + number.to_bytes(4, "little")


def write_folder(folder: Path, count: int) -> str:
    for path, data in stems(count):
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    return str(folder)


@contextmanager
def stored(count: int) -> Iterator[str]:
    """The same of a SeaweedFS."""
    from benchmarks.seaweed import KEY, seaweed

    with tempfile.TemporaryDirectory() as folder, seaweed(Path(folder)) as endpoints:
        os.environ |= {**KEY, "AWS_ENDPOINT_URL": endpoints.s3}
        import boto3

        boto3.client("s3").create_bucket(Bucket=BUCKET)
        place = urlparse(endpoints.filer)

        def put(own: Iterable[tuple[str, bytes]]) -> None:
            connection = http.client.HTTPConnection(place.hostname or "", place.port)
            for path, data in own:
                connection.request("PUT", f"/buckets/{BUCKET}/corpus/{path}", data, {"Content-Type": "audio/wav"})
                assert connection.getresponse().read() is not None
            connection.close()

        with ThreadPoolExecutor(PUTTING) as pool:
            list(pool.map(put, (islice(stems(count), k, None, PUTTING) for k in range(PUTTING))))
        yield f"s3://{BUCKET}/corpus"


@contextmanager
def served(count: int, server: str = MOTO) -> Iterator[str]:
    """An S3 server in a process of its own, which holds the corpus; gives the corpus's URI, and points the environment at it."""
    process = subprocess.Popen([sys.executable, "-m", *SERVED[server], str(count)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        os.environ |= {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": process.stdout.readline().strip(),
        }
        yield f"s3://{BUCKET}/corpus"
    finally:
        process.terminate()
        process.wait()


def serve(count: int) -> None:
    """Until it is ended. Says its address when it holds everything."""
    import logging

    from moto.core.models import DEFAULT_ACCOUNT_ID
    from moto.s3.models import s3_backends
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    store = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
    store.create_bucket(BUCKET, "us-east-1")
    for path, data in stems(count):
        store.put_object(BUCKET, f"corpus/{path}", data)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    print("http://{}:{}".format(*server.get_host_and_port()), flush=True)
    while True:
        time.sleep(60)


def peak_mib(anew: bool = False) -> float:
    """The most that this process has held; ``anew``: from now on. (What ``getrusage`` tells, a process has from its parent.)"""
    if anew:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


def scan_once(place: str, how: str, manifest_file: str) -> dict[str, Any]:
    """In this process, which does nothing else."""
    from raysep.corpus import identity, manifest, storage
    from raysep.corpus.layouts import stems_of
    from raysep.corpus.stores import s3

    counted: Counter[str] = Counter()
    original = storage.open_whole

    def opened(uri: str) -> Any:
        counted["files"] += 1
        return original(uri)

    storage.open_whole = opened
    if storage.is_remote(place):
        s3.client().meta.events.register("before-send.s3", lambda **about: counted.update(requests=1))
    before, memory_before = resource.getrusage(resource.RUSAGE_SELF), peak_mib(anew=True)
    begin = time.perf_counter()
    if how == GIVEN:
        found = stems_of(manifest_file, on_problem="keep").stems
    else:
        found = stems_of(place, known=identity.known_by(manifest_file) if how == KNOWN else ()).stems
    seconds = time.perf_counter() - begin
    after, memory = resource.getrusage(resource.RUSAGE_SELF), peak_mib()
    if how == NEW:
        manifest.write(manifest_file, found)
    return {
        "stems": len(found),
        "seconds": seconds,
        "processor_seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "requests": counted["requests"],
        "files": counted["files"],
        "bytes_a_stem": 2**20 * (memory - memory_before) / max(1, len(found)),
        "memory_mib": memory,
        "memory_before_mib": memory_before,
    }


def write_manifest(place: str, count: int, file: str) -> None:
    """The rows that a scan would find, made of what was put there: whether they are right shows by no file being read."""
    from raysep.corpus import manifest, storage
    from raysep.corpus.tags import of_bytes

    times = {listed.uri: listed.modified for listed in storage.list_files(place)}
    rows = []
    for path, data in stems(count):
        track, _, label = path.removesuffix(".wav").partition("/")
        uri = f"{place}/{path}"
        about = (RATE, 1, SAMPLES, "WAV/PCM_16", len(data), of_bytes(data))
        rows.append(manifest.Stem(f"{track}/{label}", track, label, uri, *about, modified=times[uri]))
    manifest.write(file, rows)


def measured(place: str, name: str, count: int, folder: Path, ways: Sequence[str]) -> list[dict[str, Any]]:
    """Ways to scan one corpus, each in a process of its own."""
    time.sleep(SETTLED_SECONDS)
    rows = []
    if NEW not in ways:
        write_manifest(place, count, str(folder / f"{name}-{count}.parquet"))
        time.sleep(SETTLED_SECONDS)
    for how in ways:
        ask = [sys.executable, "-m", "benchmarks.scan", "--scan", place, how, str(folder / f"{name}-{count}.parquet")]
        told = subprocess.run(ask, check=True, stdout=subprocess.PIPE, text=True).stdout
        row = {"where": name, "how": how, **json.loads(told)}
        assert row["stems"] == count, row
        assert row["files"] == (count if how == NEW else 0), row
        print(json.dumps(row), file=sys.stderr, flush=True)
        rows.append(row)
    return rows


def page(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| corpus in | stems | scan | requests | files read | seconds | of these the processor's | ms a stem | driver's peak MiB | before the scan |",
        "|---|---:|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        requests = f"{row['requests']}" if row["where"] != "folder" else "—"
        lines.append(
            f"| {row['where']} | {row['stems']} | {row['how']} | {requests} | {row['files']} | {row['seconds']:.1f} | "
            f"{row['processor_seconds']:.1f} | "
            f"{1000 * row['seconds'] / row['stems']:.2f} | {row['memory_mib']:.0f} | {row['memory_before_mib']:.0f} |"
        )
    for name in NAMES.values():
        judged = [r for r in rows if r["where"] == name and r["stems"] == TARGET_STEMS and r["how"] != NEW]
        if judged:
            slowest = max(judged, key=lambda row: row["seconds"])
            verdict = "met" if slowest["seconds"] < TARGET_SECONDS else "missed"
            lines.append(
                f"\nTarget: an unchanged corpus of {TARGET_STEMS} stems in S3 in under {TARGET_SECONDS} s, {name}: {verdict}, "
                f"{slowest['seconds']:.0f} s, of which raysep's processor takes {slowest['processor_seconds']:.0f}."
            )
    lines.append("")
    largest = max((row for row in rows), key=lambda row: (row["stems"], row["memory_mib"]))
    lines.append(
        f"Memory: {largest['bytes_a_stem'] / 1000:.1f} kB a stem at the most of {largest['stems']}, which are the rows themselves.\n"
    )
    most = max(row["requests"] / row["stems"] for row in rows if row["how"] == NEW)
    lines.append(f"Target: at most 3 requests for a new stem: {most:.2f}, lists included.")
    return "\n".join(lines)


def with_those_before(file: Path, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of earlier calls, but for those that were measured again; by size, then place."""
    before = json.loads(file.read_text(encoding="utf-8"))["scans"] if file.exists() else []
    again = {(row["where"], row["stems"], row["how"]) for row in rows}
    kept = [row for row in before if (row["where"], row["stems"], row["how"]) not in again]
    order = ["folder", *NAMES.values()]
    return sorted([*kept, *rows], key=lambda row: (row["stems"], order.index(row["where"])))


def command_of(arguments: argparse.Namespace) -> str:
    given = {"--sizes": arguments.sizes, "--store-sizes": arguments.store_sizes}
    other = [f" {name} {' '.join(map(str, sizes))}".rstrip() for name, sizes in given.items() if tuple(sizes) != SIZES]
    other += [f" --server {arguments.server}"] if arguments.server != MOTO else []
    other += [" --unchanged"] if arguments.unchanged else []
    return "python -m benchmarks.scan" + "".join(other)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="docs/results")
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES, help="stems in a folder")
    parser.add_argument("--store-sizes", type=int, nargs="+", default=SIZES, help="stems in the S3 server")
    parser.add_argument("--server", choices=NAMES, default=MOTO)
    parser.add_argument(
        "--unchanged", action="store_true", help="only unchanged corpora, by manifests that no scan made"
    )
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--scan", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.server == LISTER and not arguments.unchanged:
        parser.error("--server lister holds no files to be read: with --unchanged alone")
    if arguments.serve:
        serve(arguments.serve)
    if arguments.scan:
        print(json.dumps(scan_once(*arguments.scan)))
        return
    rows = []
    ways = (KNOWN, GIVEN) if arguments.unchanged else (NEW, KNOWN, GIVEN)
    for count in sorted({*arguments.sizes, *arguments.store_sizes}):
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            if count in arguments.sizes:
                rows += measured(write_folder(folder / "corpus", count), "folder", count, folder, ways)
            if count in arguments.store_sizes:
                with stored(count) if arguments.server == WEED else served(count, arguments.server) as place:
                    rows += measured(place, NAMES[arguments.server], count, folder, ways)
    from importlib.metadata import version

    rows = with_those_before(Path(arguments.out) / "scan.json", rows)
    about = f"moto {version('moto')}, boto3 {version('boto3')}, on cores that other work shared"
    write(
        arguments.out,
        "scan",
        "What a scan costs",
        command_of(arguments),
        about,
        page(rows),
        {"scans": rows},
    )


if __name__ == "__main__":
    main()
