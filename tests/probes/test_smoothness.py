from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from raysep.errors import RaysepError
from raysep.probes.metagradient import metagradient
from raysep.probes.smoothness import Verdict, smoothness


def judged(training, query):
    ones = torch.ones(12, dtype=torch.float64)
    return smoothness(training, ones, query, metagradient(training, ones, query))


def test_a_smooth_training_is_trusted(unrolled):
    training, query = unrolled(eps_root=1e-2, by_label=False, learning_rate=1e-2, steps=12)
    verdict = judged(training, query)
    assert verdict.trusted
    assert verdict.ratio == pytest.approx(1.0, abs=0.05)
    assert abs(verdict.curvature) < 0.2
    assert verdict.words.startswith("metagradient trusted: ")
    verdict.require()


@pytest.mark.slow
def test_a_wrong_metagradient_is_not(unrolled):
    """Whatever is wrong with it: the direction it claims most in does not hold it."""
    training, query = unrolled(eps_root=1e-2, by_label=False, learning_rate=1e-2, steps=12)
    ones = torch.ones(12, dtype=torch.float64)
    found = metagradient(training, ones, query)
    shuffled = found.gradient[:, np.random.default_rng(0).permutation(12)]
    for wrong in (2 * found.gradient, -found.gradient, shuffled):
        verdict = smoothness(training, ones, query, dataclasses.replace(found, gradient=wrong))
        assert not verdict.trusted
        with pytest.raises(RaysepError, match="metagradient not to be trusted: "):
            verdict.require()


@pytest.mark.slow
def test_a_chaotic_training_is_told_what_to_change(unrolled):
    """A large rate with hardly anything inside the root: where the derivative is right, and foretells nothing."""
    training, query = unrolled(eps_root=1e-14, by_label=False, learning_rate=0.3, steps=40, schedule="constant")
    verdict = judged(training, query)
    assert not verdict.trusted
    assert verdict.advice.startswith("raise training.eps_root from 1e-14 to ")
    assert verdict.words.endswith("raise training.batch from 3 to 6")


def test_the_words_are_one_line():
    verdict = Verdict(2.0, 1.0, 0.3, 0.03, False, "raise training.eps_root from 0.1 to 1")
    assert verdict.words == (
        "metagradient not to be trusted: of the change of the reference loss that the metagradient foretells for a change "
        "of the weights by 3%, training gives 50%; raise training.eps_root from 0.1 to 1"
    )
