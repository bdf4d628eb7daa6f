"""What a checkout uploads, by Ray's own reading of the patterns."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from ray._private.runtime_env import packaging

import raysep
from raysep.cluster.upload import MOST_BYTES, upload_of
from raysep.errors import BadInput

KEPT = [
    "pyproject.toml",
    "mine.py",
    "raysep/a.py",
    "raysep/songs/voice/dark.ogg",
    "raysep/weights/x.safetensors",
    "deep/own.py",
]
LEFT = [
    "a.mp3",
    "b.WAV",
    "c.Flac",
    "net.safetensors",
    "old.PTH",
    "deep/t.parquet",
    "deep/[odd] name!.wav",
    "songs/A/bass.aiff",
]
RUNS = ["first/run.json", "first/notes.py", "runs/x.py", "deep/runs/y.py", ".venv/x.py", "docs/a.md"]


@pytest.fixture
def checkout(tmp_path) -> Path:
    root = tmp_path / "checkout"
    for name in (*KEPT, *LEFT, *RUNS):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"12345")
    (tmp_path / "corpus" / "A").mkdir(parents=True)
    (tmp_path / "corpus" / "A" / "notes.txt").write_text("far away")
    (root / "linked").symlink_to(tmp_path / "corpus")
    return root


def uploaded(root: Path, excludes: list[str]) -> list[str]:
    """The files that Ray would pack."""
    found: list[str] = []
    packaging._dir_travel(
        root,
        [packaging._get_excludes(root, excludes)],
        lambda p: found.append(p.relative_to(root).as_posix()) if p.is_file() else None,
        include_gitignore=True,
    )
    return sorted(found)


def test_code_goes_and_what_lies_beside_it_stays(checkout):
    upload = upload_of(checkout)
    assert uploaded(checkout, upload.excludes) == sorted(KEPT)
    assert (upload.files, upload.bytes) == (len(KEPT), 5 * len(KEPT))
    assert upload.left_out == sorted(LEFT, key=lambda name: name.split("/"))
    assert upload.told() == (
        f"uploads 6 files, 0.0 MiB, of {checkout}; left out: 8 files of audio, checkpoints and tables, first a.mp3"
    )


def test_a_folder_of_nothing_but_data_is_one_pattern(checkout):
    assert "/songs" in upload_of(checkout).excludes
    assert not any(pattern.startswith("/songs/") for pattern in upload_of(checkout).excludes)


def test_what_git_ignores_is_not_counted(checkout):
    subprocess.run(["git", "init", "-q"], cwd=checkout, check=True)
    (checkout / ".gitignore").write_text("mine.py\n/deep/\n")
    upload = upload_of(checkout)
    assert uploaded(checkout, upload.excludes) == sorted({*KEPT, ".gitignore"} - {"mine.py", "deep/own.py"})
    assert upload.files == 5


def test_this_checkout_uploads_its_package_whole():
    root = Path(raysep.__file__).parents[1]
    found = set(uploaded(root, upload_of(root).excludes))
    package = {p.relative_to(root).as_posix() for p in (root / "raysep").rglob("*") if p.is_file()}
    assert {p for p in package if "__pycache__" not in p} <= found
    assert upload_of(root).files <= len(found)


def test_more_than_code_can_be_is_refused_before_anything_is_sent(checkout):
    upload_of(checkout).check()
    (checkout / "notes.npy").write_bytes(b"")
    os.truncate(checkout / "notes.npy", MOST_BYTES)
    with pytest.raises(BadInput, match=r"more than 100 MB, which is no code.*--no-upload"):
        upload_of(checkout).check()
