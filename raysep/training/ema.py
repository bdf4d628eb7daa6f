"""An exponential moving average of a network's parameters: what is validated, saved, resumed and exported."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


def decay_of(most: float, updates: int) -> float:
    """The share of the average that the next update leaves, after so many ``updates``: at most ``most``."""
    return min(most, (1 + updates) / (10 + updates))


class EMA:
    """Average the parameters of ``module``, copy its buffers (running statistics are averages already).

    The decay warms up as ``min(decay, (1 + t) / (10 + t))`` so that the first, random weights are soon forgotten. The
    average is kept by name, apart from the module: wrap a network in DDP and give this the network, not the wrapper.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        if not 0.0 <= decay < 1.0:
            raise ValueError(f"decay {decay}: must be in [0, 1)")
        self.decay = decay
        self.updates = 0
        self.weights: dict[str, Tensor] = {k: v.detach().clone() for k, v in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Take the module's current state in; call it after each optimiser step."""
        decay = decay_of(self.decay, self.updates)
        self.updates += 1
        parameters = {name for name, _ in module.named_parameters()}
        for name, value in module.state_dict().items():
            if name in parameters:
                self.weights[name].lerp_(value, 1.0 - decay)
            else:
                self.weights[name].copy_(value)

    @contextmanager
    def applied(self, module: nn.Module) -> Iterator[nn.Module]:
        """The module with the averaged weights in it; its own come back afterwards, whatever happens."""
        own = {name: value.detach().clone() for name, value in module.state_dict().items()}
        module.load_state_dict(self.weights)
        try:
            yield module
        finally:
            module.load_state_dict(own)

    def state(self) -> dict:
        """A copy that ``load`` takes back, exact."""
        return {"updates": self.updates, "weights": {k: v.clone() for k, v in self.weights.items()}}

    def load(self, state: dict) -> None:
        """Take ``state()`` back, on the device of the present average. Raises ``KeyError`` for another network's."""
        if set(state["weights"]) != set(self.weights):
            raise KeyError(f"EMA of another network: {sorted(set(state['weights']) ^ set(self.weights))[:5]} differ")
        self.updates = state["updates"]
        for name, value in state["weights"].items():
            self.weights[name].copy_(value)
