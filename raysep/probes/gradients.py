"""Gradients of the training loss at fixed weights: sums over samples, in float64, mergeable across shards.

The network is in eval mode throughout (batch statistics and dropout would make a sample's gradient depend on its
neighbours; ``differentiable`` is what every gradient is taken in), and its buffers travel with its parameters. The loss of
a sample is the mean of its stems' losses.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

from raysep.separators.base import Separator
from raysep.training.loss import stem_losses

Weights = dict[str, Tensor]
Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True, eq=False)
class ParameterSum:
    """A sum over ``count`` samples of something shaped like the parameters: name → float64 tensor."""

    sum: Weights
    count: int

    def merge(self, other: ParameterSum) -> ParameterSum:
        if self.sum.keys() != other.sum.keys():
            raise ValueError("sums of different networks cannot be merged")
        return ParameterSum(
            {name: value + other.sum[name] for name, value in self.sum.items()}, self.count + other.count
        )

    def mean(self) -> Weights:
        if not self.count:
            raise ValueError("the mean of no samples")
        return {name: value / self.count for name, value in self.sum.items()}

    def to_bytes(self) -> bytes:
        from safetensors.torch import save

        tensors = {name: value.contiguous().cpu() for name, value in self.sum.items()}
        return save(tensors, metadata={"count": str(self.count)})

    @classmethod
    def from_bytes(cls, data: bytes) -> ParameterSum:
        import json

        from safetensors.torch import load

        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        return cls(load(data), int(header["__metadata__"]["count"]))


def merge_all(parts: Mapping[str, ParameterSum]) -> ParameterSum:
    """Merge shards in the order of their names: arrival order changes no bit."""
    if not parts:
        raise ValueError("nothing to merge")
    ordered = [parts[name] for name in sorted(parts)]
    merged = ordered[0]
    for part in ordered[1:]:
        merged = merged.merge(part)
    return merged


def reference_gradient(network: Separator, batches: Iterable[tuple[Tensor, Tensor]]) -> ParameterSum:
    """Sum over samples of the gradient of the loss; ``.mean()`` is ∇L(R, θ).

    ``batches`` yields mixtures ``(n, channel, time)`` and targets ``(n, stem, channel, time)``. Raises ``ValueError``
    without a single sample.
    """
    names, parameters = zip(*trainable(network).items(), strict=True)
    total = {name: torch.zeros_like(p, dtype=torch.float64) for name, p in zip(names, parameters, strict=True)}
    count = 0
    with differentiable(network):
        for mixtures, targets in batches:
            loss = stem_losses(network, mixtures, targets).mean(dim=1).sum()
            gradients: Sequence[Tensor | None] = torch.autograd.grad(loss, parameters, allow_unused=True)
            for name, gradient in zip(names, gradients, strict=True):
                if gradient is not None:
                    total[name] += gradient.double()
            count += len(mixtures)
    if not count:
        raise ValueError("the reference gradient of no samples")
    return ParameterSum(total, count)


def sample_loss(network: Separator) -> Callable[[Weights, Tensor, Tensor], Tensor]:
    """The loss of one ``(channel, time)`` mixture with its ``(stem, channel, time)`` targets, given the weights."""

    def loss(weights: Weights, mixture: Tensor, targets: Tensor) -> Tensor:
        return losses_at(network, mixture[None], targets[None])(weights).mean()

    return loss


def losses_at(network: Separator, mixtures: Tensor, targets: Tensor) -> Callable[[Weights], Tensor]:
    """The losses ``(n, stem)`` of a batch as a function of the weights, among which there may be buffers."""
    wrapped = _Losses(network)
    buffers = {f"network.{name}": b for name, b in network.named_buffers()}

    def losses(weights: Weights) -> Tensor:
        state = buffers | {f"network.{name}": value for name, value in weights.items()}
        with differentiable(network):
            return torch.func.functional_call(wrapped, state, (mixtures, targets))

    return losses


class _Losses(nn.Module):
    """The losses as a module's forward, which is what ``functional_call`` can swap the weights of."""

    def __init__(self, network: Separator) -> None:
        super().__init__()
        self.network = network

    def forward(self, mixture: Tensor, targets: Tensor) -> Tensor:
        return stem_losses(self.network, mixture, targets)


def trainable(network: nn.Module) -> Weights:
    """name → parameter; frozen parameters and buffers are left out."""
    return {name: p for name, p in network.named_parameters() if p.requires_grad}


def weights_of(network: nn.Module) -> Weights:
    """name → detached copy of each trainable parameter."""
    return {name: p.detach().clone() for name, p in trainable(network).items()}


def with_weights(network: Network, weights: Mapping[str, Tensor]) -> Network:
    """A copy of the network in eval mode with some parameters replaced; the rest and the buffers are copied."""
    changed = copy.deepcopy(network).eval()
    parameters = dict(changed.named_parameters())
    with torch.no_grad():
        for name, value in weights.items():
            parameters[name].copy_(value)
    return changed


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Eval mode inside, the former mode of every submodule afterwards."""
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


@contextmanager
def differentiable(network: nn.Module) -> Iterator[None]:
    """Eval mode for a forward pass whose gradient is taken: on CUDA too, and the same numbers.

    cuDNN refuses the gradient of a recurrence in eval mode. Without dropout, training mode computes the same, and the fast
    kernels stay. Here and not in a layer of our own, since torchaudio's networks hold plain ``nn.LSTM``.
    """
    with evaluating(network):
        recurrences = {module: module.dropout for module in network.modules() if isinstance(module, nn.RNNBase)}
        for module in recurrences:
            module.training, module.dropout = True, 0.0
        try:
            yield
        finally:
            for module, dropout in recurrences.items():
                module.dropout = dropout
