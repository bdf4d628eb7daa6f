"""What the separator hears on the page: the network's own estimate, at the place of the stem, with the same bits every time."""

from __future__ import annotations

import base64
import io
import subprocess
import sys

import numpy as np
import pytest
import soundfile
import torch

from raysep.report.evidence import of_run, takes
from raysep.report.evidence.of_run import Evidence
from raysep.report.evidence.separated import CHECKPOINT, Hearing
from raysep.rundir import Run
from raysep.separators import registry
from raysep.separators.checkpoint import Checkpoint, to_bytes
from raysep.separators.inference import separate
from raysep.stages import train
from tests.made_run import RATE

LABELS = ("bass", "drums", "vocals")  # not all that the corpus has
FILES = ("manifest.parquet", "reference.parquet", "decision.parquet", "stems.parquet", "run.json")


def copy_of(run: Run, folder) -> Run:
    copy = Run(str(folder))
    for name in FILES:
        copy.write_bytes(run.read_bytes(name), name)
    return copy


@pytest.fixture(scope="module")
def network(small_arguments):
    torch.manual_seed(0)
    arguments = small_arguments("openunmix") | {"stems": LABELS, "sample_rate": RATE, "channels": 2}
    return registry.build("openunmix", **arguments).eval(), arguments


@pytest.fixture(scope="module")
def trained(made_run, network, tmp_path_factory) -> Run:
    """The made run with a network, of random weights, where a training leaves it."""
    run = copy_of(made_run, tmp_path_factory.mktemp("trained"))
    checkpoint = Checkpoint("openunmix", network[1], dict(network[0].state_dict()))
    run.write_bytes(to_bytes(checkpoint), *CHECKPOINT)
    return run


@pytest.fixture(scope="module")
def evidence(trained) -> Evidence:
    return Evidence(trained)


def sound(take) -> np.ndarray:
    data = base64.b64decode(take.source.partition(",")[2])
    return soundfile.read(io.BytesIO(data), always_2d=True)[0].T


def test_the_network_is_the_one_that_a_training_leaves():
    assert "/".join(CHECKPOINT) == f"checkpoints/{train.FINAL}.safetensors"


def test_it_stands_beside_the_others_on_their_axis_of_time(evidence):
    row = evidence.with_sounds(evidence.row("song-02/drums"))
    stem, mixture, separator, trusted = row["takes"]
    assert [t.name for t in row["takes"]] == ["Stem", "Mixture", "Separator", "Trusted drums"]
    assert (separator.start, separator.span) == (stem.start, stem.span) == (mixture.start, mixture.span)
    assert separator.outline.seconds == pytest.approx(stem.outline.seconds)
    assert "hears as drums" in separator.about
    assert trusted.start != separator.start or trusted.span is None


def test_what_is_heard_is_the_networks_estimate_from_the_whole_mixture(evidence, network):
    """Away from the cut only the context could tell the two apart, and a small network hears little of that."""
    stem = evidence.stems["song-02/vocals"]
    take = next(t for t in evidence.with_sounds(evidence.row(stem.stem_id))["takes"] if t.name == "Separator")
    mixture = sum(soundfile.read(other.uri)[0].T for other in evidence.mixture_of(stem)).astype(np.float32)
    whole = separate(network[0], mixture)[LABELS.index("vocals")].numpy()
    first = round(take.start * RATE)
    expected = whole[:, first : first + round(take.outline.seconds * RATE)]
    middle = slice(RATE, -RATE)
    assert np.corrcoef(sound(take)[:, middle].ravel(), expected[:, middle].ravel())[0, 1] > 0.95  # Vorbis is no copy
    others = [whole, separate(network[0], mixture)[LABELS.index("drums")].numpy()]
    assert not np.allclose(others[0], others[1])


def test_a_label_that_the_network_does_not_know_is_left_out(evidence):
    assert evidence.separated(evidence.stems["song-02/other"], 1.0, 2.0) is None
    assert [t.name for t in evidence.with_sounds(evidence.row("song-02/other"))["takes"]][:2] == ["Stem", "Mixture"]


def test_the_bits_are_the_same_with_any_number_of_threads(trained):
    found = []
    before = torch.get_num_threads()
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            fresh = Evidence(trained)
            found.append(fresh.separated(fresh.stems["song-01/bass"], 2.0, 4.0)[0].tobytes())
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert found[0] == found[1]


def test_without_a_network_it_is_said_once_and_torch_is_not_loaded(made_run):
    script = (
        "import sys\nfrom raysep.rundir import Run\nfrom raysep.report.evidence.of_run import Evidence\nfrom raysep.report.evidence.sounding import shown\n"
        f"found = Evidence(Run({made_run.root!r}))\nrows = shown(found, room=1)\nprint(found.hearing.missing)\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    said, loaded = done.stdout.splitlines()
    assert said == (
        "What the separator hears is not among the sounds: this run has no trained network "
        "(checkpoints/probe-final.safetensors)."
    )
    assert loaded == "False"


def test_with_a_network_nothing_is_missing_and_nothing_loaded_before_it_is_asked_for(trained):
    hearing = Hearing(trained)
    assert hearing.missing == ""
    assert "_read" not in vars(hearing)
    assert hearing.network is not None


def test_a_network_that_cannot_be_read_costs_the_page_nothing_else(made_run, tmp_path):
    run = copy_of(made_run, tmp_path / "run")
    run.write_bytes(b"no checkpoint", *CHECKPOINT)
    evidence = Evidence(run)
    row = evidence.with_sounds(evidence.row("song-02/drums"))
    assert [t.name for t in row["takes"]] == ["Stem", "Mixture", "Trusted drums"]
    assert "not a raysep checkpoint" in evidence.hearing.missing


def test_where_it_is_served_its_place_is_told_and_nothing_computed(evidence):
    fresh = Evidence(evidence.run)
    row = fresh.with_sounds(fresh.row("song-02/drums"), served="audio/3")
    take = next(t for t in row["takes"] if t.name == "Separator")
    assert take.source == "audio/3/separator"
    assert (take.start, take.outline.seconds) == pytest.approx(fresh.excerpt_of(fresh.stems["song-02/drums"])[:2])
    assert take.span[0] >= take.start
    assert "_read" not in vars(fresh.hearing)


def test_a_track_of_one_stem_has_no_mixture_to_be_heard_in(evidence, monkeypatch):
    monkeypatch.setattr(evidence, "mixture_of", lambda stem: [])
    row = evidence.with_sounds(evidence.row("song-02/drums"))
    assert [t.name for t in row["takes"]] == ["Stem", "Trusted drums"]


def test_an_estimate_beyond_full_scale_is_turned_down():
    loud = np.array([[0.5, -2.0]])
    assert takes.within_scale(loud).tolist() == [[0.25, -1.0]]
    assert takes.within_scale(loud / 4).tolist() == (loud / 4).tolist()
    assert of_run.takes.within_scale(np.zeros((2, 0))).shape == (2, 0)
