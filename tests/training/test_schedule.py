from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from raysep.training.schedule import learning_rate


def rates(schedule: str, factor: float = 1.0, warmup: int = 9) -> list[float]:
    return [learning_rate(schedule, 1.0, step, 100, warmup, factor) for step in range(101)]


def test_a_cosine_rises_then_falls_to_zero():
    found = rates("cosine")
    assert found[0] == pytest.approx(0.1)
    assert max(found) == found[9] == pytest.approx(1.0, abs=0.03)
    assert all(a >= b for a, b in pairwise(found[9:]))
    assert found[50] == pytest.approx(0.5)
    assert found[100] == pytest.approx(0.0, abs=1e-12)


def test_one_cycle_is_the_librarys_at_its_turning_points():
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.SGD([parameter], lr=1.0)
    library = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, 1.0, total_steps=101, cycle_momentum=False, final_div_factor=400
    )
    expected = []
    for _ in range(101):
        expected.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        library.step() if len(expected) < 101 else None
    found = rates("one-cycle")
    assert found[0] == pytest.approx(expected[0])
    assert found[30] == pytest.approx(1.0)
    assert found[100] == pytest.approx(expected[100], abs=1e-6)
    assert max(abs(a - b) for a, b in zip(found, expected, strict=True)) < 0.03  # its peak is a step earlier


def test_a_constant_rate_is_constant_after_its_rise():
    found = rates("constant")
    assert found[:10] == pytest.approx([0.1 * (k + 1) for k in range(10)])
    assert found[10:] == [1.0] * 91


def test_a_plateau_is_scaled_by_what_validation_says():
    assert rates("plateau", factor=0.09)[50] == pytest.approx(0.09)
