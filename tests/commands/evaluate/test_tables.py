from __future__ import annotations

import io

import pytest
from rich.console import Console

from raysep.commands.evaluate import tables
from raysep.report import evaluated


def rows(gain: float, seeds: int = 2) -> list[dict]:
    """Two models on six tracks of two stems; ``new`` is ``gain`` dB ahead in vocals and equal in bass."""
    return [
        {
            **{"model": model, "seed": seed, "track": f"t{track}", "stem": stem, "outcome": "scored", "message": ""},
            "sdr": track
            + seed * 0.01
            + 0.05 * ((track * 7 + seed) % 3)
            + (gain if (model, stem) == ("new", "vocals") else 0),
        }
        for model in ("old", "new")
        for seed in range(seeds)
        for track in range(6)
        for stem in ("vocals", "bass")
    ]


@pytest.fixture
def printed(monkeypatch):
    """printed(result): what is shown of it."""

    def show(result: dict) -> str:
        text = io.StringIO()
        monkeypatch.setattr(evaluated, "terminal", lambda: Console(file=text, width=200))
        evaluated.show(result, "OUT")
        return text.getvalue()

    return show


def test_figures_and_verdicts_are_printed(printed):
    text = printed(tables.standings(rows(2.0), ["sdr"], "old", draws=200))
    assert "of 6 tracks: mean and median over those that count for the model; mean: of a track over its stems" in text
    assert "SDR (whole track), dB" in text
    line = next(line for line in text.splitlines() if "6 of 6" in line)
    cells = [cell.strip() for cell in line.strip("│").split("│")]
    assert cells == [
        "new",
        "SDR",
        "+1.00",
        "+1.00 … +1.00",
        "better (two seeds)",
        "6 of 6",
        "2, paired",
        "+2.00 ↑",
        "+0.00",
    ]
    assert "OUT" in text
    assert "seed noise" not in text
    assert "verdicts of two seeds are on these networks" in text
    assert "silent" not in text


def test_three_seeds_are_enough_for_a_verdict_and_the_mixture_needs_none(printed):
    text = printed(tables.standings(rows(2.0, seeds=3), ["sdr"], "old", draws=200))
    assert " better " in text
    assert "verdicts of" not in text
    against = [{**row, "model": "mixture"} for row in rows(2.0, seeds=1) if row["model"] == "old"]
    found = tables.standings([*rows(2.0, seeds=3), *against], ["sdr"], "mixture", draws=200)
    assert {c["few_seeds"] for c in found["comparisons"]} == {""}
    assert {c["few_seeds"] for c in tables.standings(rows(2.0, 1), ["sdr"], "old", 50)["comparisons"]} == {"one seed"}


def test_silent_references_are_counted_left_out_and_shown_by_their_residue(printed):
    some = rows(1.0, seeds=3)
    for row in some:
        row["silent"] = row["track"] in ("t2", "t4") and row["stem"] == "vocals"
        row["residue"] = (-40.0 if row["model"] == "new" else -50.0) + row["seed"] if row["silent"] else None
        row["sdr"] = float("nan") if row["silent"] else row["sdr"]
    result = tables.standings(some, ["sdr", "residue"], "old", draws=100)
    assert result["silent"] == {"stems": 2, "of": 12, "first": "t2/vocals"}
    figures = {(f["model"], f["measure"], f["stem"], f["track_aggregate"]): f for f in result["figures"]}
    mean = figures["old", "sdr", "mean over stems", "mean"]
    assert (mean["tracks"], mean["undefined"], mean["left_out"]) == (6, 0, 2)
    residue = figures["new", "residue", "mean over stems", "mean"]
    assert (residue["estimate"], residue["tracks"]) == (-39.0, 2)
    verdicts = {(c["measure"], c["stem"]): c["verdict"] for c in result["comparisons"]}
    assert verdicts["sdr", "vocals"] == "better"
    assert verdicts["residue", "mean over stems"] == "worse"  # ten decibels more are left
    text = " ".join(printed(result).split())
    assert (
        "silent in the reference (up to -60 dBFS RMS): 2 of 12 stems, first t2/vocals; not in the means of SDR; what the"
        in text
    )
    assert "residue (whole track), dBFS, lower is better" in text
    assert "nan" not in text
    alone = printed(tables.standings(some, ["sdr"], None, draws=50))
    assert "add residue to --metrics to see what is left there" in " ".join(alone.split())


def test_where_nothing_is_silent_there_is_no_residue_to_show(printed):
    some = [row | {"silent": False, "residue": None} for row in rows(1.0)]
    result = tables.standings(some, ["sdr", "residue"], "old", draws=50)
    assert "residue" in result["definitions"]
    assert {row["measure"] for row in [*result["figures"], *result["comparisons"]]} == {"sdr"}
    assert "residue" not in printed(result)


def test_without_a_rival_nothing_is_compared(printed):
    result = tables.standings(rows(2.0), ["sdr"], None, draws=50)
    assert result["comparisons"] == []
    assert "against" not in printed(result)


def test_what_limits_the_numbers_is_said(printed):
    some = rows(0.0, seeds=1)
    for row in some:
        row["conditioned"] = row["track"] != "t4"
        if row["track"] == "t5":
            row |= {"outcome": "failed", "sdr": None, "conditioned": None}
    result = tables.standings(some, ["sdr"], "old", draws=50)
    assert (result["failed"], result["ill_conditioned"], result["tracks"]) == (["t5"], ["t4"], 6)
    text = printed(result)
    assert "not counted for any model: 1 tracks that failed, for example t5" in text
    assert "1 tracks are ill-conditioned (for example t4)" in text
    assert "of one seed, so that the intervals know nothing of seed noise: new, old" in text
    assert "not distinguishable" in text


def test_each_model_shows_its_own_tracks_and_the_failures_that_are_its_own(printed):
    some = rows(0.0) + [row | {"model": "third"} for row in rows(0.0) if row["model"] == "old"]
    for row in some:
        if row["model"] == "new" and row["track"] in ("t1", "t2", "t3", "t4") and row["seed"] == 1:
            row |= {"outcome": "failed", "sdr": None}
    result = tables.standings(some, ["sdr"], "old", draws=50)
    assert result["failed"] == ["t1", "t2", "t3", "t4"]
    assert result["failed_by_model"] == {"old": [], "new": ["t1", "t2", "t3", "t4"], "third": []}
    text = printed(result)
    lines = [[cell.strip() for cell in line.strip("│").split("│")] for line in text.splitlines()]
    shown = {cells[1]: cells[2:4] for cells in lines if len(cells) > 3 and cells[1] in ("old", "new", "third")}
    assert shown == {"old": ["6", "2"], "new": ["2", "2"], "third": ["6", "2"]}
    assert "of 6 tracks: " in text
    assert "not counted for new: 4 tracks that failed, for example t1" in text
    assert text.count("not counted") == 1
    compared = {c["model"]: c["tracks"] for c in result["comparisons"] if c["stem"] == "mean over stems"}
    assert compared == {"new": 2, "third": 6}
