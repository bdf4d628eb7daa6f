"""A trained point of a small network in float64, and its per-sample gradients by another way."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from raysep.probes.rivals.point import Point

STEMS = 12


@pytest.fixture(scope="session")
def trained(unrolled):
    """``trained(name)``: a short training, its query, and the states of it."""

    def make(name: str = "openunmix-joint", **changes):
        training, query = unrolled(name, by_label=False, **changes)
        return training, query, list(training.states(torch.ones(STEMS, dtype=torch.float64)))

    return make


@pytest.fixture(scope="session")
def slopes_of():
    """``slopes_of(point, targets)``: (batch, stem, parameter), sample by sample and by ``torch.func``."""

    def slopes(point: Point, targets: torch.Tensor) -> np.ndarray:
        rows = []
        for example in targets:
            losses = point.losses(example[None])
            rows.append(torch.func.jacrev(lambda p, of=losses: of(p)[0])(point.parameters))
        return torch.stack(rows).numpy()

    return slopes
