"""EK-FAC: an inverse of the Gauss-Newton matrix, layer by layer, in the eigenvectors of a Kronecker product.

A layer maps rows a (its input, 1 appended for a bias) to W a, and a sample's gradient by W is Σ_rows s aᵀ, s the slope by the
output. With A = E aaᵀ = Q_A · Q_Aᵀ and S = E ssᵀ = Q_S · Q_Sᵀ (K-FAC, Martens & Grosse 2015; convolutions as rows of patches,
Grosse & Martens 2016),

    H⁻¹ g ≈ Q_S [ (Q_Sᵀ g Q_A) / (Λ + λ) ] Q_Aᵀ,      Λ = E (Q_Sᵀ g_sample Q_A)²      George et al. 2018

For influence: Grosse et al. 2023 (arXiv 2308.03296). Slopes are of targets drawn from the model and not of the true ones: a
squared error is the likelihood of a Gaussian, whose Fisher information is the Gauss-Newton matrix.

Treated are linear layers and ungrouped convolutions that are called as modules. What else there is, recurrences and norms above
all, is left out of the direction, and named.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from raysep.errors import BadInput
from raysep.probes.rivals.point import Point

Sample = tuple[
    Tensor, Tensor
]  # (row, input) and (row, output): what entered a layer, and the loss's slopes by what left it
Tensors = Mapping[str, tuple[Tensor, ...]]  # by layer


@dataclass(frozen=True, eq=False)
class Block:
    """What is known of one layer's part of the matrix."""

    of_outputs: Tensor  # Q_S (output, output): eigenvectors in columns
    of_inputs: Tensor  # Q_A (input, input)
    values: Tensor  # Λ (output, input)

    def solve(self, gradient: Tensor, damping: float) -> Tensor:
        """(block + damping)⁻¹ of a gradient ``(output, input)``, float64."""
        turned = self.of_outputs.mT @ gradient.double() @ self.of_inputs
        return self.of_outputs @ (turned / (self.values + damping)) @ self.of_inputs.mT


def blocks_of(samples: Callable[[], Iterable[Mapping[str, Sample]]]) -> dict[str, Block]:
    """The block of each layer, from what each sample let into it and asked of it; ``samples`` is gone through twice."""

    def moments(sample: Sample) -> tuple[Tensor, ...]:
        return tuple(x.double().mT @ x.double() for x in reversed(sample))

    def turned(layer: str, sample: Sample) -> tuple[Tensor, ...]:
        rows, slopes = (x.double() @ basis for x, basis in zip(sample, reversed(bases[layer]), strict=True))
        return ((slopes.mT @ rows).square(),)

    found = _mean({layer: moments(sample) for layer, sample in each.items()} for each in samples())
    bases = {layer: tuple(torch.linalg.eigh(moment)[1] for moment in pair) for layer, pair in found.items()}
    values = _mean({layer: turned(layer, sample) for layer, sample in each.items()} for each in samples())
    return {layer: Block(*bases[layer], *values[layer]) for layer in bases}


def _mean(each: Iterable[Tensors]) -> Tensors:
    """Of every tensor over samples."""
    total: dict[str, tuple[Tensor, ...]] = {}
    count = 0
    for part in each:
        total = {k: tuple(a + b for a, b in zip(total[k], v, strict=True)) if total else v for k, v in part.items()}
        count += 1
    return {name: tuple(value / count for value in values) for name, values in total.items()}


# Of a network -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Curvature:
    """The blocks of a network by the name of their layer."""

    blocks: dict[str, Block]
    left_out: tuple[str, ...]  # parameters that no block covers

    @property
    def words(self) -> str:
        """One line."""
        treated = f"EK-FAC of {', '.join(self.blocks)}"
        others = dict.fromkeys(name.rpartition(".")[0] or name for name in self.left_out)
        return f"{treated}; left out, as their kind is not treated: {', '.join(others)}" if others else treated

    def solve(self, point: Point, gradient: Tensor, damping: Tensor) -> Tensor:
        """The direction ``(parameter,)`` for a gradient; 0 where no block is. A layer is damped by its mean of ``damping``."""
        named, damped = point.training.named(gradient), point.training.named(damping)
        found = {name: torch.zeros_like(value) for name, value in named.items()}
        for layer, block in self.blocks.items():
            parts = [name for name in (f"{layer}.weight", f"{layer}.bias") if name in named]
            wide = [named[name].reshape(len(block.of_outputs), -1) for name in parts]
            strength = float(torch.cat([damped[name].flatten() for name in parts]).mean())
            solved = block.solve(torch.cat(wide, dim=1), strength).split([part.shape[1] for part in wide], dim=1)
            found |= {
                name: part.reshape(named[name].shape).to(gradient) for name, part in zip(parts, solved, strict=True)
            }
        return torch.cat([found[name].flatten() for name in named])


def ekfac(point: Point, batches: Iterable[Tensor], seed: int = 0) -> Curvature:
    """From ``(batch, stem, channel, time)`` targets, of which the mixtures are heard. Raises ``BadInput`` without any layer.

    An example at a time, since layers put the frames of a batch in any order.
    """
    examples = [example[None] for targets in batches for example in targets]

    def samples() -> Iterator[dict[str, Sample]]:
        generator = torch.Generator().manual_seed(seed)  # the same slopes in both passes
        return (captured(point, example, generator) for example in examples)

    blocks = blocks_of(samples)
    if not blocks:
        raise BadInput(f"network {type(point.training.network).__name__}: no layer that EK-FAC treats; leave it out")
    covered = {f"{layer}.{part}" for layer in blocks for part in ("weight", "bias")}
    return Curvature(blocks, tuple(name for name in point.training.named(point.parameters) if name not in covered))


def captured(point: Point, targets: Tensor, generator: torch.Generator) -> dict[str, Sample]:
    """What enters each layer for one example ``(1, stem, channel, time)``, and the slopes of a loss with drawn targets.

    The loss is the mean over stems of the mean squared error: with n outputs in all its Gauss-Newton matrix is 2/n JᵀJ, and so
    is the second moment of Jᵀu with u normal of variance 2/n.
    """
    layers = {module: name for name, module in point.training.network.named_modules() if _is_treated(module)}
    calls: list[tuple[nn.Module, Tensor, Tensor]] = []

    def note(layer: nn.Module, given: tuple[Tensor, ...], out: Tensor) -> None:
        calls.append((layer, given[0].detach(), out))

    handles = [layer.register_forward_hook(note) for layer in layers]
    try:
        outputs = point.outputs(targets)(point.parameters.detach().requires_grad_())
    finally:
        for handle in handles:
            handle.remove()
    if not calls:
        return {}
    drawn = torch.randn(outputs.shape, generator=generator).to(outputs) * math.sqrt(2.0 / outputs.numel())
    slopes = torch.autograd.grad(outputs, [out for *_, out in calls], drawn, materialize_grads=True, allow_unused=True)
    found: dict[str, list[Sample]] = {}
    for (layer, given, _), slope in zip(calls, slopes, strict=True):
        found.setdefault(layers[layer], []).append((_rows(layer, given), _slopes(layer, slope)))
    return {name: (torch.cat([r for r, _ in parts]), torch.cat([s for _, s in parts])) for name, parts in found.items()}


def _is_treated(module: nn.Module) -> bool:
    if isinstance(module, nn.Linear):
        return bool(module.weight.requires_grad)
    plain = isinstance(module, nn.Conv1d | nn.Conv2d) and module.groups == 1 and module.padding_mode == "zeros"
    return plain and not isinstance(module.padding, str) and bool(module.weight.requires_grad)


def _rows(layer: Any, given: Tensor) -> Tensor:
    """``(row, input)`` of a layer's input: what each output is a linear map of, with 1 appended for a bias."""
    if isinstance(layer, nn.Linear):
        rows = given.reshape(-1, given.shape[-1])
    else:
        flat = isinstance(layer, nn.Conv1d)
        sizes = {name: getattr(layer, name) for name in ("kernel_size", "dilation", "padding", "stride")}
        if flat:
            given, sizes = given.unsqueeze(-2), {k: (0 if k == "padding" else 1, *v) for k, v in sizes.items()}
        rows = F.unfold(given, **sizes).transpose(1, 2).flatten(0, 1)
    return rows if layer.bias is None else torch.cat([rows, rows.new_ones(len(rows), 1)], dim=1)


def _slopes(layer: Any, slope: Tensor) -> Tensor:
    """``(row, output)`` in the order of the rows."""
    return (
        slope.reshape(-1, slope.shape[-1])
        if isinstance(layer, nn.Linear)
        else slope.flatten(2).transpose(1, 2).flatten(0, 1)
    )
