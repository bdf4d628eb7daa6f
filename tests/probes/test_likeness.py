from __future__ import annotations

import pytest
import torch

from raysep.probes.catalogue import PROBES, reads
from raysep.probes.likeness import LEAST_DB, LIKENESSES, levels
from raysep.probes.probe import TAKEN
from raysep.probes.readings import Output


def test_levels_are_decibels_of_each_output_against_what_went_in():
    target = torch.full((2, 1, 3, 4), 2.0)  # power 4
    estimates = torch.zeros(2, 3, 1, 3, 4)
    estimates[0, 0], estimates[0, 1], estimates[1, 2] = 2.0, 0.2, 1.0
    found = levels(Output(estimates, target, torch.tensor([0, 0])))
    expected = [[0.0, -20.0, LEAST_DB], [LEAST_DB, LEAST_DB, -6.0206]]
    for row, values in zip(found.tolist(), expected, strict=True):
        assert row == pytest.approx(values, abs=1e-4)


def test_levels_do_not_depend_on_the_label_or_on_the_level_of_the_segment():
    torch.manual_seed(0)
    estimates, target = torch.rand(3, 4, 2, 5, 6), torch.rand(3, 2, 5, 6)
    found = levels(Output(estimates, target, torch.tensor([0, 1, 2])))
    assert torch.equal(found, levels(Output(estimates, target, torch.tensor([3, 3, 3]))))
    torch.testing.assert_close(
        levels(Output(0.1 * estimates, 0.1 * target, torch.tensor([0, 1, 2]))), found, rtol=1e-4, atol=1e-4
    )


def test_silence_is_a_number():
    assert torch.isfinite(levels(Output(torch.zeros(1, 4, 1, 2, 2), torch.zeros(1, 1, 2, 2), torch.tensor([0])))).all()


def test_a_likeness_costs_no_forward_pass_of_its_own():
    there = reads(PROBES.values())
    for each in LIKENESSES.values():
        assert all((each.context, network) in there for network in each.networks)


def test_no_probe_of_ones_own_takes_its_column():
    assert set(LIKENESSES) <= TAKEN
