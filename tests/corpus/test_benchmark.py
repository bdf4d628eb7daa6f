"""A benchmark corpus at a size that a test can afford."""

import numpy as np
import pytest

from raysep.corpus import truth
from raysep.corpus.benchmark import BENCHMARKS, Size, make_corpus
from raysep.corpus.layouts import stems_of
from raysep.errors import BadInput

SMALL = Size(train=3, reference=2, test=1, seconds=6.0, sample_rate=8_000, share=0.5)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    calls = []
    places = make_corpus(str(tmp_path_factory.mktemp("out")), SMALL, 5, progress=lambda *call: calls.append(call))
    return places, calls


def test_the_two_sizes_of_the_benchmark():
    assert set(BENCHMARKS) == {"tiny", "small"}
    assert all(size.share == 0.5 and size.reference == 24 for size in BENCHMARKS.values())


def test_the_parts_have_their_songs_and_share_none(made):
    places, _ = made
    tracks = [{s.track for s in stems_of(p).stems} for p in (places.clean, places.reference, places.test)]
    assert [len(t) for t in tracks] == [3, 2, 1]
    assert not set.intersection(*tracks)
    mixtures = [p.read_bytes() for folder in (places.clean, places.reference, places.test) for p in _mixtures(folder)]
    assert len(set(mixtures)) == 6


def _mixtures(folder):
    from pathlib import Path

    return Path(folder).glob("*/mixture.wav")


def test_half_of_the_training_stems_differ_from_the_clean_ones_and_the_truth_says_which(made):
    places, _ = made
    rows = {row["stem_id"]: row for row in truth.read(places.truth)}
    assert len(rows) == 12
    changed = {
        clean.stem_id
        for clean, train in zip(stems_of(places.clean).stems, stems_of(places.train).stems, strict=True)
        if not np.array_equal(np.fromfile(clean.uri, np.uint8), np.fromfile(train.uri, np.uint8))
    }
    assert changed == {stem_id for stem_id, row in rows.items() if row["kind"] != "clean"}
    assert 2 <= len(changed) <= 10


def test_progress_reaches_the_total_without_going_back(made):
    _, calls = made
    done = [d for d, _ in calls]
    assert done == sorted(done)
    assert calls[-1] == (9, 9)


def test_songs_of_another_corpus_are_refused(made, tmp_path):
    folder = tmp_path / "reference" / "stranger"
    folder.mkdir(parents=True)
    (folder / "vocals.wav").write_bytes(b"")
    with pytest.raises(BadInput, match="already holds stranger"):
        make_corpus(str(tmp_path), SMALL, 5)


def test_an_unknown_size_lists_the_known_ones(tmp_path):
    with pytest.raises(BadInput, match=r"'huge'.*tiny, small"):
        make_corpus(str(tmp_path), "huge", 1)
