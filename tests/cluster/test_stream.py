from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from raysep.cluster import stream
from raysep.corpus import layouts
from raysep.corpus.manifest import Stem

RATE = 8000
LABELS = ("vocals", "drums", "bass", "other")


@pytest.fixture
def stems(tmp_path) -> list[Stem]:
    """Six tracks of 2.3 s of 16-bit noise, another one in every stem."""
    rng = np.random.default_rng(0)
    for track in "ABCDEF":
        (tmp_path / track).mkdir()
        for label in LABELS:
            noise = rng.integers(-9000, 9000, round(2.3 * RATE)).astype(np.int16)
            soundfile.write(tmp_path / track / f"{label}.wav", noise, RATE, subtype="PCM_16")
    return layouts.scan(str(tmp_path)).stems


def truncate(stem: Stem) -> None:
    data = Path(stem.uri).read_bytes()
    Path(stem.uri).write_bytes(data[: len(data) // 2])


# Pieces


def test_the_pieces_of_a_stem_are_its_samples(stems):
    found = list(stream.pieces(stems[0], RATE, RATE, 2))
    assert [start for start, _, _ in found] == [0, RATE]  # 0.3 s are too short a tail
    assert all(audio.dtype == np.int16 and audio.shape == (2, RATE) and not error for _, audio, error in found)
    whole, _ = soundfile.read(stems[0].uri, dtype="int16")
    assert np.array_equal(np.concatenate([audio[0] for _, audio, _ in found]), whole[: 2 * RATE])
    assert all(np.array_equal(audio[0], audio[1]) for _, audio, _ in found)  # mono in, on both channels


def test_a_long_tail_is_padded_and_a_short_stem_is_one_piece(stems):
    assert [start for start, _, _ in stream.pieces(stems[0], 14000, RATE, 1)] == [0]
    padded = list(stream.pieces(stems[0], 12000, RATE, 1))
    assert [start for start, _, _ in padded] == [0, 12000]
    assert not padded[1][1][:, 6400:].any()
    ((start, audio, _),) = stream.pieces(stems[0], 10 * RATE, RATE, 1)
    assert (start, audio.shape) == (0, (1, 10 * RATE))


@pytest.mark.parametrize("spoil", [truncate, lambda stem: Path(stem.uri).unlink()], ids=["truncated", "gone"])
def test_a_stem_that_cannot_be_read_is_one_piece_that_says_so(stems, spoil):
    spoil(stems[0])
    ((start, audio, error),) = stream.pieces(stems[0], RATE, RATE, 2)
    assert (start, audio.shape, audio.any()) == (0, (2, RATE), False)
    assert stems[0].uri in error


# The stream


def collect(dataset) -> list[dict]:
    rows = []
    for batch in dataset.iter_batches(batch_size=7, batch_format="numpy"):
        rows += [{name: column[i] for name, column in batch.items()} for i in range(len(batch["start"]))]
    return rows


def test_a_stream_has_every_piece_once_in_order_and_the_errors(ray_runtime, stems):
    truncate(stems[5])
    weighted = [(stem, 0.25 + k / 100) for k, stem in enumerate(stems)]
    rows = collect(stream.stream_pieces(weighted, 1.0, RATE, 1))
    assert set(rows[0]) == {"stem_id", "stem", "start", "weight", "audio", "error"}
    expected = [(s.stem_id, start, w) for s, w in weighted for start, _, _ in stream.pieces(s, RATE, RATE, 1)]
    assert sorted((str(r["stem_id"]), int(r["start"]), float(r["weight"])) for r in rows) == sorted(expected)
    for row in rows:
        stem = next(s for s in stems if s.stem_id == row["stem_id"])
        assert row["stem"] == stem.stem
        assert bool(row["error"]) == (stem == stems[5])
        if not row["error"]:
            pieces = {start: audio for start, audio, _ in stream.pieces(stem, RATE, RATE, 1)}
            assert row["audio"].dtype == np.int16
            assert np.array_equal(row["audio"], pieces[int(row["start"])])


def test_order_is_kept_whichever_read_ends_first(ray_runtime, stems):
    import ray.data

    context = ray.data.DataContext.get_current()
    before = context.execution_options
    context.execution_options = stream.execution_options()
    try:
        rows = collect(stream.stream_pieces([(stem, 1.0) for stem in stems], 1.0, RATE, 1, cpus=0.5))
    finally:
        context.execution_options = before
    assert [str(r["stem_id"]) for r in rows] == [s.stem_id for s in stems for _ in range(2)]


def test_an_unreadable_header_is_an_error_row_as_well(stems):
    Path(stems[0].uri).write_bytes(b"no audio at all")
    ((_, _, error),) = stream.pieces(replace(stems[0], frames=0), RATE, RATE, 1)
    assert "not audio" in error
