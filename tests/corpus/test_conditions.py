"""The named conditions: what they hold, and that each of their faults can be heard."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raysep.corpus.conditions import CONDITIONS, TEN_KINDS, condition, note
from raysep.corpus.contamination import corrupt
from raysep.corpus.faultplan import plan
from raysep.corpus.faults import KINDS, SEVERITIES, check_choices
from raysep.corpus.layouts import LABELS
from raysep.errors import BadInput

RATE = 16_000
PUBLISHED = [name for name in CONDITIONS if name != TEN_KINDS]
CASES = [
    (kind, severity)
    for name in PUBLISHED
    for kind in CONDITIONS[name].kinds
    for severity in CONDITIONS[name].severities
]


def rms_db(audio: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(np.square(audio, dtype=float))))


def test_every_condition_is_made_of_what_the_simulator_knows():
    assert list(CONDITIONS) == [TEN_KINDS, "label-noise", "bleeding", "mixed"]
    for each in CONDITIONS.values():
        check_choices("kind", each.kinds, KINDS)
        check_choices("severity", each.severities, SEVERITIES)
        assert 0 < each.share < 1
        assert each.about
    assert (CONDITIONS[TEN_KINDS].kinds, CONDITIONS[TEN_KINDS].severities) == (KINDS, SEVERITIES)


@pytest.mark.parametrize(("kind", "severity"), sorted(set(CASES)))
def test_each_fault_of_the_published_conditions_changes_the_stem_audibly(kind, severity):
    """What was added or taken away is at most 24 dB below the stem, in low and in high voices alike."""
    time = np.arange(4 * RATE) / RATE
    tones = {label: 0.2 * np.sin(2 * np.pi * f * time) for label, f in zip(LABELS, (880, 220, 110, 440), strict=True)}
    stems = {label: tone[None].astype(np.float32) for label, tone in tones.items()}
    for seed in range(4):
        found = corrupt(stems, kind, "vocals", severity, RATE, np.random.default_rng(seed))
        assert "vocals" in found.affected
        for label, changed in found.changed.items():
            assert rms_db(changed - stems[label]) > rms_db(stems[label]) - 24


@given(st.sampled_from(PUBLISHED), st.integers(0, 1000), st.integers(6, 60))
def test_every_condition_reaches_its_share_in_any_corpus(name, seed, songs):
    chosen = CONDITIONS[name]
    tracks = {f"t{k:02}": LABELS for k in range(songs)}
    planned = plan(tracks, chosen.share, seed, chosen.kinds, chosen.severities)
    width = {"swap": 2, "merge": 2, "bleed-all": 4}
    hit = sum(width.get(fault.kind, 1) for fault in planned)
    assert abs(hit - chosen.share * 4 * songs) <= 4.5
    assert {fault.kind for fault in planned} <= set(chosen.kinds)


def test_the_note_names_the_condition_and_what_it_follows():
    made = note("mixed", ("swap",), ("strong",), 0.4, 3)
    assert made == {
        "condition": "mixed",
        "about": CONDITIONS["mixed"].about,
        "kinds": ["swap"],
        "severities": ["strong"],
        "share": 0.4,
        "seed": 3,
    }
    assert note(None, ("clip",), ("mild",), 0.1, 0)["condition"] is None


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(BadInput, match=r"--condition loud: .*ten-kinds, label-noise, bleeding, mixed"):
        condition("loud")
