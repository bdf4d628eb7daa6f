"""How long a browser takes to open the page of a large corpus: a run's own stems to be heard, and a table of so many more.

    python -m benchmarks.opening RUN [--stems 35000] [--times 5]     # report.html, with the sounds of RUN
    python -m benchmarks.opening --listen [--stems 35000]            # what `raysep listen` serves of a made-up run of so many

Seconds by the clock until the first rows of the table can be read, and of the processor what the browser counts for the thread of the page.
Of what is served also the seconds until the first stem can be played, and those that `raysep listen` takes before it says
where. Needs Chromium and playwright. The smallest of several is what the page takes, the rest what the machine did beside.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import scale
from raysep.report.data import Listing, ReportData
from raysep.report.evidence.of_run import Evidence, shown
from raysep.report.html import render
from raysep.rundir import existing

LABELS = ["bass", "drums", "other", "vocals"]


ROWS, SOUND = "#rows tr", ".card.on .take.on audio"  # the first rows of the table; a stem that can be played


class Opened(NamedTuple):
    seconds: float  # by the clock, until the rows of the table are there
    busy: float  # of a processor
    playable: float  # seconds by the clock


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
    counts.send("Performance.enable", {"timeDomain": "threadTicks"})  # not what it waits while others compute
    begin = time.perf_counter()
    page.goto(address)
    page.wait_for_selector(ROWS)
    seconds = time.perf_counter() - begin
    page.wait_for_selector(SOUND, state="attached")
    playable = time.perf_counter() - begin
    told = {each["name"]: each["value"] for each in counts.send("Performance.getMetrics")["metrics"]}
    context.close()
    return Opened(seconds, told["TaskDuration"], playable)


@contextmanager
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield found
        found.close()


def page_of(run: str, stems: int, times: int) -> list[Opened]:
    """Of ``report.html`` with the run's sounds and so many stems in the table."""
    evidence = Evidence(existing(run, "decision.parquet", "stems.parquet", "manifest.parquet"))
    rows = shown(evidence)
    text = render(ReportData("many", decision=evidence.table, suspects=rows, listing=many(stems)))
    heard = sum(1 for row in rows if row.get("takes"))
    print(f"report.html of {stems} stems, {heard} of them with sounds, {len(text) / 2**20:.1f} MiB")
    with tempfile.TemporaryDirectory() as folder, browser() as found:
        file = Path(folder) / "report.html"
        file.write_text(text)
        return [opened(found, file.as_uri()) for _ in range(times)]


def served(stems: int, times: int) -> list[Opened]:
    """Of what ``raysep listen`` serves of a made-up run of so many stems."""
    from raysep.commands.listen import server

    with tempfile.TemporaryDirectory() as folder:
        root = scale.make_run(Path(folder), stems)
        scale.step_once("decide", root)
        begin, busy = time.perf_counter(), time.process_time()
        with server.listening(existing(root), 0) as (address, serve):
            seconds, busy = time.perf_counter() - begin, time.process_time() - busy
            print(f"raysep listen of {stems} stems: ready after {seconds:.1f} s, {busy:.1f} s of a processor")
            threading.Thread(target=serve, daemon=True).start()
            with browser() as found:
                return [opened(found, address) for _ in range(times)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", nargs="?")
    parser.add_argument("--listen", action="store_true")
    parser.add_argument("--stems", type=int, default=35_000)
    parser.add_argument("--times", type=int, default=5)
    given = parser.parse_args()
    if bool(given.run) == given.listen:
        parser.error("give a RUN, or --listen")
    found = served(given.stems, given.times) if given.listen else page_of(given.run, given.stems, given.times)
    print(f"opened {len(found)} times, smallest to largest")
    for name, values in (
        ("by the clock, to the table's rows", [each.seconds for each in found]),
        ("by the clock, to a stem that plays", [each.playable for each in found]),
        ("of a processor, the thread of the page", [each.busy for each in found]),
    ):
        print(f"  s {name}: {min(values):.2f} … {max(values):.2f}")


if __name__ == "__main__":
    main()
