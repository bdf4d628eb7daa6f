"""Where ffmpeg is not installed a script stands for it: what it is asked is checked, and that its answer is read."""

from __future__ import annotations

import stat
import sys

import numpy as np
import pytest

from raysep.corpus.layouts import stems_of
from raysep.corpus.reading import read_stem
from raysep.errors import BadInput

FAKE = """#!{python}
import sys, numpy, soundfile
words = sys.argv[1:]
data = open(words[words.index("-i") + 1], "rb").read()
if data == b"broken":
    sys.exit("moov atom not found")
assert data == b"mp4" and words[-3:-1] == ["-c:a", "pcm_f32le"]
stream = int(words[words.index("-map") + 1].removeprefix("0:a:"))
soundfile.write(words[-1], numpy.full((400, 2), stream / 10, "float32"), 8000, subtype="FLOAT")
"""


@pytest.fixture
def place(tmp_path):
    for split in ("train", "test"):
        (tmp_path / "c" / split).mkdir(parents=True)
        (tmp_path / "c" / split / f"A - {split}.stem.mp4").write_bytes(b"mp4")
    return tmp_path / "c"


@pytest.fixture
def ffmpeg(tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "ffmpeg"
    script.write_text(FAKE.format(python=sys.executable))
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")


def test_streams_are_stems_in_their_published_order(place, ffmpeg):
    found = stems_of(str(place))
    assert [(s.stem_id, s.uri.rpartition("#")[2]) for s in found.stems] == [
        ("A - train/bass", "stream=2"),
        ("A - train/drums", "stream=1"),
        ("A - train/other", "stream=3"),
        ("A - train/vocals", "stream=4"),
    ]
    assert len({s.etag for s in found.stems}) == 4
    assert np.allclose(read_stem(found.stems[3], 8000), 0.4)
    assert {s.track for s in stems_of(str(place), split="test").stems} == {"A - test"}
    two = stems_of(str(place), ("vocals", "other"), sums={"other": ("drums", "bass", "other")}).stems
    assert np.allclose(read_stem(two[0], 8000), 0.6)


def test_what_ffmpeg_cannot_decode(place, ffmpeg):
    (place / "train" / "A - train.stem.mp4").write_bytes(b"broken")
    with pytest.raises(BadInput, match=r"stream=1: ffmpeg cannot decode it \(moov atom not found\)"):
        stems_of(str(place))


def test_without_ffmpeg_one_line_says_so(place, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        BadInput, match=r"holds \.stem\.mp4 files, and ffmpeg, .*, is not on the PATH: install it; or use MUSDB18-HQ"
    ):
        stems_of(str(place))


def test_audio_beside_the_containers_is_told(place, ffmpeg, tone):
    tone("c/train/B/vocals.wav")
    tone("c/test/C/vocals.wav")
    notes = {note.kind: note.text for note in stems_of(str(place)).notes}
    assert notes["stray"] == "1 audio file beside the .stem.mp4 files, first train/B/vocals.wav"
