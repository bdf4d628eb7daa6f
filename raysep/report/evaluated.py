"""An evaluation in the terminal: figures, and who is better than whom. From ``evaluation.json`` alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from raysep.audio.levels import SILENCE_DBFS
from raysep.corpus.layouts.naming import MIXTURE
from raysep.evaluation import compare
from raysep.evaluation.measures import AUDIBLE, MEASURES, SILENT
from raysep.evaluation.table import STEMS
from raysep.screen import print_table, terminal

if TYPE_CHECKING:
    from rich.table import Table


def show(result: dict[str, Any], root: str) -> None:
    """Print what is in ``evaluation.json`` of the folder ``root``."""
    console = terminal()
    print_table(console, _figures(result))
    console.print("; ".join(_title(about) for about in _shown(result).values()))
    for line in _not_counted(result["failed_by_model"]):
        console.print(line)
    if doubtful := result["ill_conditioned"]:
        console.print(
            f"ISR, SIR and SAR of {len(doubtful)} tracks are ill-conditioned (for example {doubtful[0]}): no tool's digits "
            "of them can be trusted"
        )
    if result["silent"]["stems"]:
        console.print(_silence(result))
    if result["against"]:
        print_table(console, _comparisons(result))
    if single := sorted({row["model"] for row in result["figures"] if row["seeds"] == 1} - {MIXTURE}):
        console.print(f"of one seed, so that the intervals know nothing of seed noise: {', '.join(single)}")
    if few := sorted({row["few_seeds"] for row in result["comparisons"]} - {""}):
        console.print(
            f"verdicts of {' or '.join(few)} are on these networks; on the way in which they were trained a verdict needs three"
        )
    console.print(f"evaluation: {root}")


def _not_counted(failed: dict[str, list[str]]) -> list[str]:
    """A line for the models that failed on the same tracks; one that failed on none has none."""
    models: dict[tuple[str, ...], list[str]] = {}
    for model, tracks in failed.items():
        models.setdefault(tuple(tracks), []).append(model)
    models.pop((), None)
    return [
        f"not counted for {'any model' if len(names) == len(failed) else ', '.join(names)}: {len(tracks)} tracks that "
        f"failed, for example {tracks[0]}"
        for tracks, names in models.items()
    ]


def _silence(result: dict[str, Any]) -> str:
    """What was left out of which measures because the reference is silent, and where its residue stands."""
    silent, shown = result["silent"], result["definitions"]
    titles = [about["title"] for about in shown.values() if about["references"] == AUDIBLE]
    there = any(about["references"] == SILENT for about in shown.values())
    return (
        f"silent in the reference (up to {SILENCE_DBFS:g} dBFS RMS): {silent['stems']} of {silent['of']} stems, first "
        f"{silent['first']}; "
        + (f"not in the means of {' and '.join(titles)}; " if titles else "")
        + (
            "what the models leave there is the residue"
            if there
            else "add residue to --metrics to see what is left there"
        )
    )


def _shown(result: dict[str, Any]) -> dict[str, Any]:
    """Measure → definition, of those that have figures."""
    judged = {row["measure"] for row in result["figures"]}
    return {name: about for name, about in result["definitions"].items() if name in judged}


def _title(about: dict[str, Any]) -> str:
    lower = "" if about["higher_is_better"] else ", lower is better"
    return f"{about['title']} ({about['frames'].split(',')[0]}), {about['unit']}{lower}"


def _figures(result: dict[str, Any]) -> Table:
    from rich.table import Table

    table = Table(
        title=f"of {result['tracks']} tracks: mean and median over those that count for the model; mean: of a track over its stems, "
        "then over tracks; median: over tracks of each stem, then mean over stems; then over seeds; 95 % interval of the mean; "
        "each stem: mean over tracks",
        title_justify="left",
    )
    shown = list(dict.fromkeys(row["stem"] for row in result["figures"] if row["stem"] != STEMS))
    for column in ("measure", "model"):
        table.add_column(column)
    for column in ("tracks", "seeds", "mean", "interval", "median", *shown, "undefined"):
        table.add_column(column, justify="right")
    cells = {(r["measure"], r["model"], r["stem"], r["track_aggregate"]): r for r in result["figures"]}
    models = list(dict.fromkeys(row["model"] for row in result["figures"]))
    for measure, definition in _shown(result).items():
        table.add_section()
        for place, model in enumerate(models):
            mean, median = (cells[measure, model, STEMS, aggregate] for aggregate in ("mean", "median"))
            each = [cells.get((measure, model, stem, "mean")) for stem in shown]
            table.add_row(
                definition["title"] if not place else "",
                model,
                str(mean["tracks"]),
                str(mean["seeds"]),
                f"{mean['estimate']:.2f}",
                f"{mean['low']:.2f} … {mean['high']:.2f}",
                f"{median['estimate']:.2f}",
                *("" if cell is None or _absent(cell) else f"{cell['estimate']:.2f}" for cell in each),
                "" if definition["references"] == SILENT else str(mean["undefined"]),
            )
    return table


def _comparisons(result: dict[str, Any]) -> Table:
    from rich.table import Table

    table = Table(
        title=f"against {result['against']}: mean difference on the same tracks, 95 % interval over tracks and seeds; each "
        "stem: ↑ better, ↓ worse, otherwise not distinguishable",
        title_justify="left",
    )
    cells = {(row["model"], row["measure"], row["stem"]): row for row in result["comparisons"]}
    shown = [stem for stem in dict.fromkeys(key[2] for key in cells) if stem != STEMS]
    for column in ("model", "measure"):
        table.add_column(column)
    for column in ("difference", "interval"):
        table.add_column(column, justify="right")
    table.add_column("verdict")
    for column in ("tracks ahead", "seeds", *shown):
        table.add_column(column, justify="right")
    measures = _shown(result)
    for model, measure in dict.fromkeys(key[:2] for key in cells if key[1] in measures):
        row = cells[model, measure, STEMS]
        if measure == next(iter(measures)):
            table.add_section()
        ours, theirs = row["seeds"]
        seeds = (
            f"{ours}, paired"
            if row["seeds_paired"] and ours > 1
            else str(ours)
            if ours == theirs
            else f"{ours}, {theirs}"
        )
        table.add_row(
            model,
            result["definitions"][measure]["title"],
            f"{row['difference']:+.2f}",
            f"{row['low']:+.2f} … {row['high']:+.2f}",
            _verdict(row),
            f"{row['tracks_better']} of {row['tracks']}",
            seeds,
            *(_signed(cells.get((model, measure, stem))) for stem in shown),
        )
    return table


def _verdict(row: dict[str, Any]) -> str:
    """With what it rests on, when that is less than three seeds."""
    claims = row["verdict"] != compare.UNDECIDED
    return f"{row['verdict']} ({row['few_seeds']})" if claims and row["few_seeds"] else row["verdict"]


def _absent(row: dict[str, Any]) -> bool:
    """Whether a figure is of silent stems, and none of the label is."""
    return not row["tracks"] and MEASURES[row["measure"]].references == SILENT


def _signed(row: dict[str, Any] | None) -> str:
    if row is None or _absent(row):
        return ""
    return f"{row['difference']:+.2f} {({compare.BETTER: '↑', compare.WORSE: '↓'}).get(row['verdict'], ' ')}"
