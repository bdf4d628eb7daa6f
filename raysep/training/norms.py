"""Batch norms seen from outside: what they heard, their running statistics as a vector, and how these can be differentiated.

A vector of statistics, ``(statistic,)``, holds the mean and the variance of every norm, in the network's order.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm

Norms = dict[str, BatchNorm]  # name → batch norm


def batch_norms(network: nn.Module) -> Norms:
    """Those that keep running statistics."""
    return {n: m for n, m in network.named_modules() if isinstance(m, BatchNorm) and m.track_running_stats}


def running(norms: Norms, like: Tensor) -> Tensor:
    """The statistics that they hold, ``(statistic,)``."""
    held = [getattr(norm, name).detach() for norm in norms.values() for name in ("running_mean", "running_var")]
    return torch.cat([like[:0], *held])


def momentum(norms: Norms, like: Tensor) -> Tensor:
    """The share of each statistic that a batch replaces, ``(statistic,)``."""
    each = [like.new_full((2 * norm.num_features,), norm.momentum or 0.0) for norm in norms.values()]
    return torch.cat([like[:0], *each])


def scratch(norms: Norms) -> dict[str, Tensor]:
    """Copies of their buffers, by name: what a pass in training mode may write into."""
    return {f"{n}.{key}": value.clone() for n, norm in norms.items() for key, value in norm.named_buffers()}


@contextmanager
def listening(norms: Norms, like: Tensor) -> Iterator[list[Tensor]]:
    """The statistics of the batch that goes through them inside: one vector ``(statistic,)`` in the list, afterwards.

    They follow the gradient, which the running ones do not.
    """
    inputs: dict[nn.Module, Tensor] = {}
    handles = [norm.register_forward_pre_hook(lambda norm, x: inputs.update({norm: x[0]})) for norm in norms.values()]
    found: list[Tensor] = []
    try:
        yield found
        found.append(torch.cat([like[:0], *(value for norm in norms.values() for value in _of_batch(inputs[norm]))]))
    finally:
        for handle in handles:
            handle.remove()


def folded(norms: Norms, named: dict[str, Tensor], statistics: Tensor) -> dict[str, Tensor]:
    """``named`` parameters with the statistics ``(statistic,)`` in the norms' weights and biases: the same in evaluation.

    Torch gives no derivative by running statistics; by a norm's weight and bias it does.
    """
    result = dict(named)
    parts = iter(statistics.split([norm.num_features for norm in norms.values() for _ in range(2)]))
    for (name, norm), mean, variance in zip(norms.items(), parts, parts, strict=True):
        weight = named[f"{name}.weight"] * ((1.0 + norm.eps) / (variance + norm.eps)).sqrt()
        result[f"{name}.weight"] = weight
        result[f"{name}.bias"] = named[f"{name}.bias"] - mean * weight / (1.0 + norm.eps) ** 0.5
        result[f"{name}.running_mean"], result[f"{name}.running_var"] = torch.zeros_like(mean), torch.ones_like(mean)
    return result


@torch.no_grad()
def fix_statistics(network: nn.Module, mixtures: Tensor) -> None:
    """Set the running statistics to those of ``(batch, channel, time)`` mixtures: what fixed norms work with in training."""
    norms = batch_norms(network)
    modes, momenta = {module: module.training for module in network.modules()}, [n.momentum for n in norms.values()]
    network.eval()
    for norm in norms.values():
        norm.reset_running_stats()
        norm.momentum, norm.training = None, True  # no momentum: the plain mean
    try:
        network(mixtures)
    finally:
        for norm, before in zip(norms.values(), momenta, strict=True):
            norm.momentum = before
        for module, training in modes.items():
            module.training = training


def _of_batch(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and unbiased variance, as running ones are, of ``(n, feature, …)`` over all but the features."""
    others = [dim for dim in range(x.dim()) if dim != 1]
    return x.mean(dim=others), x.var(dim=others)
