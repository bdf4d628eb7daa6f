from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from raysep.corpus.layouts import stems_of
from raysep.errors import AudioError
from raysep.report.evidence import takes


def test_no_excerpt_is_played_of_a_file_that_was_replaced(tmp_path, write_tracks):
    stem = stems_of(write_tracks(tmp_path / "corpus", ["A"], seconds=2.0)).stems[0]
    expected, rate = soundfile.read(stem.uri, dtype="float32")
    np.testing.assert_array_equal(takes.excerpt(stem, 0.5, 1.0, rate)[0], expected[rate // 2 : 3 * rate // 2])
    Path(stem.uri).touch()
    np.testing.assert_array_equal(takes.excerpt(stem, 0.5, 1.0, rate)[0], expected[rate // 2 : 3 * rate // 2])
    soundfile.write(stem.uri, expected[::-1], rate)
    with pytest.raises(AudioError, match="the file changed since the scan"):
        takes.excerpt(stem, 0.5, 1.0, rate)
