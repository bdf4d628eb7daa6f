from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from raysep.corpus.inputs import Inputs
from raysep.corpus.layouts import stems_of
from raysep.corpus.partners import LazyTracks, fill_bank
from raysep.corpus.segments import Drawn
from raysep.errors import BadInput, RaysepError
from raysep.probes.scoring_kit import ScoringKit
from raysep.stages import attribute, kit, train
from raysep.stages.plant import Planting
from raysep.training.network import load_network

NOTHING = Planting([], [], [], {})


@pytest.fixture
def read_kit():
    """read_kit(run, folder): what a scoring worker holds."""

    def read(run, folder) -> ScoringKit:
        names = run.read_json(folder, "made.json")["files"]
        return ScoringKit.from_files({name: run.read_bytes(folder, name) for name in names})

    return read


@pytest.fixture
def tracks(tmp_path, write_tracks):
    return stems_of(write_tracks(tmp_path / "corpus", ["A", "B"])).stems


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


def silence(stems, label, scanned_again):
    for stem in stems:
        if stem.stem == label:
            soundfile.write(stem.uri, np.zeros(stem.frames), stem.sample_rate)
            scanned_again(stem)


def maker(context):
    return kit.KitMaker.of(context)


def test_a_label_that_the_reference_has_nowhere_is_named_before_any_stem_is_scored(make_context, tracks, scanned_again):
    """Otherwise every track would fail by itself, and with P = 1 the whole corpus would be removed."""
    context = make_context()
    silence(tracks, "bass", scanned_again)
    payload = Drawn(tracks, context.segments_of(tracks))
    with pytest.raises(BadInput, match=r"label 'bass': .*add reference tracks that have it, or .*--set labels"):
        maker(context).run(0, payload)
    assert not Path(context.run.path("kit")).exists()


# Folds that rotate


@pytest.mark.slow
def test_each_fold_has_a_kit_of_the_others_tracks(
    make_context, here, tracks, tmp_path, write_tracks, save_network, read_kit
):
    context = make_context(scoring={"alpha": 1e-7})
    names = (train.FINAL, train.EARLY, f"{train.REFERENCE}-0", f"{train.REFERENCE}-1")
    for seed, name in enumerate(names):
        save_network(context, name, seed=seed)
    reference = stems_of(write_tracks(tmp_path / "reference", [*"QRSTUV"], seconds=3.0)).stems
    folds = {"A": 0, "B": 1} | {track: k % 2 for k, track in enumerate("QRSTUV")}
    planting = Planting(reference, reference, [], {}, frozenset(), folds)
    attribute.attribute(context, Inputs(tracks, reference, []), planting)
    kit.make_kit(context, planting)
    made = [context.run.read_json("kit", f"fold-{k}", "made.json") for k in (0, 1)]
    assert made[0]["files"] == made[1]["files"]
    assert made[0]["probes"] == made[1]["probes"]
    assert "fad-z" in made[0]["probes"]
    for k, own in enumerate((set("RTV"), set("QSU"))):
        held = read_kit(context.run, f"kit/fold-{k}")
        alone = LazyTracks([s for s in reference if s.track in own], 8000, 1)
        every = context.segments_of(s for s in reference if s.track in own)
        scoring = context.config.scoring
        bank = fill_bank(alone, every, context.config.labels, 8000, scoring.bank_segments, scoring.most_segments)
        for label, segments_ in bank.arrays().items():
            assert np.array_equal(held.bank.arrays()[label], segments_)
        expected = load_network(context.run, f"{train.REFERENCE}-{k}")[0].state_dict()
        found = held.networks["reference"].state_dict()
        assert all(np.array_equal(found[name], value) for name, value in expected.items())
    kept = here.copy()
    kit.make_kit(context, planting)
    assert here == kept


def test_what_one_fold_lacks_no_fold_scores_with(make_context):
    whole = {"files": ["fad/a.npz", "fad/b.npz", "networks/final.safetensors", "networks/unlearned.safetensors"]}
    other = {"files": ["fad/a.npz", "networks/final.safetensors"]}
    no_distances = {"files": ["networks/final.safetensors", "networks/unlearned.safetensors"]}
    about = {"probes": ["loss", "fad", "unlearning"], "passes": 6.0}
    found = kit.in_common([whole | about, other | about | {"probes": ["loss", "fad"], "passes": 5.0}])
    assert [each["files"] for each in found] == [[n for n in whole["files"] if "unlearned" not in n], other["files"]]
    assert [(each["probes"], each["passes"]) for each in found] == [(["loss", "fad"], 5.0)] * 2
    found = kit.in_common([whole | about, no_distances | about | {"probes": ["loss", "unlearning"]}])
    assert [each["files"] for each in found] == [no_distances["files"]] * 2
    assert kit.in_common([whole | about]) == [whole | about]


def test_a_kit_left_out_of_step_is_put_right_by_the_next_start(make_context, here):
    context = make_context()
    planting = Planting([], [], [], {}, frozenset(), {"A": 0, "B": 1})
    about = {"probes": ["loss"], "passes": 1.0, "distances_left_out": ""}
    context.run.write_json(
        about | {"files": ["a", "fad/x.npz"], "probes": ["loss", "fad"]}, "kit", "fold-0", "made.json"
    )
    context.run.write_json(about | {"files": ["a"]}, "kit", "fold-1", "made.json")
    kit.make_kit(context, planting)
    assert here == []
    assert context.run.read_json("kit", "fold-0", "made.json") == about | {"files": ["a"]}
