from __future__ import annotations

import numpy as np
import pytest

from raysep.commands.benchmark.detection import print_detection
from raysep.corpus import truth
from raysep.errors import BadInput
from raysep.report import detection
from raysep.rundir import Run


@pytest.fixture
def judged(make_context, make_stems, write_rows, tmp_path):
    """(run, truth URI): noise in the vocals of tracks 0 to 3, a delay in the drums of 0 to 3; the rest is clean."""
    run = make_context().run
    stems = make_stems([f"t{k}" for k in range(8)])
    rows, scores, decision = [], [], []
    for s in stems:
        hit = int(s.track[1:]) < 4
        kind = "noise" if hit and s.stem == "vocals" else "delay" if hit and s.stem == "drums" else "clean"
        about = {"stem_id": s.stem_id, "track": s.track, "stem": s.stem}
        rows.append({**about, "kind": kind, "severity": "strong" if kind != "clean" else "", "parameters": "{}"})
        level = 100.0 if s.stem == "drums" else 0.0  # labels differ in level: only ranks within a label count
        probes = {
            "loss": level - (kind == "noise"),  # finds noise, knows nothing of delays
            "fad-z": level - (kind != "clean"),
            "curvature": float(kind != "clean"),  # not oriented
        }
        scores.append({**about, "outcome": "silent" if s.stem_id == "t7/other" else "scored", **probes})
        suspicion = 0.9 if kind == "noise" else 0.5
        decision.append(
            {**about, "outcome": "scored", "suspicion": suspicion, "p_corrupt": suspicion, "keep": kind != "noise"}
        )
    write_rows(run, "stems.parquet", scores)
    write_rows(run, "decision.parquet", decision)
    uri = str(tmp_path / "truth.parquet")
    truth.write(uri, rows)
    return run, uri


def test_each_probe_is_judged_alone_and_within_labels(judged):
    found = detection.probe_detection(*judged)
    assert list(found) == ["fad-z", "loss"]  # best first, unoriented ones not at all
    assert found["fad-z"].macro.estimate > found["loss"].macro.estimate
    by_kind = {name: interval.estimate for name, interval in found["loss"].by_kind.items()}
    assert by_kind["noise"] > 0.9
    assert found["loss"].macro.estimate == pytest.approx((by_kind["noise"] + by_kind["delay"]) / 2)


def test_the_decision_is_judged_by_kind(judged):
    found = detection.judge(*judged)
    assert found.by_kind["noise"].auroc.estimate == 1.0
    assert found.by_kind["delay"].auroc.estimate == pytest.approx(0.5)
    assert (found.removal.removed, found.removal.clean_lost) == (4, 0.0)
    # Noise has a measured harm and delay has none, so all the weight is on what is found.
    assert found.weighted.auroc.estimate == 1.0
    assert found.weighted.weights["noise strong"] > 0 == found.weighted.weights["delay strong"]


def test_probes_are_weighed_by_harm_too(judged):
    found = detection.probe_detection(*judged)
    for probe in found.values():
        assert probe.weighted.auroc.estimate == pytest.approx(probe.by_kind["noise"].estimate)


def test_a_missing_truth_table_is_named(judged, tmp_path):
    with pytest.raises(BadInput, match="no such truth table"):
        detection.judge(judged[0], str(tmp_path / "absent.parquet"))


def test_both_tables_are_printed(judged, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    print_detection(*judged)
    shown = capsys.readouterr().out
    assert "kind noise" in shown
    assert shown.index("weighed by harm") < shown.index("macro over kinds")
    assert "by harm" in shown.partition("Each probe alone")[2]


def test_kinds_of_unknown_harm_are_named_and_counted(judged, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    run, uri = judged
    rows = [row | {"kind": "hum" if row["kind"] == "delay" else row["kind"]} for row in truth.read(uri)]
    truth.write(uri, rows)
    print_detection(run, uri)
    assert "of unknown harm: hum strong (4 stems)" in " ".join(capsys.readouterr().out.split())


def test_both_tables_are_printed_with_the_cost_of_removal(judged, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    print_detection(*judged)
    shown = capsys.readouterr().out
    assert "not kept: 4 stems, 50.0% of the corrupted, 0.0% of the clean" in shown
    assert "fad-z" in shown


def test_over_several_runs_stems_are_ranked_within_their_own(judged, write_rows, tmp_path):
    """The second run's scores lie far above the first's; its songs bear the same names and are other songs."""
    run, uri = judged
    other = Run(str(tmp_path / "other"))
    higher = [
        row | {name: row[name] + 1000 for name in ("loss", "fad-z")}
        for row in run.read_table("stems.parquet").to_pylist()
    ]
    write_rows(other, "stems.parquet", higher)
    alone, both = detection.probe_detection(run, uri), detection.pooled_probe_detection([(run, uri), (other, uri)])
    for name, found in alone.items():
        assert both[name].macro.estimate == pytest.approx(found.macro.estimate)
    spread_alone, spread = (np.nanstd(each["loss"].drawn) for each in (alone, both))
    assert spread < spread_alone  # twice as many songs


def test_stems_that_only_the_truth_names_are_said(judged, tmp_path, capsys):
    run, uri = judged
    assert detection.unjoined(run, uri) == ""
    other, rows = str(tmp_path / "other.parquet"), truth.read(uri)
    truth.write(other, rows + [row | {"stem_id": f"x/{row['stem']}", "track": "x"} for row in rows[:2]])
    told = "2 of 34 stems named by the truth table are not in the run, first x/bass"
    assert detection.unjoined(run, other) == told
    print_detection(run, other)
    assert f"note: {told}" in " ".join(capsys.readouterr().out.split())
