"""What is found over draws, in runs whose decision and probes are known (see conftest)."""

from __future__ import annotations

import pytest

from raysep.commands.benchmark import run as stage
from raysep.commands.benchmark.run import RunRequest
from raysep.commands.benchmark.run_detection import BY_HARM, MACRO, detection
from raysep.commands.benchmark.sources import Rendered
from raysep.corpus import truth
from raysep.report.detection import judge
from raysep.rundir import Run


@pytest.fixture
def runs(instant, tmp_path):
    arms = ("clean", "cleaned", "contaminated")
    request = RunRequest(Rendered(), str(tmp_path / "out"), seeds=2, arms=arms, preset="smallest", quiet=True)
    root = stage.run(request).root
    return [(k, Run(f"{root}/draw-{k}/run"), f"{root}/draw-{k}/corpus/truth.parquet") for k in range(2)]


def test_harm_comes_first_and_each_measure_has_its_own_best_probe(runs):
    found = {each.measure: each for each in detection(runs, draws=50).found}
    assert list(found)[:2] == [BY_HARM, MACRO]
    assert found["kind swap"].fused.estimate == 1.0
    assert found["kind swap"].probe == "fad"
    assert found["kind swap"].best.estimate == 1.0
    # Within the bass the noisy half is ranked last by mistake, so that clean stems there stand beside the swapped ones.
    assert found["kind swap"].fused_within.estimate < 1.0
    # The fusion ranks noise the wrong way round.
    assert found["kind noise"].probe == "loss"
    assert found["kind noise"].best.estimate > 0.5 > found["kind noise"].fused.estimate
    # The weights are all on swapped labels: noise in them is nearly nothing.
    assert found[BY_HARM].fused.estimate > found[MACRO].fused.estimate


def test_of_one_draw_it_is_what_the_command_for_one_run_says(runs):
    number, run, uri = runs[0]
    found = {each.measure: each.fused.estimate for each in detection([(number, run, uri)], draws=20).found}
    theirs = judge(run, uri)
    assert found[BY_HARM] == pytest.approx(theirs.weighted.auroc.estimate)
    assert found[MACRO] == pytest.approx(theirs.macro.estimate)
    for kind, ranking in theirs.by_kind.items():
        assert found[f"kind {kind}"] == pytest.approx(ranking.auroc.estimate)


def test_every_draw_says_what_was_found_and_lost(runs):
    for number, draw in enumerate(detection(runs, draws=20).draws):
        assert draw.draw == number
        assert draw.true_share == pytest.approx((4 + 2) / 16)
        assert (draw.estimated_share, draw.low, draw.high) == (0.5, 0.4, 0.6)
        assert draw.removed == 4
        assert draw.corrupted_removed == pytest.approx(4 / 6)
        assert draw.clean_lost == 0.0
        assert draw.contamination_left == pytest.approx(2 / 12)
        assert draw.by_harm > 0.9


def test_a_corpus_without_faults_has_nothing_to_find(runs):
    for _, _, uri in runs:
        truth.write(uri, [row | {"kind": "clean", "severity": ""} for row in truth.read(uri)])
    seen = detection(runs, draws=20)
    assert seen.found == []
    assert [draw.true_share for draw in seen.draws] == [0.0, 0.0]
    assert seen.draws[0].clean_lost == 0.25
