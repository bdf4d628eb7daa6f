from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass

import pytest
import torch

from raysep.errors import BadInput
from raysep.separators import checkpoint, registry
from raysep.separators.base import WaveformSeparator


def test_what_describe_says_build_builds(network, name):
    said, arguments = registry.describe(network)
    again = registry.build(said, **json.loads(json.dumps(arguments)))
    assert said == name
    assert again.config == network.config
    assert {k: v.shape for k, v in again.state_dict().items()} == {k: v.shape for k, v in network.state_dict().items()}


def test_unknown_names_are_answered_with_the_known_ones():
    with pytest.raises(BadInput, match="openunmix-joint"):
        registry.build("demucs")
    with pytest.raises(BadInput, match=r"no argument width; it takes stems, .*hidden"):
        registry.build("openunmix", width=3)


@dataclass(frozen=True)
class HalfConfig:
    stems: tuple[str, ...] = ("one", "two")
    sample_rate: int = 8000
    channels: int = 1
    n_fft: int = 64
    hop: int = 32


class Half(WaveformSeparator):
    """A user's own network: each stem is a learned share of the mixture."""

    config_class = HalfConfig

    def __init__(self, config):
        super().__init__(config)
        self.share = torch.nn.Parameter(torch.full((len(config.stems), 1, 1), 0.5))

    def waveforms(self, mixture):
        return self.share * mixture.unsqueeze(1)


class Plain(torch.nn.Module):
    pass


class NoConfig(WaveformSeparator):
    pass


@pytest.fixture
def own(tmp_path, monkeypatch):
    """This file as the user's module, importable by name."""
    shutil.copy(__file__, tmp_path / "my_networks.py")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "my_networks"
    sys.modules.pop("my_networks", None)


def test_a_class_of_the_users_own_goes_into_a_checkpoint_and_comes_back(own):
    network = registry.build(f"{own}:Half", stems=["a", "b", "c"])
    name, arguments = registry.describe(network)
    assert name == f"{own}:Half"
    data = checkpoint.to_bytes(checkpoint.Checkpoint(name, arguments, dict(network.state_dict())))
    again = checkpoint.network_of(checkpoint.from_bytes(data, "there"))
    assert again.stems == ("a", "b", "c")
    assert torch.equal(again.separate(torch.ones(1, 1, 9)), torch.full((1, 3, 1, 9), 0.5))
    assert registry.fields_of(name) == ("stems", "sample_rate", "channels", "n_fft", "hop")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nowhere.to:Be", "cannot be imported"),
        ("{own}:Missing", "cannot be imported"),
        ("{own}:Plain", "not a subclass"),
        ("{own}:NoConfig", "config_class"),
        ("{own}", "package.module:Class"),
    ],
)
def test_a_path_that_leads_nowhere_is_named(own, path, message):
    with pytest.raises(BadInput, match=message):
        registry.build(path.format(own=own))
