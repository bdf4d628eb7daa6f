from __future__ import annotations

import pytest

from raysep.probes.catalogue import PROBES
from raysep.report.evidence.phrases import PHRASES, phrase_of, sentence

N = "\u202f"


def test_every_oriented_probe_has_words_and_no_other():
    assert set(PHRASES) == {name for name, probe in PROBES.items() if probe.oriented}
    assert all(phrase.words.count("{}") == 1 for phrase in PHRASES.values())


@pytest.mark.parametrize(
    ("probe", "value", "trusted", "said"),
    [
        ("signal-dropout", -0.24, [0.0, -0.001], f"digital silence 24{N}% of the time; trusted drums: at most 0.1{N}%"),
        ("signal-dropout", -0.00004, [0.0], f"digital silence 0.004{N}% of the time; trusted drums: at most 0{N}%"),
        ("signal-crest", 4.0, [12.0, 11.0], f"its peaks are 4.0{N}dB above its RMS; trusted drums: at least 11.0{N}dB"),
        (
            "signal-lag",
            -0.12,
            [-0.002],
            f"its onsets are 120{N}ms away from the other stems'; trusted drums: at most 2{N}ms",
        ),
        # 20 Hz · 2^9 = 10.2 kHz
        (
            "signal-bandwidth",
            7.0,
            [9.0],
            f"99.9 % of its energy lies below 2.6{N}kHz; trusted drums: at least 10.2{N}kHz",
        ),
        ("loss", 3.0, [], f"loss of the trained separator −3.0{N}dB"),
        (
            "loss_worst",
            3.0,
            [1.0, 5.0, 9.0],
            f"loss of the trained separator −3.0{N}dB in its worst segment; trusted drums: −5.0{N}dB in the middle, 2 of 3 are better",
        ),
        ("mine", 0.5, [1.5], "mine +0.50; trusted drums: at least +1.50"),
    ],
)
def test_what_is_said(probe, value, trusted, said):
    assert sentence(probe, value, "drums", sorted(trusted)) == said


def test_the_lowest_segment_is_of_the_family_of_its_probe():
    assert phrase_of("loss_worst").family == phrase_of("reference-loss").family == "loss"
