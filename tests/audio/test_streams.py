from __future__ import annotations

import pytest

from raysep.audio import streams
from raysep.errors import AudioError


@pytest.mark.parametrize("uri", ["s3://b/a#1.stem.mp4", "/c/Song.STEM.MP4", "/c/new\nline.stem.mp4"])
def test_names_of_streams_there_and_back(uri):
    assert streams.file_of(streams.stream_of(uri, 3)) == (uri, 3)


@pytest.mark.parametrize("uri", ["/c/song.wav#stream=1", "/c/song.stem.mp4", "/c/song.stem.mp4#stream=x"])
def test_other_names_are_files(uri):
    assert streams.file_of(uri) == (uri, None)


def test_without_ffmpeg(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(AudioError, match=r"song: ffmpeg, .* is not on the PATH"):
        streams.wav_of(b"", 0, "song")
