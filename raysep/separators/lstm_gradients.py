"""The LSTM's recurrence with its gradient, and that gradient's gradient, written out by hand.

A library's fused kernel has a gradient without a gradient, or one that autograd takes apart into a hundred small operations
a frame. Here each of the four passes is a loop of some seven operations a frame, and what is
not recurrent is done for all frames at once.

    z_t = x_t + h_{t-1} W      c_t = f c_{t-1} + i g      y_t = tanh c_t      h_t = o y_t

with i, f, o the logistic and g the tanh of their quarters of z, in the library's order i, f, g, o (Hochreiter & Schmidhuber
1997; Gers et al. 2000). Its gradient is a linear recurrence backwards in time, whose own gradient is one forwards, and one more
backwards through the coefficients. Tensors are ``(frame, direction, batch, …)``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

Both = tuple[Tensor, Tensor]


def lstm(driven: Tensor, weight: Tensor) -> Tensor:
    """Hidden states ``(frame, direction, batch, hidden)``, from zeros.

    ``driven`` is what enters the gates, ``(frame, direction, batch, 4 * hidden)``; ``weight`` the recurrent one,
    ``(direction, hidden, 4 * hidden)``. Differentiable twice in both, by autograd; not under ``torch.func``.
    """
    hidden: Tensor = _Hidden.apply(driven, weight)
    return hidden


def times(rows: Tensor, weight: Tensor) -> Tensor:
    """``rows @ weight`` of each direction, ``(frame, direction, batch, …)``: one product, where ``@`` copies the weight for
    every frame.
    """
    return (rows.transpose(0, 1).flatten(1, 2) @ weight).unflatten(1, (len(rows), -1)).transpose(0, 1)


class _Hidden(torch.autograd.Function):
    """The recurrence."""

    @staticmethod
    def forward(ctx: Any, driven: Tensor, weight: Tensor) -> Tensor:
        gates, cell, bounded = _run(driven, weight)
        ctx.save_for_backward(driven, weight, gates, cell, bounded)
        return gates[..., 3, :] * bounded

    @staticmethod
    def backward(ctx: Any, above: Tensor) -> Both:
        found: Both = _Gradient.apply(above, *ctx.saved_tensors)
        return found


class _Gradient(torch.autograd.Function):
    """Its gradient, of ``above`` by the hidden states, and by what they were made from: the cell's parts are taken as known."""

    @staticmethod
    def forward(ctx: Any, above: Tensor, driven: Tensor, weight: Tensor, *cell: Tensor) -> Both:
        adjoint = _Slopes.of(*cell).backwards(above, weight)
        ctx.save_for_backward(weight, *cell, *adjoint)
        return adjoint.gates.flatten(-2), _product(_earlier(cell[0][..., 3, :] * cell[2]), adjoint.gates.flatten(-2))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_driven: Tensor, by_weight: Tensor) -> tuple[Tensor | None, ...]:
        weight, gates, cell, bounded, *known = ctx.saved_tensors
        by_above, of_driven, of_weight = _second(by_driven, by_weight, weight, gates, cell, bounded, _Adjoint(*known))
        return by_above, of_driven, of_weight, None, None, None


class _Adjoint(NamedTuple):
    """What a loss changes by: of the hidden states, the cells ``(…, hidden)`` and z ``(…, 4, hidden)``."""

    hidden: Tensor
    cell: Tensor
    gates: Tensor


class _Slopes(NamedTuple):
    """How the parts of a frame change with one another."""

    cell_by_gates: Tensor  # c by the z of i, f, g: (…, 3, hidden)
    hidden_by_gate: Tensor  # h by the z of o: (…, hidden)
    hidden_by_cell: Tensor  # h by c
    forget: Tensor  # c by the c before

    @classmethod
    def of(cls, gates: Tensor, cell: Tensor, bounded: Tensor) -> _Slopes:
        i, f, g, o = gates.unbind(-2)
        by_gates = torch.stack([g * i * (1 - i), _earlier(cell) * f * (1 - f), i * (1 - g * g)], dim=-2)
        return cls(by_gates, bounded * o * (1 - o), o * (1 - bounded * bounded), f)

    def backwards(
        self, above: Tensor, weight: Tensor, at_cell: Tensor | None = None, at_gates: Tensor | None = None
    ) -> _Adjoint:
        """From the last frame to the first, of what reaches h, c and z from elsewhere."""
        count = len(above)
        hidden, cell = torch.empty_like(above), torch.empty_like(above)
        gates = above.new_empty(*above.shape[:-1], 4, above.shape[-1])
        of_weight, h, held = weight.mT.contiguous(), above[-1], torch.zeros_like(above[0])
        columns = [x.unbind(0) for x in (above, *self, hidden, cell, gates)]
        for t in reversed(range(count)):
            outside, by_gates, by_gate, by_cell, forget, h_out, c_out, z_out = (column[t] for column in columns)
            if t == count - 1:
                h = h_out.copy_(outside)
            else:
                h = torch.baddbmm(outside, columns[-1][t + 1].flatten(-2), of_weight, out=h_out)
            if at_cell is not None:
                held = held + at_cell[t]
            c = torch.addcmul(held, h, by_cell, out=c_out)
            torch.mul(by_gates, c.unsqueeze(-2), out=z_out[..., :3, :])
            torch.mul(by_gate, h, out=z_out[..., 3, :])
            if at_gates is not None:
                z_out += at_gates[t]
            held = c * forget
        return _Adjoint(hidden, cell, gates)

    def forwards(self, at_gates: Tensor, weight: Tensor) -> _Adjoint:
        """From the first frame to the last, of what reaches z: how z, c and h change with it."""
        hidden, cell = torch.empty_like(self.forget), torch.empty_like(self.forget)
        gates = torch.empty_like(at_gates)
        h = held = torch.zeros_like(self.forget[0])
        columns = zip(*(x.unbind(0) for x in (at_gates, *self, hidden, cell, gates)), strict=True)
        for outside, by_gates, by_gate, by_cell, forget, h_out, c_out, z_out in columns:
            torch.baddbmm(outside.flatten(-2), h, weight, out=z_out.view(*h.shape[:-1], -1))
            c = torch.addcmul((by_gates * z_out[..., :3, :]).sum(dim=-2), held, forget, out=c_out)
            h = torch.addcmul(by_gate * z_out[..., 3, :], c, by_cell, out=h_out)
            held = c
        return _Adjoint(hidden, cell, gates)


def _run(driven: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Gates ``(…, 4, hidden)``, cells and their tanh ``(…, hidden)``."""
    size = weight.shape[1]
    gates = driven.new_empty(*driven.shape[:-1], 4, size)
    cell, bounded = torch.empty_like(gates[..., 0, :]), torch.empty_like(gates[..., 0, :])
    h = c = torch.zeros_like(cell[0])
    for entering, gate, c_out, y_out in zip(*(x.unbind(0) for x in (driven, gates, cell, bounded)), strict=True):
        z = torch.baddbmm(entering, h, weight)
        torch.sigmoid(z, out=gate.view_as(z))
        i, f, g, o = gate.unbind(-2)
        torch.tanh(z[..., 2 * size : 3 * size], out=g)
        c = torch.addcmul(f * c, i, g, out=c_out)
        h = o * torch.tanh(c, out=y_out)
    return gates, cell, bounded


def _second(
    by_driven: Tensor, by_weight: Tensor, weight: Tensor, gates: Tensor, cell: Tensor, bounded: Tensor, first: _Adjoint
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients by ``above``, ``driven`` and ``weight`` of ``<by_driven, first gradient> + <by_weight, first gradient>``."""
    slopes, before = _Slopes.of(gates, cell, bounded), _earlier(gates[..., 3, :] * bounded)
    i, f, g, o = gates.unbind(-2)
    y, known = bounded, first.gates.flatten(-2)
    along = slopes.forwards((by_driven + times(before, by_weight)).unflatten(-1, (4, -1)), weight)
    # What each slope counts for: the change along it, times the adjoint that it passes on.
    by_i, by_f, by_g = (along.gates[..., :3, :] * first.cell.unsqueeze(-2)).unbind(-2)
    by_o, by_y = along.gates[..., 3, :] * first.hidden, along.cell * first.hidden
    at_gates = [
        (by_i * g * (1 - 2 * i) + by_g * (1 - g * g)) * i * (1 - i),
        (by_f * _earlier(cell) * (1 - 2 * f) + _earlier(along.cell) * first.cell) * f * (1 - f),
        (by_i * i * (1 - i) - 2 * by_g * i * g) * (1 - g * g),
        (by_o * y * (1 - 2 * o) + by_y * (1 - y * y)) * o * (1 - o),
    ]
    at_cell = (by_o * o * (1 - o) - 2 * by_y * o * y) * (1 - y * y) + _later(by_f * f * (1 - f))
    at_hidden = _later(times(known, by_weight.mT))
    second = slopes.backwards(at_hidden, weight, at_cell, torch.stack(at_gates, dim=-2)).gates.flatten(-2)
    return along.hidden, second, _product(before, second) + _product(_earlier(along.hidden), known)


def _earlier(x: Tensor) -> Tensor:
    """What it was a frame before; 0 at the first."""
    return torch.cat([torch.zeros_like(x[:1]), x[:-1]])


def _later(x: Tensor) -> Tensor:
    """What it is a frame later; 0 at the last."""
    return torch.cat([x[1:], torch.zeros_like(x[:1])])


def _product(hidden: Tensor, gates: Tensor) -> Tensor:
    """The weight's gradient ``(direction, hidden, 4 * hidden)``: over frames and batch."""
    of_rows = [x.transpose(0, 1).flatten(1, 2) for x in (hidden, gates)]  # (direction, frame * batch, …)
    return of_rows[0].mT @ of_rows[1]
