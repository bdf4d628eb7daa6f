"""How long a browser takes to open the page of a large corpus: a run's own stems to be heard, and a table of so many more.

    python -m benchmarks.opening RUN [--stems 35000] [--times 5]     # report.html, with the sounds of RUN
    python -m benchmarks.opening --listen [--stems 35000]            # what `raysep listen` serves of a made-up run of so many

Seconds by the clock until the first rows of the table can be read and the first stem can be played, and of a processor until
then: of all the browser's processes, each time with one more, and of the page's own thread. By the clock a busy machine
takes longer; what the processes take together is what an idle core takes. Of what is served also what `raysep listen` takes
before it says where. Needs Chromium and playwright.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import scale
from raysep.report.data import Listing, ReportData
from raysep.report.evidence.of_run import Evidence
from raysep.report.evidence.sounding import shown
from raysep.report.html import render
from raysep.rundir import existing

LABELS = ["bass", "drums", "other", "vocals"]


SETTLED = 1.0  # seconds in which the browser has made the empty window, which is no part of opening a page
ROWS, SOUND = "#rows tr", ".card.on .take.on audio"  # the first rows of the table; a stem that can be played


class Opened(NamedTuple):
    seconds: float  # by the clock, until the rows of the table are there
    playable: float  # likewise, until a stem can be played
    all_of_it: float  # of a processor, until then, of all the browser's processes
    page: float  # of a processor, the thread of the page


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
    page.wait_for_timeout(SETTLED * 1000)
    begin, busy = time.perf_counter(), processor_seconds()
    page.goto(address)
    page.wait_for_selector(ROWS)
    seconds = time.perf_counter() - begin
    page.wait_for_selector(SOUND, state="attached")
    playable = time.perf_counter() - begin
    busy = processor_seconds() - busy
    told = {each["name"]: each["value"] for each in counts.send("Performance.getMetrics")["metrics"]}
    context.close()
    return Opened(seconds, playable, busy, told["TaskDuration"])


def processor_seconds() -> float:
    """What the browser's processes that are alive have taken of a processor, all together; on Linux."""
    ticks, parent = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # one that ended meanwhile
            number, name, rest = re.fullmatch(r"(\d+) \((.*)\) (.*)\s*", stat.read_text(), re.DOTALL).groups()  # type: ignore[union-attr]
            fields = rest.split()
            parent[int(number)] = int(fields[1])
            ticks[int(number)] = int(fields[11]) + int(fields[12]) if "chrom" in name else 0

    def ours(process: int) -> bool:
        return process == os.getpid() or (process in parent and ours(parent[process]))

    return sum(taken for process, taken in ticks.items() if ours(process)) / os.sysconf("SC_CLK_TCK")


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
        ("of a processor, all the browser's processes", [each.all_of_it for each in found]),
        ("of a processor, the thread of the page", [each.page for each in found]),
    ):
        print(f"  s {name}: {min(values):.2f} … {max(values):.2f}")


if __name__ == "__main__":
    main()
