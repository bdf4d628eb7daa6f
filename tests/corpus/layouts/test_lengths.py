from __future__ import annotations

from dataclasses import replace

from raysep.corpus.layouts.lengths import length_notes, padded, uneven, unusable


def lengthened(stems, **frames):
    return [replace(s, frames=frames.get(s.stem, s.frames)) for s in stems]


def test_stems_of_a_track_get_its_longest_length_and_no_other_track_does(make_stems):
    stems = lengthened(make_stems(["A"], 8000), bass=7200, drums=7999) + make_stems(["B"], 4000)
    after = padded(stems)
    assert [(s.frames, s.padding) for s in after] == [(8000, p) for p in (0, 1, 800, 0)] + [(4000, 0)] * 4
    assert padded(after) == after
    assert uneven(stems) == []
    note = length_notes(stems, after, [])[0]
    assert (note.count, note.text) == (2, "2 stems padded with up to 100 ms of silence, first A/drums")


def test_more_than_a_tenth_of_a_second_is_no_track(make_stems):
    stems = lengthened(make_stems(["A"], 8000), bass=7199) + make_stems(["B"], 4000)
    problems = uneven(stems)
    assert {p.track for p in problems} == {"A"}
    assert len(problems) == 4
    assert all(p.unreadable for p in problems)
    assert "A/bass.wav: 7199 samples, and the track's" in problems[0].message
    assert padded(stems) == stems
    lost = unusable(stems, problems)
    assert [(s.frames, bool(s.problem)) for s in lost] == [(0, True)] * 4 + [(4000, False)] * 4
    assert length_notes(stems, stems, problems)[0].kind == "uneven"


def test_another_rate_is_no_track_either(make_stems):
    stems = [replace(s, sample_rate=44100) if s.stem == "bass" else s for s in make_stems(["A"], 8000)]
    assert "A/bass.wav: 44100 Hz where the track's other stems have 8000 Hz" in uneven(stems)[0].message


def test_what_cannot_be_read_has_no_length(make_stems):
    stems = [replace(s, sample_rate=0, frames=0) if s.stem == "bass" else s for s in make_stems(["A"], 8000)]
    assert (uneven(stems), padded(stems)) == ([], stems)
