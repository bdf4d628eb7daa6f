from __future__ import annotations

from dataclasses import replace

from raysep.corpus.layouts import remarks

LABELS = ("vocals", "drums", "bass", "other")


def test_whole_tracks_are_not_worth_a_word(make_stems):
    stems = make_stems(["A", "B"])
    assert (
        remarks.missing(stems, LABELS)
        == remarks.equal(stems)
        == remarks.by_case(stems)
        == remarks.twins("/c", stems)
        == []
    )


def test_what_is_missing(make_stems):
    stems = [s for s in make_stems(["A", "B", "C"]) if s.stem != "other" and not (s.track == "B" and s.stem == "bass")]
    stems = [s for s in stems if s.track != "C" or s.stem == "drums"]
    assert [(n.kind, n.count, n.first) for n in remarks.missing(stems, LABELS)] == [
        ("no-label", 1, "other"),
        ("single", 1, "C"),
        ("missing", 1, "B"),
    ]
    assert remarks.missing(stems, LABELS)[2].text.endswith("first B without bass")


def test_tracks_that_differ_in_case_alone(make_stems):
    told = remarks.by_case(make_stems(["Song", "song", "Straße", "STRASSE", "other"]))
    assert [(note.count, note.first) for note in told] == [(4, "STRASSE")]
    assert told[0].text.endswith("first STRASSE and Straße")


def test_equal_files(make_stems):
    stems = make_stems(["A", "B"])
    stems = [replace(s, etag="same") if s.stem == "bass" else s for s in stems]
    assert remarks.equal(stems)[0].text == "2 stems are equal files (silence may be), first A/bass and B/bass"
    assert remarks.equal([replace(s, etag="") for s in stems]) == []  # could not be opened
    assert remarks.equal([replace(s, bytes=k) for k, s in enumerate(stems)]) == []
