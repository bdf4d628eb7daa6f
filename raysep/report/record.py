"""The report's last sections: what failed, what the run cost, what was not measured, and how to make it again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from raysep.report import findings, pictures
from raysep.report.data import ReportData
from raysep.report.markup import Column, details, facts, figure, heading, keys_of, note, section, table, text
from raysep.report.numbers import anything, count, decimal, duration, flatten, known

LISTED = 200  # failures shown; the table beside the report holds all of them
EXPLAINED = {
    "share",
    "gain",
    "tracks",
    "baseline",
    "cleaned",
    "rule",
    "handling",
    "threshold",
    "level",
    "reference_alone",
    "silence",
}


def failures(data: ReportData) -> str:
    if not data.failures:
        return ""
    keys = keys_of(data.failures, {"stem_id"})
    columns = [Column("Stem"), *(Column(heading(key), "prose") for key in keys)]
    rows = [[text(row.get("stem_id")), *(text(row.get(key)) for key in keys)] for row in data.failures[:LISTED]]
    body = table("Stems that could not be read or scored", columns, rows)
    if len(data.failures) > LISTED:
        body += note(f"{count(len(data.failures) - LISTED)} more are in the failures table beside this report.")
    subject = "stem failed and was" if len(data.failures) == 1 else "stems failed and were"
    lead = f"{count(len(data.failures))} {subject} not treated as silence."
    return section("failures", "What failed?", body, lead)


def ledger_columns(ledger: Mapping[str, Any]) -> dict[str, Any]:
    """What a stage has cost beside time (see ``raysep.ledger``), as columns of the table of stages."""
    read, requests = ledger.get("bytes_read"), ledger.get("requests")
    told = {
        "CPU": duration(ledger["cpu_seconds"]) if "cpu_seconds" in ledger else None,
        "GPU": duration(ledger["gpu_seconds"]) if "gpu_seconds" in ledger else None,
        "read, GB": decimal(read / 1e9, 3) if read else None,
        "requests": count(requests) if requests else None,
        "memory, GiB": decimal(ledger["peak_memory_gib"], 2) if "peak_memory_gib" in ledger else None,
    }
    return {name: value for name, value in told.items() if value is not None}


def costs(data: ReportData) -> str:
    if not data.stages and not known(data.memory_gib):
        return ""
    total = sum(row["seconds"] for row in data.stages if known(row.get("seconds")))
    pairs = [("Total time", duration(total))] if data.stages else []
    pairs += [("Peak memory", f"{decimal(data.memory_gib, 2)} GiB")] if known(data.memory_gib) else []
    body = facts(pairs)
    if data.stages:
        extra = keys_of(data.stages, {"name", "seconds"})
        longest = max((row["seconds"] for row in data.stages if known(row.get("seconds"))), default=0.0)
        columns = [Column("Stage"), Column("Time", "number"), Column("Against the longest", "figure wide")]
        columns += [Column(heading(name), "number") for name in extra]
        rows = []
        for row in data.stages:
            seconds = row.get("seconds")
            fraction = seconds / longest if known(seconds) and longest else 0.0
            picture = pictures.bar(fraction, f"{anything(row.get('name'))}: {duration(seconds)}", "plain")
            rows.append([text(row.get("name")), duration(seconds), picture, *(figure(row.get(key)) for key in extra)])
        body += table("Wall-clock time of the stages", columns, rows)
    return section("costs", "What did it cost?", body)


def provenance(data: ReportData) -> str:
    """The run's record in full, after a list of what this report cannot say."""
    pairs = flatten(data.run) + flatten({k: v for k, v in data.summary.items() if k not in EXPLAINED})
    body = "".join(f"<li>{text(line)}</li>" for line in findings.unmeasured(data))
    body = f'<h3>Not measured</h3><ul class="unmeasured">{body}</ul>' if body else ""
    if pairs:
        columns = [Column("Setting", "code"), Column("Value", "code")]
        listing = table("Configuration and provenance", columns, [[text(key), text(value)] for key, value in pairs])
        short = [(key, text(value)) for key, value in data.run.items() if not isinstance(value, (dict, list, tuple))]
        body = facts(short[:6]) + body + details(f"All {len(pairs)} settings", listing)
    return section("provenance", "How was it made?", body) if body else ""
