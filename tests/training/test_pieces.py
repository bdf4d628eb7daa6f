from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from raysep.corpus.manifest import Stem
from raysep.training import pieces

RATE = 8000


def truncate(stem: Stem) -> None:
    data = Path(stem.uri).read_bytes()
    Path(stem.uri).write_bytes(data[: len(data) // 2])


def test_the_pieces_of_a_stem_are_its_samples(noise_stems):
    found = list(pieces.pieces(noise_stems[0], RATE, RATE, 2))
    assert [start for start, _, _ in found] == [0, RATE]  # 0.3 s are too short a tail
    assert all(audio.dtype == np.int16 and audio.shape == (2, RATE) and not error for _, audio, error in found)
    whole, _ = soundfile.read(noise_stems[0].uri, dtype="int16")
    assert np.array_equal(np.concatenate([audio[0] for _, audio, _ in found]), whole[: 2 * RATE])
    assert all(np.array_equal(audio[0], audio[1]) for _, audio, _ in found)  # mono in, on both channels


def test_a_long_tail_is_a_short_piece_and_a_short_stem_is_one(noise_stems):
    assert [start for start, _, _ in pieces.pieces(noise_stems[0], 14000, RATE, 1)] == [0]
    short = list(pieces.pieces(noise_stems[0], 12000, RATE, 1))
    assert [(start, audio.shape[1]) for start, audio, _ in short] == [(0, 12000), (12000, 6400)]
    ((start, audio, _),) = pieces.pieces(noise_stems[0], 10 * RATE, RATE, 1)
    assert (start, audio.shape) == (0, (1, 18400))


@pytest.mark.parametrize("spoil", [truncate, lambda stem: Path(stem.uri).unlink()], ids=["truncated", "gone"])
def test_a_stem_that_cannot_be_read_is_one_piece_that_says_so(noise_stems, spoil):
    spoil(noise_stems[0])
    ((start, audio, error),) = pieces.pieces(noise_stems[0], RATE, RATE, 2)
    assert (start, audio.shape) == (0, (2, 0))
    assert noise_stems[0].uri in error


def test_no_sample_of_a_masked_span_is_in_any_piece(noise_stems):
    whole = np.concatenate([audio for _, audio, _ in pieces.pieces(noise_stems[0], 10 * RATE, RATE, 1)], axis=1)[0]
    found = list(pieces.pieces(noise_stems[0], RATE // 2, RATE, 1, spans=[(0.5, 1.0003), (1.9, 9.0)]))
    assert [start for start, _, _ in found] == [0, 8003, 12003]
    assert all(np.array_equal(audio[0], whole[start : start + audio.shape[1]]) for start, audio, _ in found)
    assert max(start + audio.shape[1] for start, audio, _ in found) <= 1.9 * RATE


def test_a_stem_masked_throughout_has_no_piece(noise_stems):
    assert list(pieces.pieces(noise_stems[0], RATE, RATE, 1, spans=[(0.0, 2.3)])) == []


@pytest.mark.parametrize(
    ("spans", "left"),
    [
        ([], [(0, 100)]),
        ([(0, 1)], [(10, 100)]),
        ([(2, 3), (2.5, 4)], [(0, 20), (40, 100)]),
        ([(8, 3), (9, 99)], [(0, 90)]),
        ([(0.01, 0.02)], [(1, 100)]),
    ],
    ids=["none", "the beginning", "overlapping", "the end, and one that ends before it begins", "rounded away from it"],
)
def test_what_spans_leave(spans, left):
    assert pieces.between(100, spans, 10) == left
