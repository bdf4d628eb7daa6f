from __future__ import annotations

import numpy as np
import pytest

from raysep.commands.export.audio import FADE_SECONDS, check_encoding, content, encoding, mute
from raysep.commands.export.plan import File, Shape
from raysep.corpus.manifest import Stem
from raysep.errors import AudioError, BadInput
from raysep.training.entry import Entry

RATE = 1000


def entry(format: str, spans=(), uri="/no/x.wav") -> Entry:
    return Entry(Stem("A/bass", "A", "bass", uri, 8000, 2, 8000, format, 1, ""), spans=spans)


def test_nothing_of_a_span_is_left_and_the_rest_is_as_it_was():
    audio = np.ones((2, 1000), dtype=np.float32)
    found = mute(audio, ((0.2, 0.3), (0.9, 5.0)), RATE)
    fade = round(FADE_SECONDS * RATE)
    assert np.all(found[:, 200:300] == 0)
    assert np.all(found[:, 900:] == 0)
    assert np.all(found[:, : 200 - fade] == 1)
    assert np.all(found[:, 300 + fade : 900 - fade] == 1)
    for edge in (found[0, 200 - fade : 200], found[0, 300 : 300 + fade][::-1], found[0, 900 - fade : 900]):
        assert np.all(np.diff(edge) < 0)
        assert edge[0] < 1
        assert edge[-1] > 0


@pytest.mark.parametrize("spans", [(), ((0.0, 0.004),), ((0.996, 1.0),), ((0.1, 0.105), (0.11, 0.115)), ((2.0, 3.0),)])
def test_muting_is_a_gain_between_none_and_all_wherever_the_span_lies(spans):
    gain = mute(np.ones((1, 1000), dtype=np.float32), spans, RATE)[0]
    assert gain.shape == (1000,)
    assert np.all((gain >= 0) & (gain <= 1))
    for start, stop in spans:
        assert np.all(gain[round(start * RATE) : round(stop * RATE)] == 0)
    assert np.all(mute(np.ones((1, 1000), dtype=np.float32), (), RATE) == 1)


@pytest.mark.parametrize(
    ("format", "found"),
    [
        ("WAV/PCM_16", "PCM_16"),
        ("FLAC/PCM_24", "PCM_24"),
        ("WAV/PCM_U8", "PCM_16"),
        ("WAV/FLOAT", "FLOAT"),
        ("OGG/VORBIS", "FLOAT"),
        ("MPEG/MPEG_LAYER_III", "FLOAT"),
        ("WAV/PCM_32", "FLOAT"),
    ],
)
def test_a_wav_holds_every_step_of_its_source(format, found):
    assert encoding(File("x", (entry(format),), wav=True)) == ("WAV", found)


def test_a_sum_is_as_fine_as_its_finest_part():
    parts = (entry("FLAC/PCM_16"), entry("FLAC/PCM_24"))
    shape = Shape(8000, 2, 8000)
    assert encoding(File("x", parts, wav=True, shape=shape)) == ("WAV", "PCM_24")
    mixed = tuple(File("x", (part,), wav=True, shape=shape) for part in (*parts, entry("OGG/VORBIS")))
    assert encoding(File("x", wav=True, shape=shape, mixed=mixed)) == ("WAV", "FLOAT")
    assert encoding(File("x", wav=True, shape=shape)) == ("WAV", "PCM_16")


def test_a_muted_stem_of_a_format_that_cannot_be_written_is_refused_before_any_work():
    check_encoding(File("x.flac", (entry("FLAC/PCM_16", ((0.0, 1.0),)),)))
    check_encoding(File("x", (entry("NIST/PCM_99"),)))  # as it is
    with pytest.raises(BadInput, match=r"NIST/PCM_99 cannot be written; --form msst or musdb writes WAV"):
        check_encoding(File("x", (entry("NIST/PCM_99", ((0.0, 1.0),)),)))


def test_silence_has_the_shape_of_its_track(read_wav):
    assert np.array_equal(read_wav(content(File("x", wav=True, shape=Shape(8000, 2, 80)))), np.zeros((2, 80)))


def test_a_source_that_cannot_be_read_is_named():
    with pytest.raises(AudioError, match=r"^/no/x\.wav"):
        content(File("x", (entry("WAV/PCM_16", ((0.0, 1.0),)),)))
