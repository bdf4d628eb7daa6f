import json
import zipfile
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from raysep.errors import BadInput
from raysep.probes.fad.leave_out import leave_one_out_scores
from raysep.probes.fad.reference import LabelReference
from raysep.probes.fad.reference_file import MadeWith, ReferenceFile

DIMENSION = 6
EMBEDDER = SimpleNamespace(name="logmel", weights_digest="", sample_rate=8000, dimension=DIMENSION)
ABOUT = MadeWith.of(EMBEDDER, ("fad", "mahalanobis"), 0)


def tracks(count, seed=0, length=30):
    rng = np.random.default_rng(seed)
    made = [rng.normal(size=(length + k, DIMENSION)) + rng.normal(size=DIMENSION) for k in range(count)]
    return [(f"T{k}", f"tag{seed}-{k}", frames.astype(np.float32)) for k, frames in enumerate(made)]


@pytest.fixture(scope="module")
def made():
    parts = [ReferenceFile.from_tracks(label, tracks(5, seed), ABOUT) for seed, label in enumerate(("bass", "drums"))]
    return ReferenceFile.joined(parts)


def test_it_comes_back_from_its_bytes_and_scores_alike(made):
    again = ReferenceFile.from_bytes(made.to_bytes(), "x.fadref")
    assert again.to_bytes() == made.to_bytes()
    assert again.about == ABOUT
    song = tracks(1, seed=7)[0][2]
    for label in ("bass", "drums"):
        assert again.labels[label].measure(song, ABOUT.measures) == made.labels[label].measure(song, ABOUT.measures)
        for one, two in zip(again.members[label], made.members[label], strict=True):
            assert (one.track, one.etag, one.frames, one.scores) == (two.track, two.etag, two.frames, two.scores)


def test_it_is_made_as_the_scoring_pass_makes_its_reference(made):
    frames = [entry[2] for entry in tracks(5, 0)]
    expected = LabelReference.from_tracks(frames, measures=ABOUT.measures)
    song = tracks(1, seed=7)[0][2]
    assert made.labels["bass"].measure(song, ABOUT.measures) == expected.measure(song, ABOUT.measures)
    assert [m.scores for m in made.members["bass"]] == leave_one_out_scores(expected, frames, ABOUT.measures)


def test_it_says_what_it_was_made_of(made):
    told = json.loads(json.dumps(made.provenance()))
    assert (told["embedder"], told["sample_rate"], told["measures"]) == ("logmel", 8000, ["fad", "mahalanobis"])
    assert told["labels"]["drums"]["frames"] == 30 + 31 + 32 + 33 + 34
    assert told["labels"]["drums"]["tracks"][0] == {"track": "T0", "etag": "tag1-0", "frames": 30}


def test_a_member_is_known_by_its_tag_and_its_frames(made):
    _, etag, frames = tracks(5, 0)[3]
    assert made.member("bass", etag, frames).track == "T3"
    assert made.member("drums", etag, frames) is None
    assert made.member("bass", "another", frames) is None
    today = f"sha256:{etag}"  # of a file that an older raysep told by parts of it: its frames tell
    assert made.member("bass", today, frames).track == "T3"
    assert made.member("bass", today, frames[:-1]) is None
    spoilt = frames.copy()
    spoilt[5:8] = 0.0  # where the tag does not look
    assert made.member("bass", etag, spoilt) is None
    assert made.member("bass", etag, frames[:-1]) is None


def test_a_file_that_is_there_under_two_names_is_left_out_of_its_own_score_and_named():
    songs = tracks(8)
    outlier = songs[2][2] + 6.0
    songs[2] = ("T2", "tag0-2", outlier)
    once = ReferenceFile.from_tracks("bass", songs, ABOUT)
    twice = ReferenceFile.from_tracks("bass", [*songs, ("Copy", "tag0-2", outlier.copy())], ABOUT)
    found, alone = twice.member("bass", "tag0-2", outlier).scores, once.members["bass"][2].scores
    assert found == twice.members["bass"][8].scores
    for name in ABOUT.measures:
        assert found[name]["z"] > 0.5 * alone[name]["z"] > 2.0, name
    again = ReferenceFile.from_bytes(twice.to_bytes(), "x.fadref")
    assert again.provenance()["labels"]["bass"]["copies"] == [["T2", "Copy"]]
    assert once.provenance()["labels"]["bass"]["copies"] == []
    assert again.to_bytes() == twice.to_bytes()


def test_tracks_without_frames_are_left_out_and_too_few_are_refused():
    silent = ("S", "tag", np.zeros((0, DIMENSION), np.float32))
    assert len(ReferenceFile.from_tracks("bass", [silent, *tracks(4)], ABOUT).members["bass"]) == 4
    with pytest.raises(BadInput, match=r"^bass: .*add reference tracks"):
        ReferenceFile.from_tracks("bass", [silent, *tracks(2)], ABOUT)


def test_another_embedder_or_other_weights_are_refused_naming_both(made):
    made.check(EMBEDDER, "r.fadref")
    for change, words in (
        ({"name": "clap"}, r"r\.fadref: made with embedder 'logmel', but this one is 'clap';"),
        ({"weights_digest": "abc"}, r"\(weights digest none\).*\(abc\)"),
        ({"sample_rate": 44100}, r"\(sample rate 8000\).*\(44100\)"),
    ):
        with pytest.raises(BadInput, match=words):
            made.check(SimpleNamespace(**{**vars(EMBEDDER), **change}), "r.fadref")


def test_what_is_no_reference_is_refused_by_name(made, tmp_path):
    data = made.to_bytes()
    other = tmp_path / "other.npz"
    np.savez(other, about=np.zeros(3))
    with zipfile.ZipFile(tmp_path / "empty.zip", "w"):
        pass
    for broken in (b"", b"RIFF", data[:1000], other.read_bytes(), (tmp_path / "empty.zip").read_bytes()):
        with pytest.raises(BadInput, match=r"r\.fadref: no reference \("):
            ReferenceFile.from_bytes(broken, "r.fadref")


def test_only_references_made_alike_are_joined(made):
    older = replace(made, about=replace(ABOUT, version="0.0.9"))
    assert set(ReferenceFile.joined([older, made]).labels) == {"bass", "drums"}
    with pytest.raises(ValueError, match="different ways"):
        ReferenceFile.joined([made, replace(made, about=replace(ABOUT, seed=1))])
