"""What a run found, as tables in the terminal: the arms, and the most suspect stems. The words are ``verdict``'s."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from raysep.decision.handling.fate import fate
from raysep.decision.order import most_suspect
from raysep.outcome import Outcome
from raysep.report.data import Row
from raysep.screen import print_table

SUSPECTS = 10


def arms(console: Any, rows: Sequence[Row], baseline: str, tested_on: str) -> None:
    """A row for each arm (``results.arm_rows``): SDR with its interval, and what it is over ``baseline``."""
    over = [f"over {baseline}"] if any("gain" in row for row in rows) else []
    residue = ["residue"] if any("residue" in row for row in rows) else []
    labels = list(rows[0]["per_label"])
    console.print(
        f"SDR in dB on the {tested_on}: whole track, mean over tracks, stems and seeds; 95 % intervals over tracks and seeds; "
        "framewise: museval's, median over 1 s frames and over tracks"
    )
    whole, by_label = (
        _table("trained on", *names)
        for names in (("stems", "SDR", "interval", *over), (*labels, "framewise", *residue))
    )
    for row in rows:
        gain = f"{row['gain']:+.2f} ({row['gain_low']:+.2f} … {row['gain_high']:+.2f})" if "gain" in row else ""
        sdr, interval = f"{row['sdr_mean']:.2f}", f"{row['low']:.2f} … {row['high']:.2f}"
        whole.add_row(row["arm"], str(row["stems"]), sdr, interval, *(gain for _ in over))
        by_label.add_row(
            row["arm"],
            *(f"{row['per_label'][label]:.2f}" for label in labels),
            f"{row['framewise_sdr']:.2f}",
            *(f"{row.get(name, math.nan):.1f}" for name in residue),
        )
    print_table(console, whole)
    print_table(console, by_label)
    if rows[0]["seeds"] == 1:
        console.print("trained with one seed, so that the intervals know nothing of seed noise")


def _table(name: str, *numbers: str) -> Any:
    from rich.table import Table

    table = Table()
    table.add_column(name)
    for column in numbers:
        table.add_column(column, justify="right")
    return table


def suspects(console: Any, decision: Sequence[Row], used: Mapping[str, str] | None, root: str) -> None:
    """The ten most suspect stems that could be heard, what becomes of each (``fate``), and where the reasons are."""
    from rich.table import Table

    scored = [row for row in decision if row["outcome"] == Outcome.SCORED]
    worst = sorted(scored, key=most_suspect)[:SUSPECTS]
    if not worst:
        return
    table = Table()
    table.add_column("most suspect stem", overflow="fold")
    table.add_column("P(corrupt)", justify="right", no_wrap=True)
    for column in ("decision", "belongs to"):
        table.add_column(column, no_wrap=True)
    for row in worst:
        chance = row.get("p_corrupt")
        table.add_row(
            row["stem_id"],
            "" if chance is None else f"{chance:.2f}",
            fate(row, used),
            row.get("label") or "",
        )
    console.print(table)
    console.print(f"why, and where they lie: raysep suspects {root}")
