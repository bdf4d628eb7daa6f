from __future__ import annotations

import numpy as np
import pytest

from raysep.evaluation.bootstrap import Interval
from raysep.evaluation.compare import BETTER, UNDECIDED, WORSE, compare, difference, verdict
from raysep.evaluation.table import STEMS
from raysep.seeds import few_seeds


def rows_of(model: str, values: np.ndarray, seeds=None, stems=("vocals", "bass"), measure: str = "sdr") -> list[dict]:
    """Rows of ``(seed, track, stem)`` values."""
    seeds = range(len(values)) if seeds is None else seeds
    return [
        {"model": model, "seed": seed, "track": f"t{t}", "stem": stem, measure: values[s, t, k]}
        for s, seed in enumerate(seeds)
        for t in range(values.shape[1])
        for k, stem in enumerate(stems)
    ]


@pytest.fixture
def songs():
    return 3 * np.random.default_rng(1).standard_normal((1, 20, 2))


def test_a_verdict_needs_the_whole_interval_on_one_side():
    assert verdict(Interval(1.0, 0.1, 2.0)) == BETTER
    assert verdict(Interval(-1.0, -2.0, -0.1)) == WORSE
    assert verdict(Interval(1.0, -0.1, 2.0)) == UNDECIDED
    assert verdict(Interval(0.0, 0.0, 0.0)) == UNDECIDED
    assert verdict(Interval(1.0, np.nan, np.nan)) == UNDECIDED


def test_better_worse_and_neither(songs):
    noise = 0.2 * np.random.default_rng(2).standard_normal((3, *songs.shape))
    rows = rows_of("a", songs + [0.4, -0.4] + noise[0]) + rows_of("b", songs + noise[1])
    found = {c.stem: c for c in compare(rows, "a", "b", ["sdr"])}
    assert list(found) == [STEMS, "vocals", "bass"]
    assert [c.verdict for c in found.values()] == [UNDECIDED, BETTER, WORSE]
    vocals = found["vocals"]
    assert vocals.difference.estimate == pytest.approx(0.4 + (noise[0] - noise[1])[0, :, 0].mean())
    assert (vocals.tracks, vocals.undefined, vocals.seeds, vocals.seeds_paired) == (20, 0, (1, 1), True)
    assert vocals.tracks_better >= 17
    back = {c.stem: c.verdict for c in compare(rows, "b", "a", ["sdr"])}
    assert [back[stem] for stem in found] == [UNDECIDED, WORSE, BETTER]


def test_a_model_is_not_distinguishable_from_itself(songs):
    rows = rows_of("a", songs) + rows_of("b", songs)
    assert {c.verdict for c in compare(rows, "a", "b", ["sdr"])} == {UNDECIDED}


def test_false_verdicts_are_as_rare_as_promised_and_true_ones_as_frequent_as_they_should_be():
    """Three seeds each, 20 tracks; noise of seeds 0.1 dB, of cells 0.3 dB, as measured on small separators."""
    rng = np.random.default_rng(5)
    song = lambda: rng.standard_normal(20)  # noqa: E731
    wrong = found = 0
    for _ in range(300):
        tracks = song()
        ours, theirs = (
            tracks + 0.1 * rng.standard_normal((3, 1)) + 0.3 * rng.standard_normal((3, 20)) for _ in range(2)
        )
        wrong += verdict(difference(ours, theirs, paired=True, draws=300)) != UNDECIDED
        found += verdict(difference(ours + 0.6, theirs, paired=True, draws=300)) == BETTER
    assert wrong / 300 <= 0.06
    assert found / 300 >= 0.8


def test_undefined_tracks_are_left_out_of_both_sides_and_counted(songs):
    ours, theirs = songs + 1.0, songs.copy()
    ours[0, 3, 0] = np.nan
    theirs[0, 7, 1] = np.inf
    rows = rows_of("a", ours) + rows_of("b", theirs)
    for row in rows:
        if np.isnan(row["sdr"]):
            row["sdr"] = None  # as a table of a failed track reads
    found = {c.stem: c for c in compare(rows, "a", "b", ["sdr"])}
    assert [(c.tracks, c.undefined, c.left_out) for c in found.values()] == [(20, 0, 2), (19, 1, 0), (19, 1, 0)]
    assert [c.difference.estimate for c in found.values()] == pytest.approx([1.0] * 3)


@pytest.mark.parametrize("seeds", [(0, 1), (5, 6, 7)])
def test_models_are_compared_on_the_songs_and_stems_that_both_have(seeds):
    """Against loops; a model that lacks the song on which it is bad gains nothing by it."""
    rng = np.random.default_rng(8)
    ours, theirs = rng.standard_normal((2, 12, 2)), rng.standard_normal((len(seeds), 12, 2))
    theirs[:, 3] = 50.0
    ours[1, 3, 0] = np.nan
    ours[0, 4] = np.nan
    theirs[:, 5, 1] = np.nan
    found = compare(rows_of("a", ours) + rows_of("b", theirs, seeds=seeds), "a", "b", ["sdr"], draws=50)[0]
    gaps = []
    for song in range(12):
        pairs = [(ours[:, song, k], theirs[:, song, k]) for k in range(2)]
        both = [(a.mean(), b.mean()) for a, b in pairs if np.isfinite(a).all() and np.isfinite(b).all()]
        if both:
            gaps.append(np.mean([a for a, _ in both]) - np.mean([b for _, b in both]))
    assert found.difference.estimate == pytest.approx(np.mean(gaps))
    assert (found.tracks, found.undefined, found.left_out) == (11, 1, 2)
    assert found.tracks_better == sum(gap > 0 for gap in gaps)


def test_where_lower_is_better_the_lower_one_is(songs):
    noise = 0.2 * np.random.default_rng(9).standard_normal((3, *songs.shape[1:]))
    rows = rows_of("a", songs - 1.0 + noise, measure="residue") + rows_of("b", songs + noise, measure="residue")
    found = compare(rows, "a", "b", ["residue"])[0]
    assert found.difference.estimate == pytest.approx(-1.0)
    assert (found.verdict, found.tracks_better) == (BETTER, 20)
    assert verdict(Interval(1.0, 0.1, 2.0), higher_is_better=False) == WORSE


def test_fewer_seeds_than_three_have_a_name():
    assert [few_seeds(counts) for counts in ([1, 5], [5, 2], [3, 3], [])] == ["one seed", "two seeds", "", ""]


def test_a_track_that_only_one_model_has_is_undefined(songs):
    rows = rows_of("a", songs[:, :15] + 1.0) + rows_of("b", songs)
    assert {(c.tracks, c.undefined) for c in compare(rows, "a", "b", ["sdr"])} == {(15, 5)}


def test_nothing_in_common_is_undecided(songs):
    rows = rows_of("a", np.full((1, 4, 2), np.nan)) + rows_of("b", songs[:, :4])
    found = compare(rows, "a", "b", ["sdr"])
    assert {(c.verdict, c.tracks) for c in found} == {(UNDECIDED, 0)}
    assert compare(rows_of("a", songs[:, :, :1], stems=("vocals",)) + rows_of("b", songs[:, :, :1], stems=("bass",)), "a", "b", ["sdr"]) == []  # fmt: skip


def test_only_shared_stems_are_compared(songs):
    rows = rows_of("a", songs + 1.0) + rows_of("b", songs[:, :, :1], stems=("vocals",))
    found = compare(rows, "a", "b", ["sdr"])
    assert [c.stem for c in found] == [STEMS, "vocals"]
    assert found[0].difference.estimate == pytest.approx(1.0)


def test_the_same_seeds_are_paired_and_others_drawn_apart(songs):
    """A common effect of each seed cancels in the difference, when the seeds are the same."""
    seeds = np.array([-1.0, 0.0, 1.0])[:, None, None]
    noise = 0.05 * np.random.default_rng(6).standard_normal((2, 3, 20, 2))
    ours, theirs = songs + seeds + 0.3 + noise[0], songs + seeds + noise[1]
    paired = compare(rows_of("a", ours) + rows_of("b", theirs), "a", "b", ["sdr"])[0]
    assert (paired.verdict, paired.seeds, paired.seeds_paired) == (BETTER, (3, 3), True)
    apart = compare(rows_of("a", ours) + rows_of("b", theirs, seeds=(7, 8, 9)), "a", "b", ["sdr"])[0]
    assert (apart.verdict, apart.seeds_paired) == (UNDECIDED, False)
    assert apart.difference.estimate == pytest.approx(paired.difference.estimate)
    uneven = compare(rows_of("a", ours) + rows_of("b", theirs[:2]), "a", "b", ["sdr"])[0]
    assert uneven.seeds == (3, 2)


def test_the_order_of_rows_changes_nothing(songs):
    rows = rows_of("a", songs + 0.1) + rows_of("b", songs)
    turned = sorted(rows, key=lambda row: (row["stem"] != "vocals", -int(row["track"][1:])))
    assert compare(turned, "a", "b", ["sdr"]) == compare(rows, "a", "b", ["sdr"])


def test_a_comparison_is_plain_values(songs):
    rows = rows_of("a", songs + 1.0) + rows_of("b", songs)
    plain = compare(rows, "a", "b", ["sdr"])[0].to_dict()
    assert plain["difference"] == pytest.approx(1.0)
    assert {"model", "against", "measure", "stem", "low", "high", "level", "verdict", "tracks", "undefined"} <= set(
        plain
    )
