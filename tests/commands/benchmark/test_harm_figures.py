"""Figures of harm from results that are known: closed forms of what a fault costs."""

from __future__ import annotations

import numpy as np
import pytest

from raysep.commands.benchmark import harm_figures
from raysep.commands.benchmark.harm import HarmRequest

REQUEST = HarmRequest("/no/bench", "/no/out", seeds=3, overrides={"training": {"batch": 4}})


def results(costs, seeds=3, songs=6, wander=0.0):
    """Rows in which each kind costs its decibels in every song and stem, and every seed wanders by as much in all arms."""
    rng = np.random.default_rng(0)
    level, shift = rng.normal(size=songs), rng.normal(size=seeds)
    rows = []
    for kind, db in {"clean": 0.0, **costs}.items():
        for seed in range(seeds):
            own = wander * (seed - 1) if kind != "clean" else 0.0
            rows += [
                {"kind": kind, "severity": "" if kind == "clean" else "mild", "seed": seed, "track": f"t{song}"}
                | {"stem": stem, "sdr": 5.0 + level[song] + shift[seed] - db - own}
                for song in range(songs)
                for stem in ("bass", "drums")
            ]
    return rows


def test_what_a_fault_costs_is_found_whatever_songs_and_seeds_have_in_common():
    found = harm_figures.figures(results({"clip": 0.5, "noise": 2.0, "delay": -0.1}), 60, REQUEST)
    assert [h.measured.kind for h in found] == ["noise", "clip", "delay"]  # the worst first
    for harm, db in zip(found, (2.0, 0.5, -0.1), strict=True):
        assert harm.measured.db == pytest.approx(db)
        assert harm.measured.low == pytest.approx(db)
        assert harm.measured.high == pytest.approx(db)
        assert (harm.measured.songs, harm.measured.seeds, harm.test_songs) == (60, 3, 6)
    assert [h.gate.passed for h in found] == [True, True, False]


def test_the_gate_asks_for_five_times_what_the_seeds_do():
    """Seeds at d - w, d, d + w deviate by w: passed up to w = d / 5."""
    for wander, passed in ((0.19, True), (0.21, False)):
        (found,) = harm_figures.figures(results({"noise": 1.0}, wander=wander), 60, REQUEST)
        assert found.measured.db == pytest.approx(1.0)
        assert found.gate.deviation == pytest.approx(wander)
        assert found.gate.passed == passed
        assert found.measured.low < 1.0 < found.measured.high


def test_one_seed_and_one_song_have_no_interval_and_no_gate(capsys):
    found = harm_figures.figures(results({"noise": 1.0}, seeds=1, songs=1), 60, REQUEST)
    assert (found[0].measured.low, found[0].measured.high, found[0].gate.passed) == (None, None, False)
    harm_figures.show(found, "/no/out")
    shown = capsys.readouterr().out
    assert "none" in shown
    assert "1 seed, and it needs two or more" in " ".join(shown.split())


def test_the_command_measures_the_same_again():
    assert harm_figures.command(REQUEST) == (
        "raysep benchmark harm bench --out harm --share 0.4 --steps 2000 --seeds 3 --seed 1 --set training.batch=4"
    )
