from __future__ import annotations

from dataclasses import replace

import pytest

from raysep.corpus.layouts import stems_of
from raysep.corpus.reading import read_segments
from raysep.corpus.segments import Drawn

# Which segments


def test_tracks_of_which_a_stem_can_be_read_have_segments(make_context, make_stems):
    stems = make_stems(["A", "B", "C", "D"], frames=5 * 8000)
    broken = {"B/bass", *(s.stem_id for s in stems if s.track == "D")}
    stems = [replace(s, frames=0) if s.stem_id in broken else s for s in stems if s.stem_id != "C/drums"]
    context = make_context(scoring={"segment_seconds": 1.0, "most_segments": 10})
    every = {track: [0, 1, 2, 3, 4] for track in "ABC"}
    assert context.segments_of(stems) == every == context.segments_of(stems[::-1])
    few = make_context(scoring={"segment_seconds": 1.0, "most_segments": 2})
    assert len(few.segments_of(stems)["A"]) == 2


# 0.4999 … s beyond a whole number of segments is where one sample decides whether the tail is a segment.
@pytest.mark.parametrize("frames", [44100, 44099, 66150, 66147, 66148, 66149, 66151, 110250, 154348])
@pytest.mark.parametrize("rate", [22050, 44100])
def test_listed_segments_are_those_that_resampled_audio_has(tmp_path, make_context, write_tracks, frames, rate):
    folder = write_tracks(tmp_path / "c", ["A"], seconds=frames / rate, rate=rate)
    stems = stems_of(folder).stems
    context = make_context(scoring={"segment_seconds": 1.0, "most_segments": 2})
    listed = context.segments_of(stems)
    found, _ = read_segments(Drawn(stems, listed), context.config.labels, 8000, 1, context.segment_frames, 2)
    assert len(found) == len(listed["A"])
