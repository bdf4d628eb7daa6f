"""What of a checkout goes to a cluster with a job: its code, and nothing of what lies beside it.

Songs, checkpoints and runs that were left in the checkout would be uploaded for every job, and nobody would know. What is
part of the package itself (its voice, the weights that it ships) goes along whatever its ending.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raysep.corpus.layouts.headers import EXTENSIONS
from raysep.errors import BadInput

PACKAGE = "raysep"
FOLDERS = (".venv", ".git", "runs", "docs", "tests", "benchmarks", "__pycache__")  # at any depth
MOST_BYTES = 100 * 10**6  # beyond it something lies in the checkout that is no code
RUN = "run.json"  # a folder with it is a run, whatever its name
# By their ending, in any case of letters. Not NumPy's arrays and not JSON: a module of one's own may read them.
DATA = (
    *EXTENSIONS,
    *(".mp4", ".m4a", ".aac", ".wma", ".mkv", ".mov"),
    *(".safetensors", ".pt", ".pth", ".th", ".ckpt", ".chkpnt", ".bin", ".onnx", ".h5"),
    *(".parquet", ".arrow", ".fadref", ".zip", ".tar", ".gz", ".tgz", ".7z", ".sf2", ".sf3"),
)


@dataclass(frozen=True)
class Upload:
    root: Path
    excludes: list[str]  # patterns as in .gitignore
    files: int
    bytes: int
    left_out: list[str]  # files of data, below the root
    package: bool = False  # the root is the package alone, as it is installed

    def environment(self) -> dict[str, Any]:
        """Of the runtime environment of a job: the folder it starts in, or a module that it can import."""
        place: dict[str, Any] = {"py_modules": [str(self.root)]} if self.package else {"working_dir": str(self.root)}
        return {**place, "excludes": self.excludes}

    def check(self) -> None:
        """Raise ``BadInput`` for more than code can be."""
        if self.bytes > MOST_BYTES:
            raise BadInput(
                f"{self.told()}: more than {MOST_BYTES / 10**6:.0f} MB, which is no code; move what is large out of it, have git ignore it, "
                "or give --no-upload where the nodes have raysep installed"
            )

    def told(self) -> str:
        """What goes and what stays, in one line."""
        kept = f"uploads {self.files} files, {self.bytes / 2**20:.1f} MiB, of {self.root}"
        if not self.left_out:
            return kept
        return (
            f"{kept}; left out: {len(self.left_out)} files of audio, checkpoints and tables, first {self.left_out[0]}"
        )


def upload_of_package(root: Path) -> Upload:
    """What a job takes along of an installed raysep: its own folder, and nothing of what is installed beside it."""
    walk = _Walk(root.parent, frozenset())
    walk.folder(root)
    return Upload(root, ["__pycache__"], walk.files, walk.bytes, [], package=True)


def upload_of(root: Path) -> Upload:
    """What a job takes along of the checkout at ``root``."""
    walk = _Walk(root, _ignored(root))
    walk.folder(root)
    return Upload(root, [*FOLDERS, *walk.excludes], walk.files, walk.bytes, walk.left_out)


class _Walk:
    """A walk over a checkout; of a folder that nothing is kept of, the folder itself is excluded."""

    def __init__(self, root: Path, ignored: frozenset[str]) -> None:
        self.root, self.ignored = root, ignored
        self.excludes: list[str] = []
        self.left_out: list[str] = []
        self.files = self.bytes = 0

    def folder(self, place: Path) -> bool:
        """Whether anything below is kept."""
        before, known = self.files, len(self.excludes)
        for entry in sorted(os.scandir(place), key=lambda e: e.name):
            self._entry(entry)
        if self.files == before and place != self.root:
            del self.excludes[known:]
            self.excludes.append(self._pattern(place))
        return self.files > before

    def _entry(self, entry: os.DirEntry[str]) -> None:
        place = Path(entry.path)
        name = place.relative_to(self.root).as_posix()
        if entry.name in FOLDERS or name in self.ignored:
            return
        if entry.is_dir():
            if entry.is_symlink() or (place / RUN).is_file():  # a link may lead to a whole corpus
                self.excludes.append(self._pattern(place))
            else:
                self.folder(place)
        elif self._is_data(name):
            self.left_out.append(name)
            self.excludes.append(self._pattern(place))
        elif entry.is_file():
            self.files += 1
            self.bytes += entry.stat().st_size

    def _is_data(self, name: str) -> bool:
        return not name.startswith(f"{PACKAGE}/") and name.lower().endswith(DATA)

    def _pattern(self, place: Path) -> str:
        """The one path, whatever its name holds."""
        return "/" + re.sub(r"([\\*?\[\]!# ])", r"\\\1", place.relative_to(self.root).as_posix())


def _ignored(root: Path) -> frozenset[str]:
    """What git ignores there, and Ray with it; nothing where there is no git."""
    words = ["git", "ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory"]
    try:
        told = subprocess.run(words, cwd=root, capture_output=True, check=True, timeout=30).stdout
    except (OSError, subprocess.SubprocessError):
        return frozenset()
    return frozenset(_names(told.decode(errors="surrogateescape")))


def _names(told: str) -> Iterator[str]:
    yield from (name.rstrip("/") for name in told.split("\0") if name)
