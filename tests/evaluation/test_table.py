from __future__ import annotations

import numpy as np
import pytest

from raysep.evaluation.table import STEMS, figures, grid

VALUES = {  # seed → track → (vocals, bass)
    0: {"t0": (1.0, 5.0), "t1": (2.0, 6.0), "t2": (6.0, 10.0)},
    1: {"t0": (3.0, 7.0), "t1": (4.0, 8.0), "t2": (8.0, 12.0)},
}


@pytest.fixture
def rows() -> list[dict]:
    return [
        {"model": "a", "seed": seed, "track": track, "stem": stem, "sdr": value, "framewise_sdr": value - 1}
        for seed, tracks in VALUES.items()
        for track, pair in tracks.items()
        for stem, value in zip(("vocals", "bass"), pair, strict=True)
    ]


def test_rows_are_arranged_by_seed_track_and_stem(rows):
    found = grid(rows[::-1], "a", "sdr")
    assert (found.seeds, found.tracks, found.stems) == ((0, 1), ("t0", "t1", "t2"), ("bass", "vocals"))
    assert found.on(["t2"], ["vocals"]).tolist() == [[[6.0]], [[8.0]]]


def test_the_figures_are_the_hand_computed_ones(rows):
    found = {(f.measure, f.stem, f.track_aggregate): f for f in figures(rows, ["sdr", "framewise_sdr"], draws=200)}
    assert len(found) == 2 * 3 * 2
    # Means over tracks: vocals 3 and 5, bass 7 and 9 with the two seeds. Medians: 2 and 4, 6 and 8.
    assert found["sdr", "vocals", "mean"].value.estimate == pytest.approx(4.0)
    assert found["sdr", "bass", "mean"].value.estimate == pytest.approx(8.0)
    assert found["sdr", STEMS, "mean"].value.estimate == pytest.approx(6.0)
    assert found["sdr", STEMS, "median"].value.estimate == pytest.approx(5.0)
    assert found["framewise_sdr", STEMS, "median"].value.estimate == pytest.approx(4.0)
    for figure in found.values():
        assert figure.value.low < figure.value.estimate < figure.value.high
        assert (figure.tracks, figure.undefined, figure.seeds) == (3, 0, 2)


def test_a_figure_says_how_it_was_made(rows):
    plain = [f.to_dict() for f in figures(rows, ["sdr", "framewise_sdr"], draws=50)]
    assert {(p["measure"], p["frame_rule"]) for p in plain} == {
        ("sdr", "whole track"),
        ("framewise_sdr", "median over 1 s frames, museval v4 rules"),
    }
    assert {p["track_aggregate"] for p in plain} == {"mean", "median"}
    assert {p["stem_aggregate"] for p in plain} == {STEMS}
    assert {p["unit"] for p in plain} == {"dB"}


def test_the_median_over_tracks_is_musevals(rows):
    """museval's own aggregate: the median over tracks of each target, with pandas as its store does it."""
    import pandas

    of_seed = pandas.DataFrame([row for row in rows if row["seed"] == 0])
    expected = of_seed.groupby("stem")["framewise_sdr"].median()
    found = figures([row for row in rows if row["seed"] == 0], ["framewise_sdr"], draws=50)
    for stem in ("vocals", "bass"):
        figure = next(f for f in found if (f.stem, f.track_aggregate) == (stem, "median"))
        assert figure.value.estimate == pytest.approx(expected[stem])


def test_an_undefined_track_is_left_out_and_counted(rows):
    for row in rows:
        if (row["seed"], row["track"], row["stem"]) == (1, "t2", "bass"):
            row["sdr"] = None
    found = {(f.stem, f.track_aggregate): f for f in figures(rows, ["sdr"], draws=50)}
    assert (found["vocals", "mean"].tracks, found["vocals", "mean"].undefined) == (3, 0)
    assert (found["bass", "mean"].tracks, found["bass", "mean"].undefined) == (2, 1)
    assert found["bass", "mean"].value.estimate == pytest.approx(np.mean([5, 6, 7, 8]))
    # Over stems the track counts by the other one: t0 3 and 5, t1 4 and 6, t2 6 and 8 with the two seeds.
    overall = found[STEMS, "mean"]
    assert (overall.tracks, overall.undefined, overall.left_out) == (3, 0, 1)
    assert overall.value.estimate == pytest.approx(np.mean([3, 5, 4, 6, 6, 8]))
    assert found[STEMS, "median"].value.estimate == pytest.approx(np.mean([2, 4, 5.5, 7.5]))


def test_a_track_without_any_value_is_undefined(rows):
    for row in rows:
        if row["track"] == "t2" and row["seed"] == 1:  # as a track that failed with one seed
            row["sdr"] = None
    found = next(f for f in figures(rows, ["sdr"], draws=50) if f.stem == STEMS)
    assert (found.tracks, found.undefined, found.left_out) == (2, 1, 0)
    assert found.value.estimate == pytest.approx(np.mean([1, 5, 2, 6, 3, 7, 4, 8]))


def test_models_with_other_stems_stand_in_one_table(rows):
    more = [{"model": "b", "seed": None, "track": "t0", "stem": "vocals", "sdr": 2.5}]
    found = [f for f in figures([*rows, *more], ["sdr"], draws=20) if f.model == "b"]
    assert {f.stem for f in found} == {STEMS, "vocals"}
    assert {f.value.estimate for f in found} == {2.5}
    assert np.isnan([f.value.low for f in found]).all()  # one track: nothing to draw from


def test_two_models_under_one_name_are_refused_rather_than_merged(rows):
    other = [{"model": "a", "seed": None, "track": "t1", "stem": "bass", "sdr": -9.0}]  # counts as seed 0
    with pytest.raises(ValueError, match="a: has two rows of seed 0, track t1, stem bass"):
        grid([*rows, *other], "a", "sdr")
