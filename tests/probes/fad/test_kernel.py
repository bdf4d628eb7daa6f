import numpy as np
import pytest
from scipy.spatial.distance import cdist, pdist

from raysep.probes.fad.kernel import KernelReference, kernel_distances
from raysep.probes.fad.neighbours import MOST_FRAMES


def definition(frames, reference):
    """Unbiased squared MMD by sums over distinct pairs, times 100."""
    bandwidth = np.median(pdist(reference))

    def kernel(a, b):
        return np.exp(-cdist(a, b, "sqeuclidean") / (2 * bandwidth**2))

    def distinct(a):
        return kernel(a, a)[~np.eye(len(a), dtype=bool)].mean()

    return 100 * (distinct(reference) + distinct(frames) - 2 * kernel(frames, reference).mean())


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    return rng.normal(size=(150, 16)) + 30.0, [rng.normal(size=(n, 16)) + 30.3 for n in (2, 9, 9, 40, 300)]


def test_equals_the_definition_with_the_references_bandwidth(data):
    reference, stems = data
    expected = [definition(stem, reference) for stem in stems]
    found = kernel_distances(stems, KernelReference.from_frames(reference), "float64")
    np.testing.assert_allclose(found, expected, atol=1e-10)


def test_single_precision_keeps_what_is_promised(data):
    reference, stems = data
    stems = [*stems, stems[0] + 100.0]
    made = KernelReference.from_frames(reference)
    double, single = (kernel_distances(stems, made, precision) for precision in ("float64", "float32"))
    assert np.abs(single - double).max() < 1e-4


def test_grouping_changes_nothing(data, monkeypatch):
    reference, stems = data
    made = KernelReference.from_frames(reference)
    expected = kernel_distances(stems, made)
    monkeypatch.setattr("raysep.probes.fad.kernel.NUMBERS_AT_ONCE", 1000)
    np.testing.assert_allclose(kernel_distances(stems, made), expected, atol=1e-5)


def test_without_a_difference_it_is_around_zero_and_grows_with_one():
    rng = np.random.default_rng(1)
    reference = KernelReference.from_frames(rng.normal(size=(500, 8)))
    same = kernel_distances([rng.normal(size=(30, 8)) for _ in range(200)], reference)
    assert abs(same.mean()) < 4 * same.std() / np.sqrt(200)
    means = [kernel_distances([rng.normal(size=(200, 8)) + shift], reference)[0] for shift in (0.3, 1.0, 3.0)]
    assert same.max() < means[1] < means[2]
    assert means[0] < means[1]


def test_many_reference_frames_are_thinned_the_same_way_each_time():
    frames = np.random.default_rng(2).normal(size=(MOST_FRAMES + 20, 3))
    first, second = (KernelReference.from_frames(frames, seed=4) for _ in range(2))
    assert len(first.frames) == MOST_FRAMES
    assert np.array_equal(first.frames, second.frames)
    assert first.within == second.within


def test_bytes_round_trip(data):
    reference, stems = data
    made = KernelReference.from_frames(reference)
    again = KernelReference.from_bytes(made.to_bytes())
    assert np.array_equal(kernel_distances(stems, again), kernel_distances(stems, made))


@pytest.mark.parametrize("frames", [np.zeros((1, 3)), np.ones((5, 3)), np.zeros(4)])
def test_a_reference_without_a_bandwidth_is_refused(frames):
    with pytest.raises(ValueError, match="reference"):
        KernelReference.from_frames(frames)


def test_one_frame_or_another_dimension_is_refused(data):
    made = KernelReference.from_frames(data[0])
    for bad in (np.zeros((1, 16)), np.zeros((5, 3))):
        with pytest.raises(ValueError, match="frames"):
            kernel_distances([bad], made)
