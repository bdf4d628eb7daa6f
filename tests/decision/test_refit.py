"""What is learnt from a person's verdicts: about other stems only, no matter in which order, and never what calibrates."""

from __future__ import annotations

import unicodedata
from functools import cache

import numpy as np
import pyarrow as pa
import pytest

from raysep.decision.fusion import Fusion, example_weights, fuse
from raysep.decision.refit import RIGHT, WRONG, learned, sentence, with_words, words_on
from raysep.decision.share import estimate_share
from raysep.decision.verdicts import summary, verdicts
from raysep.evaluation.ranking import auroc
from tests.decision.conftest import make_world
from tests.decision.test_fusion import parts

SAID = 40


def judged(world) -> tuple[np.ndarray, np.ndarray]:
    """(rows of the corpus, whether each of them is wrong)."""
    corpus = np.flatnonzero(np.array(world.stems["role"].to_pylist()) == "corpus")
    return corpus, np.array([row["kind"] != "clean" for row in world.truth])


def words_for(world, chosen: np.ndarray) -> np.ndarray:
    """True words on the chosen corpus stems ``(row,)``."""
    corpus, wrong = judged(world)
    words = np.zeros(len(world.stems))
    words[corpus[chosen]] = np.where(wrong[chosen], WRONG, RIGHT)
    return words


@cache
def before_and_after(seed: int, how: str, unplanted: bool = False):
    """world, words, suspicion without them and with them."""
    kinds = {"planted_kinds": ("clip", "noise", "lowpass"), "corpus_kinds": ("swap", "delay", "codec")}
    world = make_world(seed, **(kinds if unplanted else {}))
    features, role, groups, kind = parts(world)
    before = fuse(features, role, groups, kind)
    corpus, _ = judged(world)
    order = np.argsort(-before[corpus]) if how == "top" else np.random.default_rng(seed).permutation(len(corpus))
    words = words_for(world, order[:SAID])
    return world, words, before, fuse(features, role, groups, kind, said=words)


# What a word means


def test_a_stem_that_belongs_elsewhere_is_wrong_under_its_own_label():
    name = "Café/bass"
    stems = pa.table(
        {
            "stem_id": [name, "A/drums", "A/bass", "A/other", "B/bass"],
            "stem": ["bass", "drums", "bass", "other", "bass"],
        }
    )
    said = {
        unicodedata.normalize("NFD", name): "keep",
        "A/drums": "bass",
        "A/bass": "bass",
        "A/other": "remove",
        "B/bass": "keep",
    }
    scored = np.array([True, True, True, True, False])
    assert words_on(stems, scored, said).tolist() == [RIGHT, WRONG, RIGHT, WRONG, 0]
    assert words_on(stems, scored, {}).tolist() == [0] * 5


def test_how_many_it_learnt_from_is_said():
    words = np.array([RIGHT, WRONG, WRONG, 0])
    assert learned(words, True) == {"right": 1, "wrong": 2}
    assert sentence(learned(words, True)) == "learnt from 3 of your verdicts: 1 stem right, 2 wrong"
    assert sentence(learned(words, False)).startswith("nothing is learnt from your verdicts")
    assert sentence(None) == ""


# What they weigh


def test_few_weigh_little_and_many_as_much_as_was_planted():
    role = np.array(["corpus"] * 100 + ["calibration"] * 40 + ["planted"] * 30)
    kind = np.array([""] * 140 + ["clip"] * 10 + ["swap"] * 20)
    half = Fusion().unlabelled
    for wrong in (1, 20, 60):
        said = np.r_[np.full(wrong, WRONG), np.full(5, RIGHT), np.zeros(165 - wrong)]
        weights = example_weights(role, kind, Fusion(), said)
        assert weights.sum() == pytest.approx(1)
        assert weights[(role == "calibration") | (said == RIGHT)].sum() == pytest.approx(0.5)
        share = weights[said == WRONG].sum() / (0.5 * (1 - half))
        assert share == pytest.approx(wrong / (wrong + 20))
        assert weights[kind == "clip"].sum() == pytest.approx(weights[kind == "swap"].sum())
        assert weights[(role == "corpus") & (said == 0)].sum() == pytest.approx(0.5 * half)


def test_where_nothing_was_planted_they_take_their_part_of_the_unlabelled():
    role, said = np.array(["corpus"] * 30 + ["calibration"] * 10), np.r_[np.full(10, WRONG), np.zeros(30)]
    weights = example_weights(role, np.full(40, ""), Fusion(), said)
    assert weights[said == WRONG].sum() == pytest.approx(0.5 / 3)
    assert weights[10:30].sum() == pytest.approx(1 / 3)


# What they change


def test_without_a_word_nothing_changes(simulate):
    features, role, groups, kind = parts(simulate(0))
    plain = fuse(features, role, groups, kind)
    np.testing.assert_array_equal(fuse(features, role, groups, kind, said=np.zeros(len(role))), plain)
    share = estimate_share(plain[role == "calibration"], plain[role == "corpus"], plain[role == "planted"], draws=2)
    scores = [plain[role == name] for name in ("calibration", "corpus", "planted")]
    assert with_words(share, *scores, np.zeros(len(scores[1]))) is share


def test_a_word_teaches_nothing_about_its_own_track():
    """Whose stems are scored by models that have not seen it: else what was said of one would be held against the others."""
    world, _, before, _ = before_and_after(0, "random")
    features, role, groups, kind = parts(world)
    one = words_for(world, np.array([5]))
    after = fuse(features, role, groups, kind, said=one)
    same = groups == groups[judged(world)[0][5]]
    np.testing.assert_array_equal(after[same], before[same])
    assert (after[~same] != before[~same]).mean() > 0.5
    assert np.median(np.abs(after - before)) < 0.1  # standard deviations of clean stems


def test_the_order_does_not_matter():
    world, words, _, after = before_and_after(1, "random")
    features, role, groups, kind = parts(world)
    order = np.random.default_rng(0).permutation(len(role))
    shuffled = fuse(features[order], role[order], groups[order], kind[order], said=words[order])
    np.testing.assert_allclose(shuffled, after[order], atol=1e-3)  # the solver stops at a tolerance


@pytest.mark.parametrize("how", ["random", "top"])
@pytest.mark.parametrize("unplanted", [False, True], ids=["planted", "unplanted"])
def test_the_other_stems_are_ranked_no_worse(how, unplanted):
    """Those that nothing was said of; of a fault that nobody planted, better."""
    gains = []
    for seed in range(3):
        world, words, before, after = before_and_after(seed, how, unplanted)
        corpus, wrong = judged(world)
        rest = words[corpus] == 0
        gains.append(auroc(after[corpus][rest], wrong[rest]) - auroc(before[corpus][rest], wrong[rest]))
    assert np.mean(gains) > (0.003 if unplanted else -0.002)


def test_clean_stems_and_calibration_stay_exchangeable():
    above = []
    for seed in range(3):
        world, words, _, after = before_and_after(seed, "random")
        corpus, wrong = judged(world)
        calibration = after[np.array(world.stems["role"].to_pylist()) == "calibration"]
        clean = after[corpus][~wrong & (words[corpus] == 0)]
        above.append(auroc(np.r_[calibration, clean], np.r_[np.zeros(len(calibration)), np.ones(len(clean))] > 0))
    assert abs(np.mean(above) - 0.5) < 0.1


# The share


def scores_of(share: float, seed: int = 0, stems: int = 2000):
    """Calibration, judged and planted scores of a known world, and which of the judged are wrong."""
    rng = np.random.default_rng(seed)
    wrong = rng.random(stems) < share
    return rng.standard_normal(400), rng.standard_normal(stems) + 1.5 * wrong, rng.standard_normal(400) + 1.5, wrong


def test_words_on_the_most_suspect_leave_the_share_as_it_is():
    """Leaving these stems out would not: the rest lacks its top."""
    calibration, scores, planted, wrong = scores_of(0.4)
    share = estimate_share(calibration, scores, planted, draws=2)
    words = np.zeros(len(scores))
    top = np.argsort(-scores)[:400]
    words[top] = np.where(wrong[top], WRONG, RIGHT)
    found = with_words(share, calibration, scores, planted, words)
    assert found.estimate == pytest.approx(share.estimate, abs=0.03)
    assert found.estimate == pytest.approx(0.4, abs=0.07)
    assert found.low <= found.estimate <= found.high
    left = estimate_share(calibration, np.delete(scores, top), planted, draws=2).estimate
    assert (wrong.sum() - wrong[top].sum()) / (len(scores) - 400) - left > 0.1


def test_each_word_moves_the_share_by_one_stem_at_most():
    calibration, scores, planted, _ = scores_of(0.3, seed=1, stems=300)
    share = estimate_share(calibration, scores, planted, draws=2)
    for word in (RIGHT, WRONG):
        moved = []
        for stem in (int(scores.argmin()), int(scores.argmax())):
            words = np.zeros(len(scores))
            words[stem] = word
            moved.append(
                (with_words(share, calibration, scores, planted, words).estimate - share.estimate) * len(scores)
            )
        assert all(0 <= step * word <= 1 for step in moved)
        surprising, expected = moved if word == WRONG else moved[::-1]
        assert abs(surprising) > 0.8
        assert abs(expected) < 0.2


def test_of_a_corpus_that_was_listened_to_as_a_whole_the_share_is_nearly_counted():
    calibration, scores, planted, wrong = scores_of(0.3, seed=1, stems=300)
    share = estimate_share(calibration, scores, planted, draws=2)
    found = with_words(share, calibration, scores, planted, np.where(wrong, WRONG, RIGHT))
    assert found.estimate == pytest.approx(wrong.mean(), abs=0.05)


# The decision


def test_a_decision_says_what_it_learnt_from(simulate):
    world = simulate(2, tracks=30)
    said = {row["stem_id"]: "keep" if row["kind"] == "clean" else "remove" for row in world.truth[:20]}
    table = verdicts(world.stems, said=said)
    told = summary(table)
    right = sum(word == "keep" for word in said.values())
    assert told["learned"] == {"right": right, "wrong": 20 - right}
    assert set(table["verdict"].to_pylist()) == {None}  # to obey is another step
    assert told["evidence"]["calibration"] == 40  # and they calibrate nothing


def test_without_a_fusion_there_is_nothing_to_learn(simulate):
    stems = simulate(2, tracks=20).stems
    few = stems.filter(pa.array([role == "corpus" for role in stems["role"].to_pylist()]))
    said = {few["stem_id"][0].as_py(): "remove"}
    told = summary(verdicts(few, said=said))
    assert told["learned"] == {"right": 0, "wrong": 0}
    assert verdicts(few, said=said).drop_columns(["reason"]).equals(verdicts(few).drop_columns(["reason"]))
