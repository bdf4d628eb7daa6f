from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from raysep.corpus import segments
from raysep.corpus.layouts import stems_of
from raysep.corpus.segments import Drawn
from raysep.errors import BadInput, RaysepError
from raysep.probes.scoring_kit import ScoringKit
from raysep.stages import attribute, kit, train
from raysep.stages.inputs import Inputs
from raysep.stages.plant import Planting

NOTHING = Planting([], [], [], {})


@pytest.fixture
def tracks(tmp_path, write_tracks):
    return stems_of(write_tracks(tmp_path / "corpus", ["A", "B"])).stems


def test_a_reference_is_read_when_asked_for(tracks, make_stems):
    lazy = kit.LazyTracks([*tracks, *make_stems(["not there"])], 8000, 1)
    assert list(lazy) == ["A", "B", "not there"]
    assert len(lazy) == 3
    assert {label: audio.shape for label, audio in lazy["A"].items()} == dict.fromkeys(
        ("vocals", "drums", "bass", "other"), (1, 16000)
    )


def test_a_kit_that_cannot_be_made_says_why_and_one_that_exists_is_kept(make_context, here, tracks):
    context = make_context()
    with pytest.raises(RaysepError, match=r"preparing the scoring pass failed .*probe-final"):
        kit.make_kit(context, Planting(tracks, [], [], {}))
    context.run.write_json({}, "kit", "made.json")
    kit.make_kit(context, NOTHING)
    assert len(here) == 1


def test_with_per_track_unlearning_the_kit_holds_a_network_for_each_reference_track(
    make_context, here, tracks, tmp_path, write_tracks, save_network
):
    """From trained networks to a kit that scores, through the files that a worker reads."""
    context = make_context(scoring={"unlearning": "per-track", "alpha": 1e-7})
    for name in (train.FINAL, train.EARLY, train.REFERENCE):
        save_network(context, name)
    reference = stems_of(write_tracks(tmp_path / "reference", ["R", "S", "T"], seconds=3.0)).stems
    planting = Planting(reference, [], [], {})
    attribute.attribute(context, Inputs(tracks, reference, []), planting)
    kit.make_kit(context, planting)
    made = context.run.read_json("kit", "made.json")
    held = ScoringKit.from_files({name: context.run.read_bytes("kit", name) for name in made["files"]})
    assert len(held.per_track.networks) == 3
    assert "unlearning-per-track" in made["probes"]
    assert "unlearning" not in made["probes"]
    assert made["passes"] == held.forward_passes == 5 + 3 + (1 + 3) / 4
    assert made["embedder"] == {"name": "logmel", "weights_digest": ""}


def test_weights_that_are_not_there_are_told_before_any_work(make_context, tmp_path):
    settings = make_context().config.scoring
    kit.check_embedder(settings, 8000)
    kit.check_embedder(replace(settings, embedder="separator"), 8000)  # the run's own, which is yet to be trained
    with pytest.raises(BadInput, match=r"nothing\.safetensors"):
        kit.check_embedder(
            replace(settings, embedder="aisfx", embedder_weights=str(tmp_path / "nothing.safetensors")), 8000
        )
    with pytest.raises(BadInput, match="embedder 'nothing'"):
        kit.check_embedder(replace(settings, embedder="nothing"), 8000)


# The bank of clean partners


def silence(stems, label, scanned_again, but=()):
    """Make a label silent, but for the first second of some tracks."""
    for stem in stems:
        if stem.stem == label:
            audio = np.zeros(stem.frames)
            if stem.track in but:
                audio[: stem.sample_rate] = 0.1
            soundfile.write(stem.uri, audio, stem.sample_rate)
            scanned_again(stem)


def maker(context):
    return kit.KitMaker.of(context)


def test_a_label_that_the_draw_missed_is_looked_for_in_all_of_the_reference(make_context, tracks, scanned_again):
    context = make_context(scoring={"bank_segments": 1})
    every = context.segments_of(tracks)
    drawn = segments.draw(every, 1, "bank")
    (track,) = set(every) - set(drawn)
    silence(tracks, "bass", scanned_again, but=(track,))
    lazy = kit.LazyTracks(tracks, 8000, 1)
    bank = kit.fill_bank(lazy, every, context.config.labels, 8000, context.config.scoring)
    assert [bank.count(label) for label in context.config.labels] == [1, 1, 1, 1]
    assert np.array_equal(bank.arrays()["bass"][0], lazy[track]["bass"][:, :8000])
    ((name, (index,)),) = drawn.items()
    assert np.array_equal(bank.arrays()["drums"][0], lazy[name]["drums"][:, index * 8000 : (index + 1) * 8000])


def test_a_label_that_the_reference_has_nowhere_is_named_before_any_stem_is_scored(make_context, tracks, scanned_again):
    """Otherwise every track would fail by itself, and with P = 1 the whole corpus would be removed."""
    context = make_context()
    silence(tracks, "bass", scanned_again)
    payload = Drawn(tracks, context.segments_of(tracks))
    with pytest.raises(BadInput, match=r"label 'bass': .*add reference tracks that have it, or .*--set labels"):
        maker(context).run(0, payload)
    assert not Path(context.run.path("kit")).exists()
