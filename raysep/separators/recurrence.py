"""The bidirectional LSTM of the separators, usable under every torch.func transform."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from raysep.separators.lstm_gradients import lstm, times

_STEP_BY_STEP = ContextVar("step_by_step", default=False)


class BiLSTM(nn.LSTM):
    """``(frame, batch, feature)`` -> ``(frame, batch, 2 * hidden)``; parameters are named as in ``nn.LSTM``.

    The library's fused kernel is taken wherever it can be. It has no batching rule and no forward derivative, so under
    ``vmap``, ``jvp`` or ``grad`` the same recurrence runs step by step; within ``step_by_step`` it is the one whose second
    derivative is written out (``lstm_gradients``). Per-sample gradients of this layer on CPU are
    therefore some eight times cheaper by a plain autograd loop over samples than by ``vmap``.
    """

    def __init__(self, features: int, hidden: int, layers: int, dropout: float = 0.0) -> None:
        # The library warns when dropout is given for one layer, where it would have no place.
        super().__init__(features, hidden, layers, bidirectional=True, dropout=dropout if layers > 1 else 0.0)

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]  # a tensor to a tensor: no states
        if fused():
            if x.device.type == "cpu" and torch.is_autocast_enabled("cpu") and not _has_bfloat16_kernel():
                with torch.autocast("cpu", enabled=False):
                    return super().forward(x.float())[0]
            return super().forward(x)[0]
        for layer in range(self.num_layers):
            if layer and self.training and self.dropout:
                x = F.dropout(x, self.dropout)
            x = self._layer(x, layer)
        return x

    def _layer(self, x: Tensor, layer: int) -> Tensor:
        """One layer step by step, ``(frame, batch, feature)`` -> ``(frame, batch, 2 * hidden)``.

        Both directions in one product: what a small network costs here is the number of operations, not their size.
        """
        w_in, w_state, b_in, b_state = (
            torch.stack([getattr(self, f"{name}_l{layer}{way}") for way in ("", "_reverse")])
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        both = torch.stack([x, x.flip(0)], dim=1)  # (frame, direction, batch, feature)
        driven = times(both, w_in.mT) + (b_in + b_state).unsqueeze(1)  # (frame, direction, batch, 4 * hidden)
        states = by_operations(driven, w_state.mT) if _under_transform() else lstm(driven, w_state.mT)
        ahead, back = states.unbind(1)  # (frame, batch, hidden) each
        return torch.cat([ahead, back.flip(0)], dim=-1)


@contextmanager
def step_by_step() -> Iterator[None]:
    """No fused kernel inside: on CUDA its gradient has no gradient, on CPU one that takes many times as long."""
    token = _STEP_BY_STEP.set(True)
    try:
        yield
    finally:
        _STEP_BY_STEP.reset(token)


def fused() -> bool:
    """Whether a fused kernel may be taken: not within ``step_by_step``, and not under a transform of ``torch.func``."""
    return not (_under_transform() or _STEP_BY_STEP.get())


def by_operations(driven: Tensor, weight: Tensor) -> Tensor:
    """What ``lstm`` computes, by operations that every transform knows."""
    size = weight.shape[1]
    hidden = cell = torch.zeros_like(driven[0, ..., :size])
    states = []
    for entering in driven.unbind(0):
        gates = entering + hidden @ weight
        enter, forget = torch.sigmoid(gates[..., : 2 * size]).chunk(2, dim=-1)
        candidate, leave = gates[..., 2 * size :].chunk(2, dim=-1)
        cell = forget * cell + enter * torch.tanh(candidate)
        hidden = torch.sigmoid(leave) * torch.tanh(cell)
        states.append(hidden)
    return torch.stack(states)


def _has_bfloat16_kernel() -> bool:
    """Whether this CPU runs the fused recurrence in bfloat16; elsewhere the library fails rather than taking another way."""
    return torch.backends.cpu.get_cpu_capability().startswith("AVX512")


def _under_transform() -> bool:
    # torch.func offers no public way to ask; forward-mode AD outside torch.func (fwAD) is not covered.
    return torch._C._functorch.peek_interpreter_stack() is not None
