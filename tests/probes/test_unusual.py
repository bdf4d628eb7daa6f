from __future__ import annotations

import numpy as np
import pytest

from raysep.probes.unusual import FEWEST, NEIGHBOURS, standings


def corpus(tracks: int = 20, dimension: int = 6, seed: int = 0):
    """Vectors, labels and tracks of two labels that are eight spreads apart."""
    rng = np.random.default_rng(seed)
    names = [(f"t{k:02d}", label) for k in range(tracks) for label in ("bass", "drums")]
    centres = {"bass": np.zeros(dimension), "drums": np.full(dimension, 8.0)}
    vectors = np.stack([centres[label] + rng.standard_normal(dimension) for _, label in names])
    return vectors, [label for _, label in names], [track for track, _ in names]


def test_a_stem_that_is_far_off_is_the_most_unusual_of_its_label():
    vectors, labels, tracks = corpus()
    vectors[10] -= 9.0
    found = standings(vectors, labels, tracks)
    assert max(range(len(found)), key=lambda k: found[k].unusual) == 10
    assert np.median([one.unusual for one in found]) == pytest.approx(1.0, abs=0.1)


def test_a_stem_among_another_label_is_told_to_sound_like_it():
    vectors, labels, tracks = corpus()
    vectors[[10, 11]] = vectors[[11, 10]]
    found = standings(vectors, labels, tracks)
    assert [k for k, one in enumerate(found) if one.other > 1] == [10, 11]
    assert (found[10].nearest, found[11].nearest) == ("drums", "bass")


def test_it_is_compared_with_other_tracks_alone():
    """A stem that is in its track under both labels is no neighbour of itself."""
    vectors, labels, tracks = corpus()
    vectors[11] = vectors[10]
    assert standings(vectors, labels, tracks)[10].other < 0.5


@pytest.mark.parametrize("count", [11, 12])
def test_the_distances_are_those_of_the_definition(count):
    vectors, labels, tracks = corpus(count)
    found = standings(vectors, labels, tracks)
    own = np.array(labels)
    spread = np.mean(
        [
            np.median(np.abs(vectors[own == n] - np.median(vectors[own == n], axis=0)), axis=0)
            for n in ("bass", "drums")
        ],
        axis=0,
    )

    def near(row: int, label: str) -> float:
        others = [k for k in range(len(labels)) if labels[k] == label and tracks[k] != tracks[row]]
        squared = sorted(float(np.square((vectors[row] - vectors[k]) / spread).sum()) for k in others)
        return float(np.sqrt(np.mean(squared[:NEIGHBOURS])))

    def apart(row: int) -> float:
        others = [k for k in range(len(labels)) if labels[k] == "bass" and k != row]
        return float(np.linalg.norm((vectors[row] - np.median(vectors[others], axis=0)) / spread))

    usual = np.median([apart(row) for row in range(len(labels)) if labels[row] == "bass"])
    assert found[4].unusual == pytest.approx(apart(4) / usual)
    assert found[4].other == pytest.approx(near(4, "bass") / near(4, "drums"))


def test_scale_and_order_play_no_part():
    vectors, labels, tracks = corpus()
    order = np.random.default_rng(1).permutation(len(labels))
    scaled = (vectors * 10.0 ** np.arange(-3, 3) + 5)[order]
    there = standings(scaled, [labels[k] for k in order], [tracks[k] for k in order])
    here = standings(vectors, labels, tracks)
    np.testing.assert_allclose([one.unusual for one in there], [here[k].unusual for k in order], rtol=1e-6)


def test_of_too_few_stems_nothing_is_said():
    vectors, labels, tracks = corpus(FEWEST - 1)
    assert all(np.isnan(one.unusual) and not one.nearest for one in standings(vectors, labels, tracks))


def test_a_label_that_stands_alone_is_like_no_other():
    vectors, labels, tracks = corpus()
    bass = [k for k, label in enumerate(labels) if label == "bass"]
    found = standings(vectors[bass], ["bass"] * len(bass), [tracks[k] for k in bass])
    assert all(one.nearest == "" and np.isnan(one.other) and np.isfinite(one.unusual) for one in found)
