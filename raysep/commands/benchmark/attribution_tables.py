"""How the figures of `raysep benchmark attribution` are shown: the same tables in the terminal and on a page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from raysep.commands.benchmark.attribution_figures import CHANCE, TRUTH
from raysep.screen import print_table, terminal

OWN = {
    "agreement": "two bases agree",
    "against_random": "random weights agree",
    "auroc": "AUROC",
    "auroc_random": "AUROC of random weights",
}
FORETOLD = {  # how a training that is foretold was trained → what the table is called
    "same_seed": "LDS for the base's own draws, the rest at weight 0",
    "other_seed": "LDS for another base's draws, the rest at weight 0",
    "lds": "LDS for trainings with seeds of their own that never drew the rest",
    "lds_of_mean": "The same of the bases' scores put together",
    "lds_random": "The same of random weights in the same network",
}


@dataclass(frozen=True)
class Table:
    title: str
    columns: list[str]  # of figures
    rows: list[tuple[str, list[str]]]


def tables(result: dict[str, Any]) -> Iterator[Table]:
    """All of them, from ``attribution_figures.figures``."""
    drops = result["drops"]
    columns = [f"{float(drop):.0%} left out" for drop in drops]
    for name, title in FORETOLD.items():
        rows = [
            (method, [whole(of["methods"][method].get(name)) for of in drops.values()])
            for method in result["methods"]
            if any((of["methods"][method].get(name) or {}).get("estimate") is not None for of in drops.values())
        ]
        if not rows:
            continue
        if name in ("same_seed", "other_seed", "lds"):
            inner = (of["truth"] if name == "lds" else of["truth"][name] for of in drops.values())
            rows.append(("truth: clean or not", [whole(each) for each in inner]))
        if name == "other_seed":
            rows.append(("two bases' losses", [f"{of['seeds_agree'] or 0:.2f}" for of in drops.values()]))
        if name == "lds":
            rows.append(("random scores", [whole(of["random_scores"]) for of in drops.values()]))
            rows.append(("noise ceiling", [whole(of["ceiling"]) for of in drops.values()]))
        yield Table(title, columns, rows)
    for part in ("reference", "test"):
        gone = [(name, shares) for name, shares in result["removed"].items() if part in next(iter(shares.values()))]
        if gone:
            heads = [f"worst {float(share):.0%} removed" for share in gone[0][1]]
            cells = [(NAMED.get(n, n), [_gain(of[part]) for of in shares.values()]) for n, shares in gone]
            yield Table(f"dB by which the loss on the {PARTS[part]} falls", heads, cells)
    own = [(name, [whole(row[column]) for column in OWN]) for name, row in result["methods"].items()]
    yield Table("Of the scores themselves", list(OWN.values()), own)


NAMED = {TRUTH: "truth: wrong ones, at random", CHANCE: "random scores"}
PARTS = {"reference": "reference", "test": "test tracks"}


def notes(result: dict[str, Any]) -> Iterator[str]:
    """What is to be said beside the tables, a line each."""
    for gate in result.get("gate", ()):
        yield (
            f"metagradient: of what it foretells for weights changed by 3 %, training gives {gate['ratio']:.0%}; "
            f"{gate['cost']:.1f} trainings"
        )
    yield from dict.fromkeys(line for lines in result.get("notes", {}).values() for line in lines)
    for name, step in result["step"].items():
        if step["unlearning_left_out"]:
            yield f"unlearning of {name} left out: {step['unlearning_left_out']}"


def show(result: dict[str, Any], root: str) -> None:
    """Print what ``figures`` gave, and how many subsets and seeds it is from."""
    from rich.table import Table as Shown

    console = terminal()
    for table in tables(result):
        shown = Shown(title=table.title, title_justify="left")
        shown.add_column("")
        for column in table.columns:
            shown.add_column(column, justify="right")
        for name, cells in table.rows:
            shown.add_row(name, *cells)
        print_table(console, shown)
    for line in notes(result):
        console.print(line)
    console.print(
        f"{result['subsets']} sets of each size of {result['tracks']} tracks, {result['seeds']} trainings each, "
        f"{result['bases']} bases"
    )
    console.print(f"attribution: {root}")


def whole(interval: dict[str, Any] | None) -> str:
    """An interval's estimate with its bounds."""
    estimate, low, high = (
        "none" if not interval or interval[key] is None else f"{interval[key]:.2f}"
        for key in ("estimate", "low", "high")
    )
    return "none" if estimate == "none" else f"{estimate} ({low}…{high})"


def _gain(told: dict[str, Any]) -> str:
    deviation = "" if told["deviation"] is None else f" ± {told['deviation']:.3f}"
    return f"{told['gain']:+.3f}{deviation}"
