from __future__ import annotations

import numpy as np
import pytest
import soundfile
import torch

from raysep.corpus.layouts import stems_of
from raysep.errors import RaysepError
from raysep.training import validate as module
from raysep.training.validate import validate

RATE, LABELS = 8000, ("bass", "vocals")


@pytest.fixture
def stems(tmp_path):
    """Five tracks of a second of noise; the vocals of the last are silent."""
    for k in range(5):
        (tmp_path / f"t{k}").mkdir()
        for label in LABELS:
            silent = k == 4 and label == "vocals"
            noise = 0.1 * np.random.default_rng([k, len(label)]).standard_normal(RATE) * (not silent)
            soundfile.write(tmp_path / f"t{k}" / f"{label}.wav", noise, RATE, subtype="PCM_16")
    return stems_of(str(tmp_path), LABELS).stems


class Halves(torch.nn.Module):
    """Gives every stem half of the mixture."""

    stems, sample_rate, channels = LABELS, RATE, 1


@pytest.fixture(autouse=True)
def halves(monkeypatch):
    from raysep.separators import inference

    monkeypatch.setattr(inference, "separate", lambda network, mixture: np.stack([mixture / 2] * 2))


def energy(references, estimates):
    """The reference's own energy, so that the figures tell the stems apart; none for silence."""
    return [float((r.astype(float) ** 2).sum()) or float("nan") for r in references]


def test_the_figure_is_the_mean_over_tracks_of_their_stems_that_have_one(stems):
    found = validate(Halves(), stems, energy, 0, 1)
    audio = {s.stem_id: soundfile.read(s.uri)[0] for s in stems}
    expected = {name: (samples**2).sum() for name, samples in audio.items() if samples.any()}
    assert len(expected) == 9
    of_tracks = [[e for name, e in expected.items() if name.startswith(f"t{k}/")] for k in range(5)]
    assert found.value == pytest.approx(np.mean([np.mean(held) for held in of_tracks]), rel=1e-6)
    assert found.by_track == pytest.approx([np.mean(held) for held in of_tracks], rel=1e-6)
    vocals = [energy for name, energy in expected.items() if name.endswith("vocals")]
    assert found.by_stem["vocals"] == pytest.approx(np.mean(vocals), rel=1e-6)
    # The vocals of the last track are silent, and half of its bass is left there.
    assert found.silent == ("t4/vocals",)
    assert found.residue == pytest.approx(10 * np.log10((audio["t4/bass"] ** 2).mean() / 4), abs=1e-3)
    assert found.figures()["validation/residue"] == found.residue
    alone = validate(Halves(), [s for s in stems if s.track != "t4"], energy, 0, 1)
    assert set(alone.figures()) == {"validation/mean", "validation/bass", "validation/vocals"}
    assert alone.silent == ()


def test_estimates_and_references_are_of_the_same_track(stems):
    def check(references, estimates):
        assert references.shape == estimates.shape == (2, 1, RATE)
        assert np.allclose(estimates, references.sum(axis=0) / 2)
        return [0.0, 0.0]

    found = validate(Halves(), stems, check, 0, 1)
    assert (found.value, found.by_stem) == (0.0, {"bass": 0.0, "vocals": 0.0})


@pytest.mark.parametrize("world", [2, 3, 7])
def test_any_number_of_processes_gives_the_same_bits_and_no_track_is_judged_twice(stems, monkeypatch, world):
    """Processes one after another: first each one's own figures, then each again with everybody's at hand."""
    alone = validate(Halves(), stems, energy, 0, 1)
    monkeypatch.setattr(module, "_share_statistics", lambda network, world: None)
    everybodys: list[dict] = []

    def kept(mine):
        everybodys.append(mine)
        raise InterruptedError

    monkeypatch.setattr(module, "gathered", kept)
    for rank in range(world):
        with pytest.raises(InterruptedError):
            validate(Halves(), stems, energy, rank, world)
    assert [len(mine) for mine in everybodys] == [len(range(rank, 5, world)) for rank in range(world)]
    monkeypatch.setattr(module, "gathered", lambda mine: everybodys)
    assert all(validate(Halves(), stems, energy, rank, world) == alone for rank in range(world))


def test_a_stem_alone_has_no_mixture_and_counts_in_nothing(stems):
    whole = [s for s in stems if s.track != "t2"]
    less = [s for s in stems if s.stem_id != "t2/vocals"]
    assert validate(Halves(), less, energy, 0, 1).figures() == validate(Halves(), whole, energy, 0, 1).figures()


def test_no_figure_at_all_is_an_error_and_not_the_best(stems):
    with pytest.raises(RaysepError, match="silent"):
        validate(Halves(), stems, lambda references, estimates: [float("inf"), float("nan")], 0, 1)
