from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from raysep.corpus.layouts import stems_of
from raysep.corpus.moved import MOVED, refuse_gone
from raysep.errors import BadInput


def test_only_what_is_gone_as_a_whole_was_moved(tmp_path, write_tracks):
    stems = stems_of(write_tracks(tmp_path / "corpus", ["A", "B"], seconds=0.2)).stems
    for stem in stems[1:]:
        Path(stem.uri).unlink()
        refuse_gone(stems, "m.parquet", MOVED)
    unusable = [replace(stem, frames=0) for stem in stems]
    refuse_gone(unusable, "m.parquet", MOVED)
    Path(stems[0].uri).unlink()
    refuse_gone(unusable, "m.parquet", MOVED)  # what could not be read when it was scanned tells nothing
    with pytest.raises(
        BadInput, match=r"^m\.parquet: none of its 8 stems' files is there, first .*A/bass\.wav; if they were moved"
    ):
        refuse_gone(stems, "m.parquet", MOVED)
