"""Write a benchmark's result down with what it was measured on: a page to read and the figures as JSON."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from raysep.rundir import environment


def write(folder: str, name: str, title: str, command: str, about: str, page: str, figures: dict[str, Any]) -> None:
    """``FOLDER/NAME.md`` and ``FOLDER/NAME.json``. ``about`` says how it was run: threads, rounds, versions of peers."""
    here = environment() | {"command": command, "date": f"{datetime.now(UTC):%Y-%m-%d}", "machine": machine()}
    git = here["git"] or {"commit": "unknown", "dirty": False}
    changed = " with changes that were not committed" if git["dirty"] else ""
    size = here["machine"]
    head = (
        f"# {title}\n\n"
        f"`{command}`, commit {git['commit'][:12]}{changed}, {here['date']}; {about}.\n"
        f"Machine: {size['cpu']}, {size['cores']} cores, {size['memory_gib']:.0f} GiB; Python {here['versions']['python']}, "
        f"numpy {here['versions']['numpy']}, torch {here['versions']['torch']}.\n\n"
    )
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    (target / f"{name}.md").write_text(f"{head}{page.rstrip()}\n", encoding="utf-8")
    (target / f"{name}.json").write_text(
        json.dumps({**figures, "environment": here}, indent=1) + "\n", encoding="utf-8"
    )


def machine() -> dict[str, Any]:
    """Its size, in words that mean something elsewhere."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    names = [
        line.split(":", 1)[1].strip()
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        if line.startswith("model name")
    ]
    return {"cpu": names[0] if names else "unknown processor", "cores": os.cpu_count(), "memory_gib": memory}
