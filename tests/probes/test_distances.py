from types import SimpleNamespace

import numpy as np
import pytest

from raysep.probes import distances
from raysep.probes.fad.reference import LabelReference


def test_there_is_an_entry_for_every_distance_that_the_pass_measures():
    rng = np.random.default_rng(0)
    reference = LabelReference.from_tracks([rng.normal(size=(40, 4)) for _ in range(4)], cuts=10)
    measured = reference.score(rng.normal(size=(30, 4)))
    assert set(measured) == set(distances.SOURCES)


MEASURED = {name: float(number) for number, name in enumerate(distances.SOURCES)}


@pytest.mark.parametrize("probe", distances.PROBES[:-1], ids=lambda probe: probe.name)
def test_a_score_is_minus_its_distance(probe):
    assert probe.distances
    assert probe.oriented
    assert probe.formula(SimpleNamespace(distances=MEASURED)) == -MEASURED[probe.name]
