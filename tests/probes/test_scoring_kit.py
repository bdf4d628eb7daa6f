from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from raysep.errors import BadInput
from raysep.probes.scoring_kit import ScoringKit, ScoringOptions, label_references
from raysep.separators import registry

RATE = 8000
LABELS = ("vocals", "drums")


@pytest.fixture
def kit():
    torch.manual_seed(0)
    network = registry.build("openunmix-joint", stems=LABELS, sample_rate=RATE, n_fft=256, hop=128, hidden=8, layers=1)
    return ScoringKit({"final": network}, None, ScoringOptions(RATE, RATE, embedder="separator"))


def tracks(rng, count=4):
    return {
        f"t{k}": {label: 0.1 * rng.normal(size=(2, 4 * RATE)).astype(np.float32) for label in LABELS}
        for k in range(count)
    }


def test_the_bottleneck_is_that_of_the_kits_own_network(kit):
    assert kit.embedder.network is kit.networks["final"]
    kit.fad = label_references(tracks(np.random.default_rng(0)), RATE, kit.embedder, cuts=10)
    again = ScoringKit.from_files(kit.to_files())
    assert again.options == kit.options
    assert again.embedder.weights_digest == kit.embedder.weights_digest
    audio = torch.from_numpy(next(iter(tracks(np.random.default_rng(1)).values()))["drums"].mean(axis=0))[None]
    torch.testing.assert_close(again.embedder.embed(audio), kit.embedder.embed(audio))


def test_weights_that_the_reference_was_not_made_with_are_refused(kit):
    kit.options = replace(kit.options, embedder_digest=kit.embedder.weights_digest)
    files = kit.to_files()
    assert ScoringKit.from_files(files).embedder.dimension == kit.embedder.dimension
    kit.options = replace(kit.options, embedder_digest="0" * 64)
    with pytest.raises(BadInput, match="are not those that the reference was made with"):
        _ = ScoringKit.from_files(kit.to_files()).embedder


def test_an_unknown_embedder_is_named(kit):
    kit.options = replace(kit.options, embedder="nothing")
    with pytest.raises(BadInput, match="embedder 'nothing'"):
        _ = kit.embedder
