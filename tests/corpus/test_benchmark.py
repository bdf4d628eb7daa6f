"""A benchmark corpus at a size that a test can afford."""

from pathlib import Path

import numpy as np
import pytest

from raysep.corpus import truth
from raysep.corpus.benchmark import BENCHMARKS, Size, first_songs, make_corpus, note_of, size_of
from raysep.corpus.faults import KINDS
from raysep.corpus.layouts import stems_of
from raysep.errors import BadInput

SMALL = Size(train=3, reference=2, test=1, seconds=6.0, sample_rate=8_000)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    calls = []
    places = make_corpus(str(tmp_path_factory.mktemp("out")), SMALL, 5, progress=lambda *call: calls.append(call))
    return places, calls


def test_the_two_sizes_of_the_benchmark():
    assert set(BENCHMARKS) == {"tiny", "small"}
    assert all(size.reference == 24 for size in BENCHMARKS.values())


def test_the_numbers_of_songs_can_be_given():
    assert size_of("small", songs=30) == Size(30, 24, 50, 24.0, 22_050)
    assert size_of("tiny", reference=10) == Size(60, 10, 20, 12.0, 16_000)
    assert size_of(SMALL) == SMALL


@pytest.mark.slow
def test_the_parts_have_their_songs_and_share_none(made):
    places, _ = made
    tracks = [{s.track for s in stems_of(p).stems} for p in (places.clean, places.reference, places.test)]
    assert [len(t) for t in tracks] == [3, 2, 1]
    assert not set.intersection(*tracks)
    mixtures = [p.read_bytes() for folder in (places.clean, places.reference, places.test) for p in _mixtures(folder)]
    assert len(set(mixtures)) == 6


def _mixtures(folder):
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


def test_the_note_says_how_it_was_made(made):
    places, _ = made
    note = note_of(str(Path(places.clean).parent))
    assert (note["condition"], note["share"], note["seed"], note["train"]) == ("ten-kinds", 0.5, 5, 3)
    assert note["kinds"] == list(KINDS)
    assert note_of(places.clean) == {}


def test_songs_are_nested_and_a_condition_spoils_with_its_own_kinds_alone(made, tmp_path):
    """Fewer songs are the first of the same draw, also of the reference."""
    places, _ = made
    options = {"condition": "label-noise", "songs": 2, "reference": 1}
    fewer = make_corpus(str(tmp_path), SMALL, 5, workers=1, **options)
    stems, parts = stems_of(places.clean).stems, (fewer.clean, fewer.reference)
    kept = first_songs(stems, 2)
    assert [s.etag for s in stems_of(fewer.clean).stems] == [s.etag for s in kept]
    assert [len({s.track for s in stems_of(part).stems}) for part in parts] == [2, 1]
    kinds = {row["kind"] for row in truth.read(fewer.truth)}
    assert kinds - {"clean"} <= {"swap", "merge"}
    assert len(kinds) > 1
    note = note_of(str(tmp_path))
    assert (note["condition"], note["train"], note["reference"]) == ("label-noise", 2, 1)


def test_more_songs_than_there_are_cannot_be_taken(made):
    places, _ = made
    with pytest.raises(BadInput, match=r"--songs 4: the corpus has 3 songs"):
        first_songs(stems_of(places.clean).stems, 4)


def test_an_unknown_condition_lists_the_known_ones(tmp_path):
    with pytest.raises(BadInput, match=r"--condition rain: .*label-noise, bleeding, mixed"):
        make_corpus(str(tmp_path), SMALL, 1, condition="rain")
