from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile

from raysep.cluster import stream
from raysep.training import pieces
from raysep.training.entry import Entry

RATE = 8000


def collect(dataset) -> list[dict]:
    rows = []
    for batch in dataset.iter_batches(batch_size=7, batch_format="numpy"):
        rows += [{name: column[i] for name, column in batch.items()} for i in range(len(batch["start"]))]
    return rows


def test_a_stream_has_every_piece_once_in_order_and_the_errors(ray_runtime, noise_stems):
    Path(noise_stems[5].uri).write_bytes(Path(noise_stems[5].uri).read_bytes()[:9000])  # truncated
    entries = [Entry(stem, 0.25 + k / 100) for k, stem in enumerate(noise_stems)]
    rows = collect(stream.stream_pieces(entries, 1.5, RATE, 1))
    assert set(rows[0]) == {"stem_id", "stem", "start", "weight", "frames", "audio", "error", "storage"}
    frames = 3 * RATE // 2
    expected = [(e.stem.stem_id, s, e.weight) for e in entries for s, _, _ in pieces.pieces(e.stem, frames, RATE, 1)]
    assert sorted((str(r["stem_id"]), int(r["start"]), float(r["weight"])) for r in rows) == sorted(expected)
    for row in rows:
        stem = next(s for s in noise_stems if s.stem_id == row["stem_id"])
        assert row["stem"] == stem.stem
        assert bool(row["error"]) == (stem == noise_stems[5])
        if not row["error"]:
            whole = {start: audio for start, audio, _ in pieces.pieces(stem, frames, RATE, 1)}
            assert row["audio"].dtype == np.int16
            assert row["audio"].shape == (1, frames)
            assert np.array_equal(row["audio"][:, : row["frames"]], whole[int(row["start"])])
            assert not row["audio"][:, row["frames"] :].any()
    assert {int(row["frames"]) for row in rows} == {0, frames, 18400 - frames}


def test_a_stem_of_which_nothing_may_be_used_is_a_row_of_no_frames(ray_runtime, noise_stems):
    entries = [Entry(noise_stems[0], 1.0, ((0.0, 9.0),)), Entry(noise_stems[1], 1.0, ((1.0, 9.0),))]
    rows = collect(stream.stream_pieces(entries, 1.0, RATE, 1))
    assert [(str(r["stem_id"]), int(r["frames"]), str(r["error"])) for r in rows] == [
        (noise_stems[0].stem_id, 0, ""),
        (noise_stems[1].stem_id, RATE, ""),
    ]


def test_a_stem_is_streamed_under_the_label_it_is_used_as(ray_runtime, noise_stems):
    rows = collect(stream.stream_pieces([Entry(noise_stems[0], label="other"), Entry(noise_stems[1])], 3.0, RATE, 1))
    assert [str(r["stem"]) for r in rows] == ["other", noise_stems[1].stem]


def test_order_is_kept_whichever_read_ends_first(ray_runtime, noise_stems):
    import ray.data

    context = ray.data.DataContext.get_current()
    before = context.execution_options
    context.execution_options = stream.execution_options()
    try:
        rows = collect(stream.stream_pieces([Entry(stem) for stem in noise_stems], 1.0, RATE, 1, cpus=0.5))
    finally:
        context.execution_options = before
    assert [str(r["stem_id"]) for r in rows] == [s.stem_id for s in noise_stems for _ in range(2)]


def test_an_unreadable_header_is_an_error_row_as_well(noise_stems):
    Path(noise_stems[0].uri).write_bytes(b"no audio at all")
    ((_, _, error),) = pieces.pieces(replace(noise_stems[0], frames=0), RATE, RATE, 1)
    assert "not audio" in error


def test_one_stem_that_sixteen_bits_cannot_hold_makes_the_stream_float(ray_runtime, noise_stems, tmp_path):
    loud = 2.5 * np.sin(np.arange(18400)).astype(np.float32)
    soundfile.write(tmp_path / "loud.wav", loud, RATE, "FLOAT")
    stem = replace(noise_stems[0], stem_id="t/loud", uri=str(tmp_path / "loud.wav"), format="WAV/FLOAT", etag="")
    one, other = collect(stream.stream_pieces([Entry(stem), Entry(noise_stems[1])], 2.3, RATE, 1))
    assert one["audio"].dtype == other["audio"].dtype == np.float32
    assert np.array_equal(one["audio"][0], loud)
    ((_, audio, _),) = pieces.pieces(noise_stems[1], 18400, RATE, 1)
    assert audio.dtype == np.int16
    assert np.array_equal(other["audio"] * 32768, audio)
