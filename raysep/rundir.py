"""A run's folder, local or in an object store: what is done, by whom, from what.

    RUN/
      run.json             config, hash, versions, git state, digests, stages with their seconds
      manifest.parquet …   tables, each written whole or not at all
      scores/part-00007.parquet
      done/<stage>.json    written last: the stage needs not be done again
      done/<stage>/00007.json   likewise for one shard of a stage

Every write is atomic, and a marker is written after what it vouches for. A killed run therefore leaves either
a finished piece with its marker, or work that is done again with the same result.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raysep import ledger
from raysep.corpus import storage
from raysep.corpus.tables import parquet_bytes, write_parquet
from raysep.errors import BadInput, RunConflict

if TYPE_CHECKING:
    import pyarrow as pa

FIRST_LOOK = "first-look"  # a stage's name, and its folder's
SONGS = ("corpus", "made.json")  # what a demo makes in the folder before its run begins
VERSIONED = ("raysep", "ray", "torch", "torchaudio", "numpy", "pyarrow", "scipy", "scikit-learn", "soundfile")


class Run:
    """The folder of one run. Cheap to make and to pickle: workers make their own."""

    def __init__(self, root: str) -> None:
        self.root = storage.absolute(root)

    def path(self, *parts: str) -> str:
        return storage.join(self.root, *parts)

    # Files

    def has(self, *parts: str) -> bool:
        return storage.exists(self.path(*parts))

    def read_bytes(self, *parts: str) -> bytes:
        return storage.read_bytes(self.path(*parts))

    def write_bytes(self, data: bytes, *parts: str) -> None:
        storage.write_bytes(self.path(*parts), data)

    def read_json(self, *parts: str) -> Any:
        return json.loads(self.read_bytes(*parts))

    def write_json(self, value: Any, *parts: str) -> None:
        self.write_bytes(json.dumps(value, indent=2, default=_plain).encode() + b"\n", *parts)

    def read_table(self, *parts: str) -> pa.Table:
        return storage.read_table(self.path(*parts))

    def write_table(self, table: pa.Table, *parts: str) -> None:
        write_parquet(table, self.path(*parts))

    # Stages and shards

    def is_done(self, stage: str) -> bool:
        return self.has("done", f"{stage}.json")

    @contextmanager
    def stage(self, name: str) -> Iterator[dict[str, Any]]:
        """Time a stage, and count what it costs; what the body puts into the record goes into its marker and into run.json."""
        record: dict[str, Any] = {"started": _now()}
        begin = time.perf_counter()
        with ledger.of_stage(name) as cost:
            yield record
        record["seconds"] = round(time.perf_counter() - begin, 2)
        record["ledger"] = cost
        self.write_json(record, "done", f"{name}.json")
        self.update({"stages": {name: record}})

    def markers(self, stage: str) -> dict[int, dict[str, Any]]:
        """Markers of finished shards by number, whatever they were made of: each says so by its fingerprint."""
        folder = self.path("done", stage)
        found = (
            json.loads(storage.read_bytes(storage.uri_of(folder, info)))
            for info in storage.list_files(folder, recursive=False)
        )
        return {marker["shard"]: marker for marker in found}

    def shards_done(self, stage: str, fingerprint: str) -> dict[int, dict[str, Any]]:
        """The same without those that were written under another configuration, which do not count."""
        return {number: m for number, m in self.markers(stage).items() if m["fingerprint"] == fingerprint}

    def finish_shard(
        self, stage: str, shard: int, fingerprint: str, data: bytes, part: str, counts: dict
    ) -> dict[str, Any]:
        """Write a shard's part, then the marker that vouches for it."""
        self.write_bytes(data, part)
        marker = {
            "shard": shard,
            "part": part,
            "digest": storage.digest(data),
            "fingerprint": fingerprint,
            "counts": counts,
            "finished": _now(),
            "host": platform.node(),
            "pid": os.getpid(),
        }
        self.write_json(marker, "done", stage, f"{shard:05d}.json")
        return marker

    # run.json

    def open(self, fingerprint: str, record: dict[str, Any], hint: str = "") -> bool:
        """Begin or continue the run; True when continued. Raises ``RunConflict`` for another configuration; ``hint`` ends it."""
        if self.has("run.json"):
            there = self.read_json("run.json")
            if not self.is_of(fingerprint):
                raise RunConflict(
                    f"{self.root}: holds run {there.get('fingerprint')} made with another configuration or other data "
                    f"(this one is {fingerprint}); choose another --out, or delete that folder{hint}"
                )
            self.update({"resumed": [*there.get("resumed", []), _now()]})
            return True
        self.refuse_taken()
        self.write_json(
            {"fingerprint": fingerprint, "started": _now(), **record, **environment(), "stages": {}}, "run.json"
        )
        return False

    def refuse_taken(self) -> None:
        """Raise ``RunConflict`` for a folder that holds something, and no run."""
        if self.has("run.json"):
            return
        try:
            held = storage.list_files(self.root, recursive=False) or storage.list_files(self.root)
        except NotADirectoryError:
            raise BadInput(f"{self.root}: a file; give the folder of the run") from None
        songs = self.path(SONGS[0]) + "/" if self.has(*SONGS) else None
        if any(songs is None or not storage.uri_of(self.root, info).startswith(songs) for info in held):
            raise RunConflict(
                f"{self.root}: is not empty and holds no run.json; choose another --out, or empty the folder"
            )

    def is_of(self, fingerprint: str) -> bool:
        """Whether this is the fingerprint of the run that is here, or one that may continue it."""
        there = self.read_json("run.json")
        return fingerprint in (there.get("fingerprint"), *there.get("accepts", []))

    def accept(self, fingerprint: str) -> None:
        """Let this fingerprint continue the run too: its failed files were put right, nothing else changed."""
        self.update({"accepts": [*self.read_json("run.json").get("accepts", []), fingerprint]})

    def update(self, changes: dict[str, Any]) -> None:
        """Merge into run.json, section by section."""
        from raysep.overrides import merge

        self.write_json(merge(self.read_json("run.json") if self.has("run.json") else {}, changes), "run.json")


def existing(root: str, *files: str) -> Run:
    """A run that somebody made, and that has come as far as these files. Raises ``BadInput`` when there is none."""
    run = Run(root)
    if not run.has("run.json"):
        raise BadInput(f"{root}: no run here (no run.json); give the folder that `raysep clean … --out` wrote")
    try:
        run.read_json("run.json")
    except ValueError as error:
        raise BadInput(f"{run.path('run.json')}: cannot be read ({error}); choose another folder") from None
    for name in files:
        if not run.has(name):
            raise BadInput(f"{root}: has no {name} yet; start its `raysep clean` again to finish it")
    return run


def table_bytes(table: pa.Table) -> bytes:
    return parquet_bytes(table)


def environment() -> dict[str, Any]:
    """Versions, git state and machine, as they are now."""
    from importlib import metadata

    versions: dict[str, str | None] = {}
    for package in VERSIONED:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = None
    return {
        "versions": {"python": platform.python_version(), **versions},
        "git": _git(),
        "command": sys.argv,
        "machine": {"cores": os.cpu_count(), "platform": platform.platform()},
    }


def _git() -> dict[str, Any] | None:
    def ask(*words: str) -> str:
        return subprocess.run(
            ["git", *words], cwd=Path(__file__).parent, capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()

    try:
        return {"commit": ask("rev-parse", "HEAD"), "dirty": bool(ask("status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _plain(value: Any) -> Any:
    """Numpy scalars and arrays as plain numbers, for JSON."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def read_scores(run: Run, folder: str = "scores") -> pa.Table:
    """All rows of all parts of a pass, in shard order."""
    return together(score_parts(run, folder))


def score_parts(run: Run, folder: str = "scores") -> Iterator[pa.Table]:
    """The same, a part after the other."""
    files = storage.list_files(run.path(folder), recursive=False)
    if not files:
        raise BadInput(f"{run.root}: holds no scores yet; start the same `raysep clean` again to go on")
    return (run.read_table(folder, info.base_name) for info in files)


def together(parts: Iterable[pa.Table]) -> pa.Table:
    """One table; what a part lacks of the columns of others is null. It says of itself what the part that says most does."""
    import pyarrow as pa

    tables = list(parts)
    # A part of nothing but failures describes no probe; those that do all say the same.
    metadata = max((part.schema.metadata or {} for part in tables), key=lambda each: len(each.get(b"raysep", b"")))
    return pa.concat_tables(tables, promote_options="default").replace_schema_metadata(metadata)
