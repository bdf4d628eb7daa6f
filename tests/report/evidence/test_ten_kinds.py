"""Over songs with all ten kinds of faults: what can be heard is of many kinds, and the marks lie on the faults."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import page
from raysep.corpus import truth
from raysep.corpus.layouts import stems_of
from raysep.report.evidence.of_run import Evidence
from tests.ten_kinds_run import make


def test_a_fault_lies_where_the_original_is_gone_or_stands_above_the_ceiling():
    clean = np.array([[0.1, 0.5, -0.9, 0.0, 0.3]])
    assert page.fault_at("dropout", clean * [1, 0, 0, 1, 1], clean).tolist() == [False, True, True, False, False]
    assert page.fault_at("clip", np.clip(clean, -0.5, 0.5), clean).tolist() == [False, True, True, False, False]


def test_kinds_are_counted_of_what_has_a_sound():
    rows = [{"stem_id": "a", "takes": ["sound"]}, {"stem_id": "b", "takes": []}, {"stem_id": "c", "takes": ["sound"]}]
    assert page.kinds_heard(rows, {"a": "swap", "b": "clip", "c": truth.CLEAN}) == {"swap": 1}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """(evidence, kind of each stem, the stems before they were spoilt)."""
    made, songs = make(tmp_path_factory.mktemp("ten"))
    kind_of = {row["stem_id"]: row["kind"] for row in truth.read(songs.truth)}
    return Evidence(made), kind_of, {stem.stem_id: stem for stem in stems_of(songs.clean).stems}


@pytest.mark.slow
@pytest.mark.long
def test_what_can_be_heard_is_of_eight_kinds_of_ten(run):
    evidence, kind_of, _ = run
    chosen = [{"stem_id": each.stem_id, "takes": ["sound"]} for each in evidence.chosen()]
    assert len(page.kinds_heard(chosen, kind_of)) >= 8


@pytest.mark.slow
@pytest.mark.long
def test_four_of_five_marks_lie_on_the_local_fault(run):
    evidence, kind_of, clean = run
    removed = [stem_id for stem_id, row in evidence.decision.items() if not row["keep"]]
    found = page.marks(evidence, removed, kind_of, clean)
    assert {each.kind for each in found} == set(page.LOCAL)
    assert sum(each.overlaps for each in found) >= 0.8 * len(found)
