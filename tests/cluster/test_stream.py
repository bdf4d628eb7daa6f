from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from raysep.cluster import stream
from raysep.corpus.layouts import stems_of
from raysep.corpus.manifest import Stem
from raysep.training import pieces
from raysep.training.entry import Entry

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
    return stems_of(str(tmp_path)).stems


def truncate(stem: Stem) -> None:
    data = Path(stem.uri).read_bytes()
    Path(stem.uri).write_bytes(data[: len(data) // 2])


# Pieces


def test_the_pieces_of_a_stem_are_its_samples(stems):
    found = list(pieces.pieces(stems[0], RATE, RATE, 2))
    assert [start for start, _, _ in found] == [0, RATE]  # 0.3 s are too short a tail
    assert all(audio.dtype == np.int16 and audio.shape == (2, RATE) and not error for _, audio, error in found)
    whole, _ = soundfile.read(stems[0].uri, dtype="int16")
    assert np.array_equal(np.concatenate([audio[0] for _, audio, _ in found]), whole[: 2 * RATE])
    assert all(np.array_equal(audio[0], audio[1]) for _, audio, _ in found)  # mono in, on both channels


def test_a_long_tail_is_a_short_piece_and_a_short_stem_is_one(stems):
    assert [start for start, _, _ in pieces.pieces(stems[0], 14000, RATE, 1)] == [0]
    short = list(pieces.pieces(stems[0], 12000, RATE, 1))
    assert [(start, audio.shape[1]) for start, audio, _ in short] == [(0, 12000), (12000, 6400)]
    ((start, audio, _),) = pieces.pieces(stems[0], 10 * RATE, RATE, 1)
    assert (start, audio.shape) == (0, (1, 18400))


@pytest.mark.parametrize("spoil", [truncate, lambda stem: Path(stem.uri).unlink()], ids=["truncated", "gone"])
def test_a_stem_that_cannot_be_read_is_one_piece_that_says_so(stems, spoil):
    spoil(stems[0])
    ((start, audio, error),) = pieces.pieces(stems[0], RATE, RATE, 2)
    assert (start, audio.shape) == (0, (2, 0))
    assert stems[0].uri in error


def test_no_sample_of_a_masked_span_is_in_any_piece(stems):
    whole = np.concatenate([audio for _, audio, _ in pieces.pieces(stems[0], 10 * RATE, RATE, 1)], axis=1)[0]
    found = list(pieces.pieces(stems[0], RATE // 2, RATE, 1, spans=[(0.5, 1.0003), (1.9, 9.0)]))
    assert [start for start, _, _ in found] == [0, 8003, 12003]
    assert all(np.array_equal(audio[0], whole[start : start + audio.shape[1]]) for start, audio, _ in found)
    assert max(start + audio.shape[1] for start, audio, _ in found) <= 1.9 * RATE


def test_a_stem_masked_throughout_has_no_piece(stems):
    assert list(pieces.pieces(stems[0], RATE, RATE, 1, spans=[(0.0, 2.3)])) == []


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


# The stream


def collect(dataset) -> list[dict]:
    rows = []
    for batch in dataset.iter_batches(batch_size=7, batch_format="numpy"):
        rows += [{name: column[i] for name, column in batch.items()} for i in range(len(batch["start"]))]
    return rows


def test_a_stream_has_every_piece_once_in_order_and_the_errors(ray_runtime, stems):
    truncate(stems[5])
    entries = [Entry(stem, 0.25 + k / 100) for k, stem in enumerate(stems)]
    rows = collect(stream.stream_pieces(entries, 1.5, RATE, 1))
    assert set(rows[0]) == {"stem_id", "stem", "start", "weight", "frames", "audio", "error"}
    frames = 3 * RATE // 2
    expected = [(e.stem.stem_id, s, e.weight) for e in entries for s, _, _ in pieces.pieces(e.stem, frames, RATE, 1)]
    assert sorted((str(r["stem_id"]), int(r["start"]), float(r["weight"])) for r in rows) == sorted(expected)
    for row in rows:
        stem = next(s for s in stems if s.stem_id == row["stem_id"])
        assert row["stem"] == stem.stem
        assert bool(row["error"]) == (stem == stems[5])
        if not row["error"]:
            whole = {start: audio for start, audio, _ in pieces.pieces(stem, frames, RATE, 1)}
            assert row["audio"].dtype == np.int16
            assert row["audio"].shape == (1, frames)
            assert np.array_equal(row["audio"][:, : row["frames"]], whole[int(row["start"])])
            assert not row["audio"][:, row["frames"] :].any()
    assert {int(row["frames"]) for row in rows} == {0, frames, 18400 - frames}


def test_a_stem_of_which_nothing_may_be_used_is_a_row_of_no_frames(ray_runtime, stems):
    entries = [Entry(stems[0], 1.0, ((0.0, 9.0),)), Entry(stems[1], 1.0, ((1.0, 9.0),))]
    rows = collect(stream.stream_pieces(entries, 1.0, RATE, 1))
    assert [(str(r["stem_id"]), int(r["frames"]), str(r["error"])) for r in rows] == [
        (stems[0].stem_id, 0, ""),
        (stems[1].stem_id, RATE, ""),
    ]


def test_a_stem_is_streamed_under_the_label_it_is_used_as(ray_runtime, stems):
    rows = collect(stream.stream_pieces([Entry(stems[0], label="other"), Entry(stems[1])], 3.0, RATE, 1))
    assert [str(r["stem"]) for r in rows] == ["other", stems[1].stem]


def test_order_is_kept_whichever_read_ends_first(ray_runtime, stems):
    import ray.data

    context = ray.data.DataContext.get_current()
    before = context.execution_options
    context.execution_options = stream.execution_options()
    try:
        rows = collect(stream.stream_pieces([Entry(stem) for stem in stems], 1.0, RATE, 1, cpus=0.5))
    finally:
        context.execution_options = before
    assert [str(r["stem_id"]) for r in rows] == [s.stem_id for s in stems for _ in range(2)]


def test_an_unreadable_header_is_an_error_row_as_well(stems):
    Path(stems[0].uri).write_bytes(b"no audio at all")
    ((_, _, error),) = pieces.pieces(replace(stems[0], frames=0), RATE, RATE, 1)
    assert "not audio" in error
