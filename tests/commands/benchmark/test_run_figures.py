"""Figures of arms whose levels are known."""

from __future__ import annotations

import numpy as np
import pytest

from raysep.commands.benchmark.run_figures import figures

LEVELS = {"clean": 5.0, "cleaned": 4.5, "cleaned:weight": 4.0, "contaminated": 3.0, "random": 3.0}


def results(levels, draws=2, seeds=3, songs=5, noise=0.01):
    rng = np.random.default_rng(0)
    rows = []
    for draw in range(draws):
        of_song = rng.normal(0, 1, songs)
        rows += [
            {"draw": draw, "arm": arm, "seed": seed, "track": f"t{song}", "stem": stem, "trained_stems": 10 + 2 * draw}
            | {"sdr": level + of_song[song] + noise * rng.normal()}
            for arm, level in levels.items()
            for seed in range(seeds)
            for song in range(songs)
            for stem in ("bass", "drums")
        ]
    return rows


def test_arms_stand_by_their_sdr_with_gain_and_share_of_the_gap():
    found = figures(results(LEVELS), draws=200)
    assert [arm.arm for arm in found.arms][:3] == ["clean", "cleaned", "cleaned:weight"]
    by_name = {arm.arm: arm for arm in found.arms}
    assert by_name["contaminated"].gain is by_name["contaminated"].closed is by_name["clean"].closed is None
    assert by_name["cleaned"].gain.over_corpora.estimate == pytest.approx(1.5, abs=0.02)
    assert by_name["cleaned"].closed[0].estimate == pytest.approx(0.75, abs=0.01)
    assert by_name["cleaned"].gain.verdict == "better"
    assert by_name["cleaned"].stems == 11.0
    assert found.allowed
    pairs = {(v.arm, v.against) for v in found.comparisons}
    assert {("cleaned", "random"), ("cleaned:weight", "cleaned"), ("cleaned", "cleaned:weight")} < pairs
    assert not {other for _, other in pairs} & {"contaminated"}


def test_one_draw_that_fails_its_gate_forbids_conclusions():
    rows = results(LEVELS)
    for row in rows:
        if row["draw"] == 1 and row["arm"] == "clean":
            row["sdr"] -= 1.9 + row["seed"]
    found = figures(rows, draws=50)
    assert [gate.passed for gate in found.gates] == [True, False]
    assert not found.allowed


def test_without_clean_training_there_is_no_gate_and_no_share():
    found = figures(results({name: LEVELS[name] for name in ("cleaned", "contaminated")}), draws=50)
    assert found.gates is None
    assert found.allowed
    assert [arm.closed for arm in found.arms] == [None, None]
