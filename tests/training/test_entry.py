from __future__ import annotations

import pickle
from dataclasses import replace

from raysep.corpus.manifest import Stem
from raysep.training.entry import Entry, whole

BASS = Stem("t/bass", "t", "bass", "/no/bass.wav", 8000, 1, 8000, "WAV/PCM_16", 16044, "e")


def test_a_stem_is_used_as_what_it_is_unless_said_otherwise():
    assert Entry(BASS) == Entry(BASS, 1.0, (), "bass")
    assert Entry(BASS).used is BASS
    assert Entry(BASS, label="drums").used == replace(BASS, stem="drums")


def test_an_entry_travels_as_it_is():
    entry = Entry(BASS, 0.25, ((1.0, 2.5),), "drums")
    assert pickle.loads(pickle.dumps(entry)) == entry


def test_all_of_them_alike_are_whole_and_weigh_the_same():
    drums = replace(BASS, stem_id="t/drums", stem="drums")
    assert [(e.stem, e.label, e.weight, e.spans) for e in whole([drums, BASS])] == [
        (drums, "drums", 1.0, ()),
        (BASS, "bass", 1.0, ()),
    ]
