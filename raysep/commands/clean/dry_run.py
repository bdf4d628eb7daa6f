"""`raysep clean --dry-run`: what it would read, compute and leave, from listings, manifests and half a minute of measuring."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from raysep import config as settings
from raysep import pace
from raysep.commands.clean import estimate
from raysep.commands.clean.estimate import Amount, Parts, Row, Speed
from raysep.config import Config
from raysep.corpus import labels, storage
from raysep.corpus.inputs import Inputs, tell_shared_names
from raysep.corpus.layouts.glance import Glance, glance
from raysep.corpus.manifest import Stem
from raysep.errors import BadInput
from raysep.pipeline import Request
from raysep.screen import Progress, terminal

Measure = Callable[[Config, Sequence[Stem], int, int], Speed]
COLUMNS = ("stage", "stems", "hours", "read", "requests", "passes", "shards", "CPU", "GPU", "leaves")


def dry_run(request: Request, measure: Measure | None = None) -> list[Row]:
    """Print what the cleaning would take, and return it: a row a stage. Nothing is written, and no run's folder made.

    ``measure`` says how fast this machine is; by default it is tried out, on a few of the corpus's stems and on noise.
    Raises ``BadInput`` as ``pipeline.clean`` does for settings, places, and tracks that two places name.
    """
    assert request.reference, "the command asks for it"
    if request.after:
        raise BadInput(f"--after {request.after}: which tracks are new only a scan says, and --dry-run makes none")
    wanted = labels.parse(request.labels) if request.labels else None
    overrides = settings.merge(request.overrides or {}, {"labels": list(wanted.names)} if wanted else {})
    config = settings.preset("full" if request.preset == "auto" else request.preset, overrides)

    def look(uri: str, split: str, limit: int | None = None) -> Glance:
        sums = wanted.sums if wanted else None
        return glance(storage.absolute(uri), config.labels, request.layout, sums, limit, split)

    places = {"corpus": look(request.corpus, "train", request.limit), "reference": look(request.reference, "reference")}
    if request.test:
        places["test"] = look(request.test, "test")
    found = Inputs(places["corpus"].stems, places["reference"].stems, places["test"].stems if request.test else [])
    for option, first, other in (("--reference", "corpus", "reference"), ("--test", "corpus", "test")):
        tell_shared_names(request.on_leak, getattr(found, first), getattr(found, other), option)
    tell_shared_names(request.on_leak, found.reference, found.test, "--test", "reference")
    if request.preset == "auto":
        config = settings.preset(settings.preset_for(found.stem_seconds), overrides)
    rate = config.sample_rate or found.sample_rate
    Progress(request.quiet).say(
        f"measuring this machine: half a minute, with a few stems of {request.corpus} and noise"
    )
    speed = (measure or _measured)(config, found.corpus, rate, found.channels)
    rows = estimate.estimate(
        config, _parts(places, config), speed, 2 * rate * found.channels, request.search, request.until
    )
    _show(rows, request, places, config, speed)
    return rows


def _measured(config: Config, stems: Sequence[Stem], sample_rate: int, channels: int) -> Speed:
    from raysep.commands.clean import speed  # here: it loads torch

    return speed.measure(config, stems, sample_rate, channels)


def _parts(places: dict[str, Glance], config: Config) -> Parts:
    amounts = {role: estimate.amount_of(place.stems, config) for role, place in places.items()}
    new = sum((amounts[role] for role, place in places.items() if not place.exact), Amount())
    test = amounts.get("test", amounts["reference"])
    return Parts(amounts["corpus"], amounts["reference"], test, new, tested_apart="test" in amounts)


def _show(rows: list[Row], request: Request, places: dict[str, Glance], config: Config, speed: Speed) -> None:
    from rich.table import Table

    table = Table(
        title=f"What raysep clean would take, by stage (--out {request.out} is not made)", title_justify="left"
    )
    for name in COLUMNS:
        table.add_column(name, justify="left" if name == "stage" else "right")
    every = estimate.total(rows)
    for row in rows:
        table.add_row(*_cells(row), end_section=row is rows[-1])
    table.add_row(*_cells(every, stems="", passes=""))
    terminal().print(table)
    cores = os.cpu_count() or 1
    print(
        f"{pace.span(every.cpu_seconds)} of a core{f' and {pace.span(every.gpu_seconds)} of a GPU' if speed.gpu else ''}: "
        f"{pace.span(max(every.cpu_seconds / cores, every.gpu_seconds))} on this machine ({cores} cores"
        f"{', one GPU' if speed.gpu else ''}), if it has nothing else to do"
    )
    for line in assumptions(places, config, speed):
        print(f"assumed: {line}")


def assumptions(places: dict[str, Glance], config: Config, speed: Speed) -> list[str]:
    """What the figures stand on, a line each."""
    guessed = [role for role, place in places.items() if not place.exact]
    said = [
        f"{role}: {sum(1 for s in place.stems if s.frames)} stems, {'by its manifest' if place.exact else 'by its listing'}"
        for role, place in places.items()
    ]
    if guessed:
        read = sum(places[role].headers for role in guessed)
        said.append(
            f"lengths of {' and '.join(guessed)} follow from the sizes of the files, by the headers of {read} of them; the scan "
            "reads each new file once, a manifest of an earlier scan saves it"
        )
    decode = speed.measured.get("decode")
    said += [
        f"a core reads and decodes {speed.decode:.0f} times real time ({decode or 'not measured: no stem could be read'})",
        f"{speed.measured.get('embed', 'not measured')}: {config.scoring.embedder} takes {speed.embed:.0f} times real time, "
        f"{config.network.model} {1000 * speed.forward:.3g} ms a segment and {1000 * speed.step:.3g} ms a step of training",
        "every audible segment is scored, nothing fails, and no work is lost; the stems of a silent or short track cost less",
        "no song is in two of these places: names were compared, and nothing was listened to; the cleaning does that before it "
        "trains, `raysep check CORPUS --reference REF` at once",
        f"the test tracks are judged by {len(config.proof.arms)} arms with {len(config.proof.seeds)} seeds each",
    ]
    return said


def _cells(row: Row, **instead: str) -> list[str]:
    """A row of the table, by ``COLUMNS``."""
    told = {
        "stage": row.stage,
        "stems": f"{row.read.stems:,}",
        "hours": f"{row.read.seconds / 3600:,.2f}" if row.read.seconds < 36_000 else f"{row.read.seconds / 3600:,.0f}",
        "read": _bytes(row.read.bytes),
        "requests": f"{row.read.requests:,}",
        "passes": f"{row.passes:.2g}",
        "shards": f"{row.shards:,}",
        "CPU": pace.span(row.cpu_seconds),
        "GPU": pace.span(row.gpu_seconds),
        "leaves": _bytes(row.disk),
    }
    return [(told | instead)[name] for name in COLUMNS]


def _bytes(size: int) -> str:
    value, unit = float(size), "B"
    for larger in ("KB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.0f} {unit}" if value >= 10 or unit == "B" else f"{value:.1f} {unit}"
