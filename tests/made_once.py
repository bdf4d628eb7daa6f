"""What several test processes need is made by one of them."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable
from pathlib import Path


def made_once_in(root: Path, name: str, make: Callable[[Path], object]) -> Path:
    """The folder ``name`` in ``root`` that ``make(folder)`` has filled, here or in another process, which is waited for."""
    folder, done = root / name, root / f"{name}.done"
    with open(root / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of one that failed
            folder.mkdir()
            make(folder)
            done.touch()
    return folder
