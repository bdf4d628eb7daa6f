import math

import numpy as np
import pytest

from raysep.errors import BadInput
from raysep.probes.fad import ReferenceStatistics, frechet_distance, frechet_distance_infinity
from raysep.probes.fad.infinity import line


@pytest.fixture(scope="module")
def world():
    rng = np.random.default_rng(0)
    return ReferenceStatistics.from_frames(rng.normal(size=(20000, 12))), rng.normal(size=(4000, 12)) + 0.5


def test_it_finds_the_distance_of_infinitely_many_frames(world):
    reference, frames = world
    found = frechet_distance_infinity(frames, reference)
    truth = 12 * 0.25  # equal covariances, every mean 0.5 apart
    assert found.distance == pytest.approx(truth, rel=0.05)
    assert found.slope > 0.0  # few frames look further away than they are
    assert found.sizes[0] == 500
    assert found.sizes[-1] == 4000
    assert len(found.distances) == 25


def test_the_same_seed_gives_the_same_number_and_another_one_another(world):
    reference, frames = world
    first, second, other = (frechet_distance_infinity(frames, reference, steps=5, seed=s) for s in (1, 1, 2))
    assert first.distance == second.distance
    assert np.array_equal(first.distances, second.distances)
    assert first.distance != other.distance


def test_each_point_is_a_draw_with_replacement(world):
    reference, frames = world
    found = frechet_distance_infinity(frames, reference, steps=2, least=50, seed=3)
    rng = np.random.default_rng(3)
    expected = [frechet_distance(frames[rng.integers(4000, size=n)], reference) for n in (50, 4000)]
    assert found.distances == pytest.approx(expected)


def test_just_above_the_least_size_it_is_still_what_fadtk_computes(world):
    reference, frames = world
    found = frechet_distance_infinity(frames[:501], reference, seed=1)
    assert found.sizes.tolist() == [500] * 24 + [501]
    assert math.isfinite(found.distance)


def test_the_line_is_least_squares_in_one_over_n():
    sizes = np.array([10, 20, 40, 80])
    exact = line(sizes, 3.0 + 7.0 / sizes)
    assert (exact.distance, exact.slope, exact.r2) == pytest.approx((3.0, 7.0, 1.0))
    bent = line(sizes, np.array([4.0, 3.0, 3.5, 3.0]))
    design = np.stack([np.ones(4), 1 / sizes], axis=1)
    expected, residue, *_ = np.linalg.lstsq(design, bent.distances, rcond=None)
    assert (bent.distance, bent.slope) == pytest.approx(tuple(expected))
    assert bent.r2 == pytest.approx(1 - residue[0] / (4 * bent.distances.var()))


@pytest.mark.parametrize("arguments", [{"least": 4000}, {"steps": 1}])
def test_too_few_frames_or_steps_are_refused_with_the_remedy(world, arguments):
    with pytest.raises(BadInput, match="more audio"):
        frechet_distance_infinity(world[1], world[0], **arguments)
