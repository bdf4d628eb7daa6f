"""A separator's own description of what it hears: no download, and trained on the very music that is to be judged."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor
from torch.nn import Module

from raysep.corpus import storage
from raysep.errors import BadInput
from raysep.probes.embedders.windowed import WindowedEmbedder
from raysep.separators.base import Separator
from raysep.separators.checkpoint import from_bytes, network_of

BANDS = 4  # in which a bottleneck that has bins left is averaged: where on the spectrum matters, the bin does not


class SeparatorEmbedder(WindowedEmbedder):
    """Mean over each window of the activation at ``network.bottleneck``, of mono audio given to every channel.

    Each window goes through the network by itself, and only as far as the bottleneck. Raises ``BadInput`` for a network
    that names no bottleneck.
    """

    name = "separator"
    network: Separator

    def __init__(self, network: Separator, window_seconds: float = 1.0, hop_seconds: float = 0.5) -> None:
        if not (network.bottleneck and network.bottleneck_axes):
            raise BadInput(
                f"embedder 'separator': {type(network).__name__} names no bottleneck; give the class the property "
                "bottleneck and the attribute bottleneck_axes, as raysep.separators.base.Separator describes them"
            )
        super().__init__(network, network.sample_rate, window_seconds, hop_seconds, digest_of(network))

    @classmethod
    def from_checkpoint(cls, uri: str) -> SeparatorEmbedder:
        """From a file that ``raysep train`` wrote: a path or an ``s3://`` URI. Raises ``BadInput``."""
        if not uri:
            raise BadInput("embedder 'separator': give the checkpoint (path or URI) whose network it is to take")
        try:
            data = storage.read_bytes(uri)
        except OSError as error:
            raise BadInput(f"{uri}: embedder 'separator' cannot read this checkpoint ({error})") from error
        return cls(network_of(from_bytes(data, uri)))

    def embed_windows(self, windows: Tensor) -> Tensor:
        mixture = windows.unsqueeze(1).expand(-1, self.network.channels, -1)  # (window, channel, time)
        found = [pooled(x, self.network.bottleneck_axes) for x in bottleneck_of(self.network, mixture)]
        # A monophonic network makes a batch of the channels, which are all the same here.
        return torch.cat([x.unflatten(0, (len(windows), -1)).mean(dim=1) for x in found], dim=-1)


def build(sample_rate: int, weights: str = "") -> SeparatorEmbedder:
    return SeparatorEmbedder.from_checkpoint(weights)


class _Enough(Exception):
    """The bottleneck has been reached; what follows it would be computed for nothing."""


def bottleneck_of(network: Separator, mixture: Tensor) -> list[Tensor]:
    """Outputs of ``network.bottleneck``, in its order, for ``(batch, channel, time)``; axes are ``bottleneck_axes``."""
    places = network.bottleneck
    outputs: dict[int, Tensor] = {}

    def keep(place: Module, _: object, output: Tensor) -> None:
        outputs[id(place)] = output
        if len(outputs) == len(places):
            raise _Enough

    handles = [place.register_forward_hook(keep) for place in places]
    try:
        network(mixture)
    except _Enough:
        pass
    finally:
        for handle in handles:
            handle.remove()
    return [outputs[id(place)] for place in places]


def pooled(activation: Tensor, axes: tuple[str, ...]) -> Tensor:
    """Axes batch, feature, frame and perhaps bin in any order -> ``(batch, feature · band)``, means over the rest."""
    if "bin" not in axes:
        activation, axes = activation.unsqueeze(-1), (*axes, "bin")
    ordered = activation.permute([axes.index(name) for name in ("batch", "feature", "bin", "frame")])
    bins = ordered.mean(dim=-1)  # (batch, feature, bin)
    return torch.nn.functional.adaptive_avg_pool1d(bins, min(BANDS, bins.shape[-1])).flatten(1)


def digest_of(network: Separator) -> str:
    """sha256 of a network's configuration and state: the same for a network in memory and for its checkpoint."""
    digest = hashlib.sha256(repr(network.config).encode())
    for name, tensor in network.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
