from types import SimpleNamespace

import numpy as np
import pytest

from raysep.errors import BadInput
from raysep.probes import Probe
from raysep.probes.whole_stem import WholeStem, WholeTrack

AUDIO = {"vocals": np.ones((1, 8), np.float32), "drums": np.zeros((1, 8), np.float32)}


def entry(distances: bool = False) -> Probe:
    return Probe("mine", "stem", (), True, "here", lambda stem: 0.0, distances=distances)


@pytest.fixture
def track():
    calls = []

    class Reference:
        def score(self, frames):
            calls.append(len(frames))
            return {"fad": 2.0}

    kit = SimpleNamespace(options=SimpleNamespace(sample_rate=8000, silence=-60.0), fad={"vocals": Reference()})
    track = WholeTrack(kit, AUDIO)
    track.calls = calls
    return track


def test_what_several_probes_ask_for_is_measured_once_for_each_stem(track):
    seen = []

    def loudest(audio, sample_rate):
        seen.append(sample_rate)
        return float(audio.max())

    stems = [WholeStem(probe, track, label) for probe in (entry(), entry(True)) for label in AUDIO]
    assert [stem.once(loudest) for stem in stems] == [1.0, 0.0, 1.0, 0.0]
    assert seen == [8000, 8000]


def test_what_is_measured_of_the_track_is_measured_once_for_all_its_stems(track):
    seen = []

    def levels(stems, sample_rate):
        seen.append(sorted(stems))
        return {label: float(audio.sum()) for label, audio in stems.items()}

    assert [WholeStem(entry(), track, label).of_track(levels)[label] for label in AUDIO] == [8.0, 0.0]
    assert seen == [["drums", "vocals"]]


def test_the_reference_is_refused_to_a_probe_that_does_not_declare_it(track):
    for what in ("references", "frames", "distances"):
        with pytest.raises(
            BadInput, match=r"probe 'mine': its formula asks for distances to the reference.*declared: none"
        ):
            getattr(WholeStem(entry(), track, "vocals"), what)


def test_a_stem_is_embedded_and_compared_once(track, monkeypatch):
    embedded = []

    def frames(embedder, audio, sample_rate, silence):
        embedded.append(silence)
        return np.zeros((3, 2), np.float32)

    monkeypatch.setattr("raysep.probes.embedders.base.audible_frames", frames)
    track.kit.embedder = None
    for _ in range(2):
        stem = WholeStem(entry(True), track, "vocals")
        assert stem.distances == {"fad": 2.0}
        assert stem.frames.shape == (3, 2)
    assert (embedded, track.calls) == ([-60.0], [3])
