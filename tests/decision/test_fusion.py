import numpy as np
import pytest

from raysep.decision.features import shortfall, standardise
from raysep.decision.fusion import Columns, Fusion, assign_folds, can_fuse, example_weights, fuse, novelty, shape_of
from raysep.decision.logistic import Odds
from raysep.evaluation.ranking import auroc


def parts(world):
    """features, role, groups, kind of a simulated world, and the truth of its corpus rows in the same order."""
    table = world.stems
    names = [f.name for f in table.schema if f.type == "double"]
    values = np.stack([table[n].to_numpy(zero_copy_only=False).astype(float) for n in names], axis=1)
    role, labels, groups = (np.array(table[n].to_pylist()) for n in ("role", "stem", "group"))
    features = standardise(values, labels, np.isin(role, ("corpus", "calibration")))
    return features, role, groups, np.array(table["kind"].to_pylist(), dtype=object)


def macro(world, suspicion, kinds):
    truth = np.array([row["kind"] for row in world.truth])
    judged = suspicion[np.array(world.stems["role"].to_pylist()) == "corpus"]
    picked = [(truth == kind) | (truth == "clean") for kind in kinds]
    return float(np.mean([auroc(judged[p], truth[p] == kind) for p, kind in zip(picked, kinds, strict=True)]))


@pytest.mark.slow
def test_seen_and_left_out_kinds(simulate, kinds):
    """Blind: the left-out kinds are in the corpus and were never planted."""
    seen, unseen = [], []
    for seed in range(3):
        world = simulate(seed, share=0.5)
        seen.append(macro(world, fuse(*parts(world)), kinds))
        left_out = [kinds[2 * seed], kinds[2 * seed + 5 - 2 * (seed // 2)]]
        world = simulate(seed, share=0.5, planted_kinds=tuple(k for k in kinds if k not in left_out))
        unseen.append(macro(world, fuse(*parts(world)), left_out))
    assert np.mean(seen) > 0.82
    assert np.mean(unseen) > 0.72


def test_two_sided_faults_are_found():
    rng = np.random.default_rng(0)
    features = rng.standard_normal((220, 5))
    role = np.repeat(["corpus", "calibration", "planted"], [120, 50, 50])
    corrupt = np.r_[np.arange(120) < 40, np.zeros(50, dtype=bool), np.ones(50, dtype=bool)]
    features[corrupt, 2] += 3 * rng.choice([-1, 1], corrupt.sum())
    suspicion = fuse(features, role, np.arange(220) // 4)
    assert auroc(suspicion[:120], corrupt[:120]) > 0.9


def test_a_fault_nobody_planted_is_learnt_from_the_corpus_and_by_novelty():
    rng = np.random.default_rng(0)
    features = rng.standard_normal((320, 10))
    role = np.repeat(["corpus", "calibration", "planted"], [240, 40, 40])
    unplanted = np.arange(320) < 60
    features[unplanted, 7] -= 3
    features[280:, 1] -= 3
    groups = np.arange(320) // 4

    def found(**settings):
        learnt = Fusion(prior=0.0, enough=0.0, **settings)
        return auroc(fuse(features, role, groups, settings=learnt)[:240], unplanted[:240])

    neither = found(unlabelled=0.0, novelty=0.0)
    assert found(unlabelled=0.3, novelty=0.0) > neither + 0.1
    assert found(unlabelled=0.0) > neither + 0.1
    assert found() > neither + 0.15


@pytest.mark.slow
def test_clean_corpus_and_calibration_stay_exchangeable(simulate):
    """With nothing corrupted, a calibration score is as likely above as below a corpus score."""
    above = []
    for seed in range(6):
        world = simulate(seed, share=0.0)
        features, role, groups, kind = parts(world)
        suspicion = fuse(features, role, groups, kind)
        used = role != "planted"
        above.append(auroc(suspicion[used], role[used] == "corpus"))
    assert abs(np.mean(above) - 0.5) < 0.07


def test_own_track_never_enters_the_model():
    """A stem's score hangs on its track's other rows only through the common novelty scale of other folds: swapping the
    features of two stems of one track swaps their scores."""
    rng = np.random.default_rng(1)
    features = rng.standard_normal((160, 6))
    role = np.repeat(["corpus", "calibration", "planted"], [80, 40, 40])
    features[role == "planted"] += 1
    groups = np.arange(160) // 4
    suspicion = fuse(features, role, groups, settings=Fusion(repeats=1))
    for first in (0, 80):  # a corpus and a calibration track
        changed = features.copy()
        changed[first + 1] = 25.0
        again = fuse(changed, role, groups, settings=Fusion(repeats=1))
        np.testing.assert_allclose(again[first], suspicion[first], rtol=1e-9)
        assert again[first + 1] != suspicion[first + 1]


def test_equal_input_gives_equal_output_in_any_order(simulate):
    features, role, groups, kind = parts(simulate(1))
    suspicion = fuse(features, role, groups, kind, seed=3)
    np.testing.assert_array_equal(fuse(features, role, groups, kind, seed=3), suspicion)
    order = np.random.default_rng(0).permutation(len(role))
    shuffled = fuse(features[order], role[order], groups[order], kind[order], seed=3)
    np.testing.assert_allclose(shuffled, suspicion[order], atol=1e-3)  # the solver stops at a tolerance


def test_features_of_half_the_size_give_the_same_suspicion(simulate):
    """A decision holds them as float32, of a million stems a quarter of a gigabyte; what is computed of them is double."""
    features, role, groups, kind = parts(simulate(1))
    single = fuse(features.astype(np.float32), role, groups, kind, seed=3)
    np.testing.assert_allclose(single, fuse(features, role, groups, kind, seed=3), atol=1e-5)


def test_folds_hold_whole_tracks_and_every_role():
    role = np.repeat(["corpus", "calibration", "planted"], [80, 40, 60])
    groups = np.r_[np.arange(120) // 4, 100 + np.arange(60) // 12].astype(str)
    fold = assign_folds(groups, role, 5, np.random.default_rng(0))
    for group in np.unique(groups):
        assert len(np.unique(fold[groups == group])) == 1
    for index in range(5):
        assert {"corpus", "calibration", "planted"} == set(role[fold == index])


def test_weights_balance_kinds_and_roles():
    role = np.array(["corpus"] * 10 + ["calibration"] * 4 + ["planted"] * 6 + [""])
    kind = np.array([""] * 14 + ["clip"] * 5 + ["swap"] + [""])
    weights = example_weights(role, kind, Fusion(unlabelled=0.2))
    assert weights[role == "calibration"].sum() == pytest.approx(0.5)
    assert weights[kind == "clip"].sum() == pytest.approx(weights[kind == "swap"].sum()) == pytest.approx(0.2)
    assert weights[role == "corpus"].sum() == pytest.approx(0.1)
    assert weights[-1] == 0
    without = example_weights(np.array(["corpus", "calibration"]), np.array(["", ""]), Fusion(unlabelled=0.2))
    assert without.tolist() == [0.5, 0.5]


def test_novelty_is_mahalanobis():
    rng = np.random.default_rng(0)
    values = rng.standard_normal((500, 3)) @ np.array([[2, 1, 0], [0, 1, 0], [0, 0.5, 1]])
    clean = np.arange(500) < 400
    centred = values - values[clean].mean(axis=0)
    inverse = np.linalg.inv(np.cov(values[clean].T))
    expected = np.log(np.einsum("ni,ij,nj->n", centred, inverse, centred) / 3 + 0.1)
    np.testing.assert_allclose(novelty(values, *shape_of(values[clean], 0.0)), expected)


def test_too_little_calibration_is_refused():
    role = np.array(["calibration"] * 12 + ["corpus"] * 8)
    assert can_fuse(role, np.arange(20) // 4)
    assert not can_fuse(role, np.zeros(20))
    assert not can_fuse(np.array(["corpus"] * 20), np.arange(20))
    with pytest.raises(ValueError, match="calibration"):
        fuse(np.zeros((20, 2)), role, np.zeros(20))


def test_a_large_corpus_is_learnt_from_by_some_of_it(monkeypatch, simulate):
    """Of the stems that nothing is known of; those of the evidence are all there. What is learnt is nearly the same."""
    from raysep.decision import fusion

    features, role, groups, kind = parts(simulate(2, tracks=150))
    whole = fuse(features, role, groups, kind, seed=1)
    monkeypatch.setattr(fusion, "LEARNT", 250)
    some = fuse(features, role, groups, kind, seed=1)
    assert not np.array_equal(some, whole)
    assert np.corrcoef(some, whole)[0, 1] > 0.97
    said = np.where(role == "corpus", np.arange(len(role)) % 40 == 0, 0)
    rows, times = fusion.examples(np.arange(len(role)) % 5 > 0, role, said, np.random.default_rng(0))
    fitted = np.flatnonzero(np.arange(len(role)) % 5 > 0)
    known = fitted[(role[fitted] != "corpus") | (said[fitted] > 0)]
    assert set(known) <= set(rows) <= set(fitted)
    assert len(rows) == len(known) + 250
    assert times.sum() == pytest.approx(len(fitted))


# The model itself


def logistic(columns, used, positive, weights, penalty, prior=None):
    """Log-odds of all rows by the model of the used ones."""
    before = np.zeros(len(columns)) if prior is None else prior
    odds = Odds.fitted(columns[used], positive[used], weights[used], penalty, before[used])
    return odds(columns) + before


def made_up(seed: int = 0, rows: int = 90, width: int = 6):
    rng = np.random.default_rng(seed)
    columns = rng.standard_normal((rows, width))
    positive = rng.random(rows) < 1 / (1 + np.exp(-2 * columns[:, 0]))
    return columns, rng.random(rows) < 0.8, positive, rng.uniform(0.2, 3, rows)


@pytest.mark.parametrize("penalty", [0.3, 30.0])
def test_the_logistic_model_is_scikit_learns_where_there_is_no_prior(penalty):
    from sklearn.linear_model import LogisticRegression

    columns, used, positive, weights = made_up()
    model = LogisticRegression(C=1 / penalty, max_iter=5000, tol=1e-10)
    model.fit(columns[used], positive[used], sample_weight=weights[used])
    np.testing.assert_allclose(
        logistic(columns, used, positive, weights, penalty), model.decision_function(columns), atol=1e-4
    )


def test_with_a_prior_nothing_smaller_can_be_found_around_the_solution():
    """The slope of the penalised loss is zero, by central differences of the loss written out."""
    columns, used, positive, weights = made_up(1)
    prior = np.random.default_rng(2).standard_normal(len(columns))
    added = logistic(columns, used, positive, weights, 3.0, prior) - prior
    slope = np.linalg.lstsq(np.column_stack([columns, np.ones(len(columns))]), added, rcond=None)[0]

    def loss(slope):
        odds = columns @ slope[:-1] + slope[-1] + prior
        each = np.where(positive, np.log1p(np.exp(-odds)), np.log1p(np.exp(odds)))
        return (weights * each)[used].sum() + 1.5 * (slope[:-1] ** 2).sum()

    for k in range(len(slope)):
        ahead, behind = slope.copy(), slope.copy()
        ahead[k] += 1e-4
        behind[k] -= 1e-4
        assert abs(loss(ahead) - loss(behind)) / 2e-4 < 1e-5


def test_a_start_that_is_near_changes_the_way_and_not_the_end():
    columns, used, positive, weights = made_up(3, rows=400)
    parts = columns[used], positive[used], weights[used], 3.0
    alone = Odds.fitted(*parts)
    few = Odds.fitted(*(each[::4] for each in parts[:3]), 3.0)
    assert np.abs(few.slope - alone.slope).max() > 1e-2
    near = Odds.fitted(*parts, start=few)
    np.testing.assert_allclose(near.slope, alone.slope, atol=1e-7)
    assert near.level == pytest.approx(alone.level, abs=1e-7)


def test_models_scored_at_once_say_what_each_says_of_its_columns():
    """Also of features that no model was fitted on, far beyond the clip, and of models that know nothing of novelty."""
    rng = np.random.default_rng(4)
    features = 2 * rng.standard_normal((300, 5))
    clean, times = np.arange(300) < 60, np.where(np.arange(300) < 60, 1.0, 3.0)
    taken, columns = Columns.learnt(features, clean, times, Fusion())
    models = [Odds(rng.standard_normal(11), 0.7), Odds(rng.standard_normal(10), -0.3)]
    for model, odds in zip(models, taken.odds(features, models), strict=True):
        np.testing.assert_allclose(odds, model(columns[:, : len(model.slope)]), atol=1e-12)


def test_separable_examples_and_a_tiny_penalty_end_in_finite_odds():
    columns = np.linspace(-1, 1, 40)[:, None]
    odds = logistic(columns, np.ones(40, dtype=bool), columns[:, 0] > 0, np.ones(40), 1e-3)
    assert np.isfinite(odds).all()
    assert (np.diff(odds) > 0).all()


def test_without_evidence_to_speak_of_the_prior_decides():
    """Four calibration tracks that are harder than the corpus's: what is learnt from them alone points the wrong way."""
    rng = np.random.default_rng(0)
    role = np.repeat(["corpus", "calibration", "planted"], [200, 16, 24])
    groups = np.r_[np.arange(200) // 4, 50 + np.arange(16) // 4, 54 + np.arange(24) // 12]
    features = rng.standard_normal((240, 30)) + 0.3 * np.repeat(rng.standard_normal((60, 1)), 4, axis=0)
    wrong = np.arange(240) < 60
    features[wrong] -= 1.0
    features[200:216] -= 0.4  # harder songs
    features[216:, :6] -= rng.choice([0.0, 2.0], 24)[:, None]

    def found(**settings):
        return auroc(fuse(features, role, groups, settings=Fusion(**settings))[:200], wrong[:200])

    assert found() > 0.9
    assert found(prior=0.0, enough=0.0) < 0.8


def test_probes_without_a_direction_are_in_no_prior():
    features = np.array([[-1.0, 5.0], [-3.0, -5.0], [2.0, 0.0]])
    np.testing.assert_allclose(shortfall(features, np.array([True, False])), [1.0, 3.0, 0.0])
    np.testing.assert_allclose(shortfall(features, np.array([True, True])), np.sqrt([0.5, 17.0, 0.0]))
    np.testing.assert_allclose(shortfall(features, np.array([False, False])), 0.0)


def test_clean_and_planted_copies_of_a_track_are_never_parted():
    """Else a model that saw the one would score the other, which is nearly the same audio."""
    role = np.repeat(["corpus", "calibration", "planted"], [40, 20, 60])
    tracks = np.r_[[f"song {k // 4}" for k in range(40)], [f"ref {k // 2}" for k in range(20)]]
    groups = np.r_[tracks, [f"ref {k % 10}" for k in range(60)]]
    for seed in range(5):
        fold = assign_folds(groups, role, 5, np.random.default_rng(seed))
        assert all(len(set(fold[groups == name])) == 1 for name in np.unique(groups))
        for name in ("corpus", "calibration", "planted"):
            count = np.bincount([fold[groups == track][0] for track in np.unique(groups[role == name])], minlength=5)
            assert (count == 2).all()
