"""On music that was played, not on Gaussians: a clean stem's score does not say how long it is."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from raysep.corpus.layouts import stems_of
from raysep.corpus.reading import read_stem
from raysep.corpus.songs.synthesis import synthesise
from raysep.probes.embedders.base import audible_frames
from raysep.probes.embedders.logmel import LogMelEmbedder
from raysep.probes.fad.reference import LabelReference

pytestmark = [pytest.mark.slow, pytest.mark.long]

RATE = 16_000
SHORTEST, LONGEST, SONGS = 5.0, 60.0, 40
RENDERED = 6.0  # seconds: no song is composed shorter


def frames_of(folder, seconds=None):
    """label → frames of each stem, in the order of the tracks; of their first ``seconds``, a number for each track."""
    embedder, found = LogMelEmbedder(RATE), {}
    for stem in sorted(stems_of(str(folder)).stems):
        stems = found.setdefault(stem.stem, [])
        audio = read_stem(stem, RATE, 2)
        stems.append(
            audible_frames(embedder, audio[:, : round(seconds[len(stems)] * RATE)] if seconds else audio, RATE)
        )
    return found


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """(frames by label of clean songs of 5 s to 1 min, frames by label of a reference of other songs)."""
    folder = tmp_path_factory.mktemp("length")
    lengths = np.geomspace(SHORTEST, LONGEST, SONGS).tolist()
    for number, seconds in enumerate(lengths):
        synthesise(str(folder / "songs"), 1, max(RENDERED, seconds), RATE, number, prefix=f"song{number:02d}x")
    synthesise(str(folder / "reference"), 16, 40.0, RATE, 1, prefix="ref")
    return frames_of(folder / "songs", lengths), frames_of(folder / "reference")


def test_a_clean_stems_z_does_not_say_how_long_it_is_and_its_raw_distance_does(rendered):
    songs, reference = rendered
    found = {"raw": [], "z": [], "window": []}
    for label, stems in songs.items():
        known = LabelReference.from_tracks(reference[label], least_spread=LogMelEmbedder.least_spread)
        judged = [frames for frames in stems if len(frames) >= 2]
        assert len(judged) > 0.8 * SONGS
        scores = [known.measure(frames, ("fad", "fad-window")) for frames in judged]
        lengths = [len(frames) for frames in judged]
        columns = {"raw": ("fad", "raw"), "z": ("fad", "z"), "window": ("fad-window", "z")}
        for name, (measure, which) in columns.items():
            found[name].append(spearmanr([score[measure][which] for score in scores], lengths).statistic)
    correlation = {name: np.mean(by_label) for name, by_label in found.items()}
    assert correlation["raw"] < -0.2
    # Of so few stems the mean over labels has a standard error of 0.08; benchmarks/embedders.py has three times as many.
    assert abs(correlation["z"]) < 0.2
    assert abs(correlation["window"]) < 0.2
