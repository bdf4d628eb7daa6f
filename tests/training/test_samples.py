from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from raysep.audio.files import encode
from raysep.corpus.manifest import Stem
from raysep.corpus.reading import read_stem
from raysep.training.pieces import pieces
from raysep.training.pool import SegmentPool
from raysep.training.samples import as_float, compact, dtype_of

RATE = 8000
SIXTEEN = np.array([[0, 1, -1, 32767, -32768]], np.int16)


@given(hnp.arrays(np.int16, (2, 9)))
def test_sixteen_bits_are_kept_in_sixteen(samples):
    audio = samples.astype(np.float32) / 32768
    assert compact(audio).dtype == np.int16
    assert np.array_equal(compact(audio), samples)
    assert np.array_equal(as_float(compact(audio)), audio)


@given(hnp.arrays(np.float32, (1, 9), elements=st.floats(-4, 4, width=32)))
def test_whatever_it_is_held_as_it_is_the_same_samples(audio):
    held = compact(audio)
    assert as_float(held).dtype == np.float32
    assert np.array_equal(as_float(held), audio)
    out = np.empty_like(audio)
    assert as_float(held, out) is out
    assert np.array_equal(out, audio)


@pytest.mark.parametrize("peak", [1.0, 2.5, 1e-6], ids=["full scale", "above it", "below a step"])
def test_what_sixteen_bits_cannot_hold_stays_float(peak):
    assert compact(np.array([[0.25, peak]], np.float32)).dtype == np.float32


def test_it_is_a_copy():
    for audio in (SIXTEEN, np.array([[2.0]], np.float32)):
        held = compact(audio)
        assert not np.shares_memory(held, audio)


FORMATS = [("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("WAV", "PCM_U8"), ("WAV", "ULAW"), ("CAF", "ALAC_16")]
FINER = [("WAV", "PCM_24"), ("WAV", "FLOAT"), ("AIFF", "DOUBLE"), ("OGG", "VORBIS"), ("WAV", "PCM_32")]


@pytest.mark.parametrize(("format", "subtype"), FORMATS + FINER)
@pytest.mark.parametrize(("rate", "channels"), [(RATE, 2), (RATE, 1), (11025, 2)])
def test_the_manifest_foretells_what_is_held(tmp_path, format, subtype, rate, channels):
    audio = 0.3 * np.random.default_rng(0).standard_normal((2, 4000)).astype(np.float32)
    (tmp_path / "a").write_bytes(encode(audio, RATE, format, subtype))
    stem = Stem("t/x", "t", "x", str(tmp_path / "a"), RATE, 2, 4000, f"{format}/{subtype}", 0, "")
    held = compact(read_stem(stem, rate, channels))
    foretold = dtype_of(stem, rate, channels)
    assert np.can_cast(held.dtype, foretold, "safe")  # the mean of two channels of 8 bits happens to fit 16
    assert (foretold is np.int16) == ((format, subtype) in FORMATS and (rate, channels) == (RATE, 2))
    assert dtype_of(replace(stem, frames=0), rate, channels) == np.int16  # nothing comes of it


def test_a_sum_of_parts_of_sixteen_bits_may_need_more(tmp_path):
    (tmp_path / "a").write_bytes(encode(np.full((1, 4000), 0.75, np.float32), RATE))
    stem = Stem("t/x", "t", "x", str(tmp_path / "a"), RATE, 1, 4000, "WAV/PCM_16", 0, "")
    total = replace(stem, parts=(stem.uri, stem.uri))
    assert compact(read_stem(stem, RATE, 1)).dtype == dtype_of(stem, RATE, 1) == np.int16
    assert compact(read_stem(total, RATE, 1)).dtype == dtype_of(total, RATE, 1) == np.float32


def test_training_draws_the_samples_that_scoring_sees(tmp_path):
    """Float stems far above full scale, from the file to the batch."""
    import soundfile

    loud = np.random.default_rng(1).standard_normal((4000, 2)).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", loud / np.abs(loud).max() * 2.5, RATE, "FLOAT")
    stem = Stem("t/x", "t", "x", str(tmp_path / "a.wav"), RATE, 2, 4000, "WAV/FLOAT", 0, "")
    scored = read_stem(stem, RATE, 2)
    assert np.abs(scored).max() == 2.5
    pool = SegmentPool(("x",), 10**6)
    for start, audio, error in pieces(stem, 4000, RATE, 2):
        assert not error
        pool.add(stem.stem_id, start, "x", audio)
    assert np.array_equal(pool.draw(1, 4000, 0, 0)[0, 0], scored)
