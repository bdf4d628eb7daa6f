"""How long a browser takes to open the page of a large corpus: a run's own stems to be heard, and a table of so many more.

    python -m benchmarks.opening RUN [--stems 35000] [--times 5]

Seconds by the clock until the first rows of the table can be read, and of the processor by what the browser itself counts.
Needs Chromium and playwright. The smallest of several is what the page takes, the rest what the machine did beside.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from raysep.report.data import Listing, ReportData
from raysep.report.evidence.of_run import Evidence, shown
from raysep.report.html import render
from raysep.rundir import existing

LABELS = ["bass", "drums", "other", "vocals"]


class Opened(NamedTuple):
    seconds: float  # by the clock
    busy: float  # of a processor


def many(count: int) -> Listing:
    """A table of so many stems, every quarter of a track, with a sentence and a file for each."""
    columns: dict[str, list[Any]] = {
        "track": [k // 4 for k in range(count)],
        "label": [k % 4 for k in range(count)],
        "suspicion": [4.0 - k / 5000 for k in range(count)],
        "p": [round(1 - k / count, 4) for k in range(count)],
        "place": [int(k < count // 4) for k in range(count)],
        "fate": [int(k < count // 4) + k % 2 for k in range(count)],
        "kind": [k % 3 for k in range(count)],
        "evidence": [f"digital silence {k % 97} % of the time; trusted drums: at most 0.1 %" for k in range(count)],
        "file": [f"*/{LABELS[k % 4]}.wav" for k in range(count)],
    }
    tracks = [f"Some Artist - Some Song {k:05d}" for k in range(-(-count // 4))]
    return Listing(
        columns,
        tracks,
        LABELS,
        ["", "clip", "noise"],
        ["kept", "removed", "used as bass"],
        "s3://music/",
        "run",
        "many",
    )


def opened(browser: Any, address: str) -> Opened:
    """The page of a browser that has nothing of it yet."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    counts = context.new_cdp_session(page)
    counts.send("Performance.enable")
    begin = time.perf_counter()
    page.goto(address)
    page.wait_for_selector("#rows tr")
    seconds = time.perf_counter() - begin
    told = {each["name"]: each["value"] for each in counts.send("Performance.getMetrics")["metrics"]}
    context.close()
    return Opened(seconds, told["TaskDuration"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--stems", type=int, default=35_000)
    parser.add_argument("--times", type=int, default=5)
    given = parser.parse_args()
    from playwright.sync_api import sync_playwright

    evidence = Evidence(existing(given.run, "decision.parquet", "stems.parquet", "manifest.parquet"))
    rows = shown(evidence)
    text = render(ReportData("many", decision=evidence.table, suspects=rows, listing=many(given.stems)))
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        file = Path(folder) / "report.html"
        file.write_text(text)
        program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        found = [opened(browser, file.as_uri()) for _ in range(given.times)]
        browser.close()
    heard = sum(1 for row in rows if row.get("takes"))
    print(f"{given.stems} stems, {heard} of them with sounds, {len(text) / 2**20:.1f} MiB, opened {len(found)} times")
    for name, values in (("by the clock", [o.seconds for o in found]), ("of a processor", [o.busy for o in found])):
        print(f"  s {name}: {min(values):.2f} … {max(values):.2f}")


if __name__ == "__main__":
    main()
