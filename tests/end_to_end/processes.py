"""Processes of this machine, and the ports that they may listen on."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

RAY = str(Path(sys.executable).with_name("ray"))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def descendants(number: int) -> dict[int, str]:
    """Process numbers and titles of all that a process has started."""
    parents, titles = {}, {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                titles[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue  # it has just ended
    found = {number}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return {child: titles[child] for child in found - {number}}


def training_processes(number: int) -> list[int]:
    """Process numbers of Ray Train's workers among all that a process has started."""
    return [child for child, title in descendants(number).items() if "RayTrainWorker" in title]
