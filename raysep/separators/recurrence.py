"""The bidirectional LSTM of the separators, usable under every torch.func transform."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class BiLSTM(nn.LSTM):
    """``(frame, batch, feature)`` -> ``(frame, batch, 2 * hidden)``; parameters are named as in ``nn.LSTM``.

    The library's fused kernel is taken wherever it can be. It has no batching rule and no forward derivative, so under
    ``vmap``, ``jvp`` or ``grad`` the same recurrence runs step by step. Per-sample gradients of this layer on CPU are
    therefore some eight times cheaper by a plain autograd loop over samples than by ``vmap``.
    """

    def __init__(self, features: int, hidden: int, layers: int, dropout: float = 0.0) -> None:
        # The library warns when dropout is given for one layer, where it would have no place.
        super().__init__(features, hidden, layers, bidirectional=True, dropout=dropout if layers > 1 else 0.0)

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]  # a tensor to a tensor: no states
        if not _under_transform():
            if x.device.type == "cpu" and torch.is_autocast_enabled("cpu") and not _has_bfloat16_kernel():
                with torch.autocast("cpu", enabled=False):
                    return super().forward(x.float())[0]
            return super().forward(x)[0]
        for layer in range(self.num_layers):
            if layer and self.training and self.dropout:
                x = F.dropout(x, self.dropout)
            x = torch.cat([self._direction(x, f"l{layer}"), self._direction(x, f"l{layer}_reverse")], dim=-1)
        return x

    def _direction(self, x: Tensor, suffix: str) -> Tensor:
        """One layer in one direction, step by step: ``(frame, batch, feature)`` -> ``(frame, batch, hidden)``."""
        w_in, w_state, b_in, b_state = (
            getattr(self, f"{name}_{suffix}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        driven = x @ w_in.T + (b_in + b_state)  # (frame, batch, 4 * hidden)
        order = range(len(x) - 1, -1, -1) if suffix.endswith("reverse") else range(len(x))
        hidden = torch.zeros_like(driven[0, :, : self.hidden_size])
        cell = hidden
        states: list[Tensor] = [hidden] * len(x)
        for t in order:
            enter, forget, candidate, leave = (driven[t] + hidden @ w_state.T).chunk(4, dim=-1)
            cell = torch.sigmoid(forget) * cell + torch.sigmoid(enter) * torch.tanh(candidate)
            hidden = torch.sigmoid(leave) * torch.tanh(cell)
            states[t] = hidden
        return torch.stack(states)


def _has_bfloat16_kernel() -> bool:
    """Whether this CPU runs the fused recurrence in bfloat16; elsewhere the library fails rather than taking another way."""
    return torch.backends.cpu.get_cpu_capability().startswith("AVX512")


def _under_transform() -> bool:
    # torch.func offers no public way to ask; forward-mode AD outside torch.func (fwAD) is not covered.
    return torch._C._functorch.peek_interpreter_stack() is not None
