import numpy as np
import pytest
import torch

from raysep.errors import BadInput
from raysep.probes import Probe
from raysep.probes.per_track import PerTrack, mean_rank
from raysep.probes.probe import PER_TRACK
from raysep.probes.readings import Output, Readings, loss

ROWS = ("vocals", "drums")


def test_the_loss_is_that_of_the_segments_own_stem():
    rng = np.random.default_rng(0)
    estimates, target = rng.random((3, 2, 1, 5, 4)), rng.random((3, 1, 5, 4))
    found = loss(Output(torch.from_numpy(estimates), torch.from_numpy(target), torch.tensor([1, 0, 1])))
    expected = [np.mean((estimates[i, k] - target[i]) ** 2) for i, k in enumerate((1, 0, 1))]
    assert found.dtype == torch.float64
    assert found.tolist() == pytest.approx(expected)


def readings(networks, per_track=None) -> Readings:
    probe = Probe("mine", "own", networks, True, "here", lambda read: read.of("final"))
    taken = {("own", "final", loss): np.ones((2, 3)), ("own", "early", loss): np.zeros((2, 3))}
    return Readings(probe, taken, ROWS, 1e-3, 1.0, per_track)


def test_a_network_that_is_not_declared_is_refused_though_another_probe_reads_it():
    assert np.array_equal(readings(("final",)).of("final"), np.ones((2, 3)))
    for asked in ("early", "finall"):
        with pytest.raises(
            BadInput, match=f"probe 'mine': its formula asks for the network '{asked}', .*declared: final"
        ):
            readings(("final",)).of(asked)
    with pytest.raises(BadInput, match="asks for the ranks of the reference tracks"):
        readings(("final",)).ranks(np.zeros((1, 2, 3)))


def test_ranks_are_those_of_each_label():
    rng = np.random.default_rng(1)
    known = {label: np.sort(rng.normal(size=(2, 9)), axis=1) for label in ROWS}
    tau = rng.normal(size=(2, 2, 3))
    found = readings(("final", PER_TRACK), PerTrack((), known)).ranks(tau)
    for row, label in enumerate(ROWS):
        assert np.array_equal(found[row], mean_rank(tau[:, row], known[label]))
