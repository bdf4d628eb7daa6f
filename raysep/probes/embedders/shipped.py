"""Weights that come with the package: one safetensors file a network, its digest checked, its batch-norms folded away."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from torch import nn

from raysep.errors import BadInput
from raysep.probes.embedders.weight_files import locate

FOLDER = Path(__file__).parent / "weights"


def read(
    shipped: str, digest: str, shapes: dict[str, tuple[int, ...]], chosen: str = ""
) -> tuple[dict[str, torch.Tensor], str]:
    """The tensors of a weights file, float32 by name, and its sha256.

    ``chosen`` is a path or URI (see ``weight_files.locate``), or "" for the file ``shipped``, which must have the ``digest``
    the code was tested with. Raises ``BadInput`` naming the file when it is missing or cut short, when the shipped one
    was altered, or when the tensors have not the names and ``shapes`` that the network takes.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    path = locate(chosen, shipped.partition(".")[0]) if chosen else FOLDER / shipped
    remedy = "give a file of the same form as the shipped one" if chosen else "install raysep again"
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path}: weights cannot be read ({error.strerror}); {remedy}") from error
    found = hashlib.sha256(data).hexdigest()
    if not chosen and found != digest:
        raise BadInput(f"{path}: sha256 is {found}, but {digest} was released; {remedy}")
    try:
        tensors = {name: tensor.float() for name, tensor in load(data).items()}
    except SafetensorError as error:
        raise BadInput(f"{path}: not a whole safetensors file ({error}); {remedy}") from error
    has = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if odd := sorted(name for name in has.keys() | shapes.keys() if has.get(name) != shapes.get(name)):
        example = f"{odd[0]!r} has shape {has.get(odd[0])} where {shapes.get(odd[0])} is expected"
        raise BadInput(f"{path}: not the weights of this network, {len(odd)} tensors differ ({example}); {remedy}")
    return tensors, found


def batch_norm(tensors: dict[str, torch.Tensor], name: str, epsilon: float) -> tuple[torch.Tensor, torch.Tensor]:
    """``(scale, shift)`` in float64, each ``(channel,)``: what a batch-norm with fixed statistics does to its input."""
    part = {key: tensors[f"{name}.{key}"].double() for key in ("weight", "bias", "running_mean", "running_var")}
    scale = part["weight"] / (part["running_var"] + epsilon).sqrt()
    return scale, part["bias"] - part["running_mean"] * scale


def set_parameters(layer: nn.Module, weight: torch.Tensor, bias: torch.Tensor) -> None:
    """Give a convolution or dense layer its weights, rounded to float32 once."""
    layer.load_state_dict({"weight": weight.float(), "bias": bias.float()})
