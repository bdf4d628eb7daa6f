from __future__ import annotations

import pytest

from raysep.config import DecisionSettings
from raysep.errors import BadInput
from raysep.stages import decide


@pytest.mark.parametrize("probe", ["fused", "fad-z", "loss_worst"])
def test_a_ratio_may_rank_by_any_probe(probe):
    decide.check_probe(DecisionSettings(probe=probe))


def test_a_probe_that_no_run_has_is_refused_before_any_work():
    with pytest.raises(BadInput, match=r"decision\.probe = 'fadz': must be fused or one of .*fad-z"):
        decide.check_probe(DecisionSettings(probe="fadz"))
