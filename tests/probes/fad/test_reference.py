import numpy as np
import pytest

from raysep.errors import BadInput
from raysep.probes.fad.measures import MEASURES, WINDOW
from raysep.probes.fad.reference import LabelReference, instrument

DIMENSION = 10


def tracks(count, seed, centre=0.0, length=40):
    rng = np.random.default_rng(seed)
    return [centre + 3 * rng.normal(size=DIMENSION) + 2 * rng.normal(size=(length, DIMENSION)) for _ in range(count)]


@pytest.fixture(scope="module")
def reference():
    return LabelReference.from_tracks(tracks(20, 0, centre=-40.0), cuts=60)


def test_clean_is_near_and_shifted_is_far(reference):
    clean = [reference.score(t) for t in tracks(20, 1, centre=-40.0)]
    far = [reference.score(t + 12.0) for t in tracks(20, 2, centre=-40.0)]
    for name in ("fad", "fad-z", "fad-window", "mahalanobis", "mahalanobis-high", "neighbours", "neighbours-high"):
        assert np.median([s[name] for s in far]) > max(np.quantile([s[name] for s in clean], 0.9), 0.0), name
    assert abs(np.median([s["fad-z"] for s in clean])) < 1.0


def test_the_window_sees_a_local_fault_that_the_whole_hides(reference):
    songs = tracks(30, 3, centre=-40.0)
    local = [np.concatenate([t[:-WINDOW], t[-WINDOW:] + 5.0]) for t in songs]
    gain = {}
    for name in ("fad-z", "fad-window"):
        clean, faulty = ([reference.score(t)[name] for t in group] for group in (songs, local))
        gain[name] = np.mean(np.array(faulty)[:, None] > np.array(clean)[None])
    assert gain["fad-window"] > gain["fad-z"]
    assert gain["fad-window"] > 0.8


def test_a_stem_longer_than_the_reference_is_judged_by_excerpts(reference):
    rng = np.random.default_rng(9)
    song = -40.0 + 3 * rng.normal(size=DIMENSION) + 2 * rng.normal(size=(400, DIMENSION))
    assert abs(reference.score(song)["fad-z"]) < 4


def test_too_few_frames_give_nan(reference):
    assert all(np.isnan(v) for v in reference.score(np.zeros((1, DIMENSION))).values())


def test_bytes_round_trip_gives_equal_scores(reference):
    song = tracks(1, 5)[0]
    again = LabelReference.from_bytes(reference.to_bytes())
    assert again.score(song) == reference.score(song)
    assert again.log_likelihood(song) == pytest.approx(reference.log_likelihood(song))


def test_instrument_tells_labels_apart_whatever_their_scale():
    references = {
        "bass": LabelReference.from_tracks(tracks(8, 0), cuts=20),
        "drums": LabelReference.from_tracks([3 * t for t in tracks(8, 1, centre=5.0)], cuts=20),
    }
    own = [instrument(t, "bass", references) for t in tracks(10, 2)]
    swapped = [instrument(3 * t, "bass", references) for t in tracks(10, 3, centre=5.0)]
    assert min(own) > max(swapped)
    assert np.median(own) > 0 > np.median(swapped)
    assert np.isnan(instrument(np.zeros((0, DIMENSION)), "bass", references))


def test_no_reference_frames_are_refused():
    with pytest.raises(BadInput, match="reference"):
        LabelReference.from_tracks([])


def test_every_measure_has_its_null_when_asked_and_is_far_for_a_shifted_stem():
    reference = LabelReference.from_tracks(tracks(12, 0), cuts=24, measures=tuple(MEASURES))
    again = LabelReference.from_bytes(reference.to_bytes())
    clean, far = (reference.measure(t) for t in (tracks(1, 7)[0], tracks(1, 8)[0] + 20.0))
    for name in MEASURES:
        assert far[name]["raw"] > clean[name]["raw"], name
        assert far[name]["z"] > 3.0, name
        assert abs(clean[name]["z"]) < 3.0, name
        assert far[name]["p"] < 0.1 < clean[name]["p"] <= 1.0, name
    assert again.measure(tracks(1, 7)[0]) == clean


def test_without_a_null_there_is_no_z(reference):
    found = reference.measure(tracks(1, 5, centre=-40.0)[0], ("kad", "fad"))
    assert np.isfinite([found["kad"]["raw"], found["fad"]["z"]]).all()
    assert np.isnan([found["kad"]["z"], found["kad"]["p"]]).all()


@pytest.mark.parametrize("value", [0.0, 0.1, -7.3e4])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_a_constant_dimension_keeps_its_own_unit(value, kind):
    songs = [song.astype(kind) for song in tracks(8, 0)]
    for song in songs:
        song[:, 3] = value
    reference = LabelReference.from_tracks(songs, cuts=20)
    assert reference.scale[3] == 1.0
    moved = songs[0].astype(np.float64)
    moved[:, 3] += 1e-4
    found, before = (reference.measure(song, ("fad",))["fad"]["raw"] for song in (moved, songs[0]))
    assert found == pytest.approx(before, abs=1e-6)
    assert LabelReference.from_tracks(songs, cuts=20, least_spread=0.25).scale[3] == 0.25


def test_a_dimension_that_hardly_spreads_but_more_than_rounding_is_standardised():
    songs = tracks(8, 0)
    for song in songs:
        song[:, 3] *= 1e-9
        song[:, 4] = 1.0 + 1e-5 * song[:, 4]
    together = np.concatenate(songs)
    np.testing.assert_allclose(LabelReference.from_tracks(songs, cuts=20).scale, together.std(axis=0))


def test_an_unknown_measure_is_refused_with_those_there_are():
    with pytest.raises(BadInput, match=r"cosine.*mahalanobis"):
        LabelReference.from_tracks(tracks(4, 0), measures=("cosine",))
