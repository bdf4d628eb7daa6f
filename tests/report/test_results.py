from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from raysep.report import gains, results
from raysep.report.verdict import plain
from raysep.stages import prove


def result_rows(table: dict[tuple[str, int], list[list[float]]], framewise: dict | None = None) -> list[dict]:
    """(arm, seed) → SDR ``[track][stem]`` as rows of ``results.parquet``; framewise figures 1 dB lower."""
    rows = []
    for (arm, seed), grid in table.items():
        for t, track in enumerate(grid):
            for k, sdr in enumerate(track):
                about = {"arm": arm, "seed": seed, "track": f"t{t}", "stem": ("bass", "vocals")[k], "trained_stems": 40}
                lower = (framewise or {}).get((arm, seed, t, k), sdr - 1.0)
                rows.append({**about, "sdr": sdr, "framewise_sdr": lower})  # as runs of before, without residue
    return rows


@pytest.fixture
def run(make_context, write_rows):
    """One arm is 1 dB, 0.5 dB and 3 dB better on the three tracks, with both seeds."""

    context = make_context()
    before = [[1.0, 5.0], [2.0, 6.0], [3.0, 7.0]]
    after = [[2.0, 6.0], [2.5, 6.5], [6.0, 10.0]]
    clean = [[3.0, 7.0], [4.0, 8.0], [5.0, 9.0]]
    table = {("contaminated", 0): before, ("contaminated", 1): [[v + 2 for v in row] for row in before]}
    table |= {("cleaned", 0): after, ("cleaned", 1): [[v + 2 for v in row] for row in after]}
    table |= {("clean", 0): clean, ("clean", 1): [[v + 2 for v in row] for row in clean]}
    rows = result_rows(table)
    context.run.write_table(pa.Table.from_pylist(rows[::-1], schema=prove.RESULTS), "results.parquet")
    return context.run


# Figures


def test_the_table_of_arms_is_the_hand_computed_one(run):
    rows = {row["arm"]: row for row in results.arm_rows(run, draws=400)}
    assert list(rows) == ["clean", "cleaned", "contaminated"]
    bad, good = rows["contaminated"], rows["cleaned"]
    # Means over three tracks and two stems: seed 0 has 4.0 before and 5.5 after; seed 1 two more.
    assert bad["sdr_mean"] == pytest.approx(5.0)
    assert good["sdr_mean"] == pytest.approx(6.5)
    assert bad["per_label"] == pytest.approx({"bass": 3.0, "vocals": 7.0})
    assert good["gain"] == pytest.approx(1.5)
    assert good["gain_low"] <= 1.5 <= good["gain_high"]
    # Paired, over three songs that gain 1.0, 0.5 and 3.0 with either seed: Student's interval of them.
    half = stats.t.ppf(0.975, 2) * np.std([1.0, 0.5, 3.0], ddof=1) / np.sqrt(3)
    assert 0.6 * half < (good["gain_high"] - good["gain_low"]) / 2 < 1.2 * half
    assert bad["low"] < bad["sdr_mean"] < bad["high"]
    assert "gain" not in bad
    assert (good["seeds"], good["stems"]) == (2, 40)
    # museval's way: the median over tracks of each stem and seed, then their mean; all 1 dB lower than the SDR.
    assert bad["framewise_sdr"] == pytest.approx(np.mean([2, 6, 4, 8]) - 1)
    assert good["framewise_sdr"] == pytest.approx(np.mean([2.5, 6.5, 4.5, 8.5]) - 1)


def test_the_gain_and_the_share_of_the_gap_it_closed(run):
    found = gains.gain(run, draws=400)
    assert (found["arm"], found["over"], found["db"]) == ("cleaned", "contaminated", pytest.approx(1.5))
    assert found["closed"] == pytest.approx(1.5 / 2.0)  # clean training would have brought 2 dB
    assert found["closed_low"] <= found["closed"] <= found["closed_high"]


def test_a_gap_that_cannot_be_told_from_none_gives_no_bounds_of_the_share(run, write_rows):
    rows = run.read_table("results.parquet").to_pylist()
    shift = {"t0": 2.5, "t1": -2.0, "t2": -0.2}  # of clean training over contaminated: 0.1 dB on average
    before = {(r["seed"], r["track"], r["stem"]): r["sdr"] for r in rows if r["arm"] == "contaminated"}
    for row in rows:
        if row["arm"] == "clean":
            row["sdr"] = before[row["seed"], row["track"], row["stem"]] + shift[row["track"]]
    write_rows(run, "results.parquet", rows)
    found = gains.gain(run, draws=400)
    assert found["closed"] == pytest.approx(1.5 / 0.1)
    assert np.isnan([found["closed_low"], found["closed_high"]]).all()


def test_without_the_two_arms_there_is_no_gain(run, write_rows):
    rows = [row for row in run.read_table("results.parquet").to_pylist() if row["arm"] != "contaminated"]
    write_rows(run, "results.parquet", rows)
    assert gains.gain(run) is None
    assert all("gain" not in row for row in results.arm_rows(run, draws=10))


def test_undefined_figures_are_left_out_of_the_means(run, write_rows):
    nan = float("nan")
    grid = [[1.0, 2.0], [3.0, nan], [5.0, 4.0]]
    framewise = {("cleaned", 0, 1, k): nan for k in range(2)}  # museval: of a track all stems or none
    write_rows(run, "results.parquet", result_rows({("cleaned", 0): grid}, framewise))
    (row,) = results.arm_rows(run, draws=50)
    # A track counts by the stems that it has: 1.5, 3 and 4.5.
    assert row["sdr_mean"] == pytest.approx(3.0)
    assert row["per_label"] == pytest.approx({"bass": 3.0, "vocals": 3.0})
    assert row["framewise_sdr"] == pytest.approx(np.mean([0 + 4, 1 + 3]) / 2)
    write_rows(
        run,
        "results.parquet",
        result_rows({("cleaned", 0): grid}, {("cleaned", 0, t, k): nan for t in range(3) for k in range(2)}),
    )
    assert math.isnan(results.arm_rows(run, draws=50)[0]["framewise_sdr"])


def test_silent_test_stems_are_left_out_counted_and_shown_by_their_residue(run, write_rows, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    before = {row["arm"]: row for row in results.arm_rows(run, draws=50)}
    assert not any("residue" in row for row in before.values())
    assert results.silence_sentence(run) == ""
    rows = run.read_table("results.parquet").to_pylist()
    for row in rows:
        silent = (row["track"], row["stem"]) == ("t1", "vocals")
        row["residue"] = (-40.0 if row["arm"] == "cleaned" else -50.0) if silent else None
        row["sdr"] = math.nan if silent else row["sdr"]
    write_rows(run, "results.parquet", rows)
    found = {row["arm"]: row for row in results.arm_rows(run, draws=50)}
    # Of t1 the bass alone counts: 2 and 4 dB before, half a decibel more after.
    assert found["contaminated"]["sdr_mean"] == pytest.approx(np.mean([3, 2, 5, 5, 4, 7]))
    assert found["cleaned"]["gain"] == pytest.approx(1.5)
    assert [found[arm]["residue"] for arm in ("cleaned", "contaminated")] == pytest.approx([-40, -50])
    assert gains.gain(run, draws=50)["closed"] == pytest.approx(1.5 / 2.0)
    assert results.silence_sentence(run).startswith(
        "1 of 6 test stems are silent (up to -60 dBFS RMS; first t1/vocals): in no SDR"
    )
    run.write_json({"stages": {}}, "run.json")
    summary = {"estimated_share": None, "warning": "few", "counts": {"removed": 1, "stems": 4}}
    run.write_json(summary, "summary.json")
    write_rows(run, "decision.parquet", suspects(1))
    results.print_result(run)
    shown = " ".join(capsys.readouterr().out.split())
    assert "residue" in shown
    assert "-40.0" in shown
    assert "1 of 6 test stems are silent" in shown


def with_reference(run, write_rows, above: float, seeds: int, spread: float = 0.0) -> list[str]:
    """The headline of the run when the arm ``reference`` is so many dB above ``cleaned``, in the mean of its tracks."""
    rows = [row for row in run.read_table("results.parquet").to_pylist() if row["arm"] != "reference"]
    rows = [{**row, "seed": seed} for row in rows if row["seed"] == 0 for seed in range(seeds)]
    shift = {"t0": spread, "t1": -spread, "t2": 0.0}
    more = [
        {**row, "arm": "reference", "sdr": row["sdr"] + above + shift[row["track"]]}
        for row in rows
        if row["arm"] == "cleaned"
    ]
    write_rows(run, "results.parquet", [*rows, *more])
    summary = {"estimated_share": None, "warning": "few", "counts": {"removed": 1, "kept": 3, "stems": 4}}
    run.write_json(summary, "summary.json")
    verdict = gains.verdict_of(run)
    return [line for line in (verdict.effect_sentence, verdict.reference_sentence) if line]


def test_a_reference_above_cleaned_is_in_the_headline_with_what_to_do(run, write_rows):
    effect, alone = with_reference(run, write_rows, 0.3, seeds=3)
    assert effect.startswith(("Cleaning helped: ", "No clear effect"))
    assert alone.startswith("The reference alone is above the cleaned corpus: +0.30")
    assert alone.endswith("Use the reference as it is.")
    assert "not told from equal" not in alone
    assert "with one seed" in with_reference(run, write_rows, 0.3, seeds=1)[1]
    doubtful = with_reference(run, write_rows, 0.3, seeds=3, spread=2.0)[1]
    assert "not told from equal" in doubtful
    assert doubtful.endswith("Use the reference as it is.")
    assert len(with_reference(run, write_rows, -0.3, seeds=3)) == 1


def test_fewer_than_three_seeds_are_no_verdict(run, write_rows):
    rows = run.read_table("results.parquet").to_pylist()
    for row in rows:
        if row["arm"] == "cleaned":
            row["sdr"] += 5.0 - 0.5 * (row["track"] == "t2")
    run.write_json({"estimated_share": None, "counts": {"removed": 1, "kept": 3, "stems": 4}}, "summary.json")
    for seeds, effect, words in (
        (1, "unclear", "with one seed; a verdict needs three"),
        (2, "unclear", "with two seeds; a verdict needs three"),
        (3, "helped", "Cleaning helped: "),
    ):
        some = [{**row, "seed": seed} for row in rows if row["seed"] == 0 for seed in range(seeds)]
        write_rows(run, "results.parquet", some)
        verdict = gains.verdict_of(run)
        assert verdict.effect == effect
        assert words in verdict.effect_sentence


def test_rivals_stand_between_the_decision_and_the_worst():
    names = ["random", "fad-z", "contaminated", "clean", "unlearning", "cleaned", "reference", "oracle"]
    order = ["clean", "oracle", "cleaned", "fad-z", "unlearning", "contaminated", "random", "reference"]
    assert sorted(names, key=results._place) == order


# Words


def suspects(count: int) -> list[dict]:
    """Decision rows, the first the most suspect; the first two are removed."""
    return [
        {
            **{"stem_id": f"Song [{k:02d}]/bass", "outcome": "scored", "suspicion": -float(k), "keep": k > 1},
            **{"p_corrupt": None if k > 2 else 0.9, "label": "drums" if k == 0 else None},
        }
        for k in range(count)
    ]


def test_the_estimate_in_one_sentence(run):
    counts = {"removed": 12, "kept": 36, "stems": 48}
    interval = {"estimate": 0.31, "low": 0.22, "high": 0.4}
    run.write_json({"estimated_share": 0.31, "share": interval, "counts": counts}, "summary.json")
    verdict = gains.verdict_of(run)
    told = [plain(line) for line in (verdict.share_sentence, verdict.counts_sentence)]
    assert told == ["About 31 % of the stems look wrong (95 % interval 22 % to 40 %).", "12 of 48 stems removed."]
    unknown = {"estimated_share": None, "warning": "only 4 reference tracks", "share": interval, "counts": counts}
    run.write_json(unknown, "summary.json")
    assert gains.verdict_of(run).share_sentence == "How many stems are wrong is not known: only 4 reference tracks."


def test_the_terminal_shows_arms_estimate_and_costs(run, write_rows, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    record = {"stages": {"score": {"seconds": 2.2}, "search": {"best_ratio": 0.0}}, "peak_memory_gib": 1.5}
    run.write_json(record, "run.json")
    summary = {"estimated_share": None, "warning": "few tracks", "removed_share": 0.25}
    run.write_json({**summary, "counts": {"removed": 1, "stems": 4}}, "summary.json")
    write_rows(run, "decision.parquet", suspects(12))
    results.print_result(run)
    shown = capsys.readouterr().out
    line = next(line for line in shown.splitlines() if "cleaned" in line)
    assert "on the reference tracks (no --test was given" in " ".join(shown.split())
    assert "one seed" not in shown
    assert "6.50" in line
    assert "+1.50" in line
    assert "How many stems are wrong is not known: few tracks.\n1 of 4 stems removed.\n" in shown
    assert all(f"Song [{k:02d}]/bass" in shown for k in range(10))  # the ten most suspect, by their names as they are
    assert "Song [10]" not in shown
    assert "│ Song [00]/bass    │       0.90 │ removed  │ drums      │" in shown
    assert max(len(line) for line in shown.splitlines() if line[:1] in "┏┃┡│└") <= 80
    assert "score 2 s; peak memory 1.50 GiB" in shown
    # A search that prefers to remove nothing is a result too.
    assert "prefers a ratio of 0 %; the decision's is 25 %" in shown
