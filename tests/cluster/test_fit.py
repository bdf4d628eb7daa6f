from __future__ import annotations

from raysep.cluster import fit


def test_names_of_datasets_hold_no_slash():
    names = {fit.dataset_name(plan, part) for plan in range(12) for part in range(12)}
    assert len(names) == 144
    assert not any("/" in name for name in names)


def test_the_reason_of_a_failed_training_is_its_last_line():
    assert (
        fit._reason(RuntimeError("Traceback …\n  File x\nBadInput: no audible vocals\n"))
        == "BadInput: no audible vocals"
    )
    assert fit._reason(RuntimeError("")) == "RuntimeError"
