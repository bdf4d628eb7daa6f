"""A checkpoint as the bytes of one safetensors file: tensors and JSON, nothing pickled, nothing executed on load."""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass, field

import torch
from torch import Tensor

from raysep.errors import BadInput
from raysep.separators import registry
from raysep.separators.base import Separator
from raysep.version import __version__

FORMAT = "raysep-checkpoint-1"


@dataclass
class Checkpoint:
    """A trained network, and what attribution needs beside it.

    ``weights`` is the network's state (parameters and buffers); ``second_moment`` is Adam's running mean of squared
    gradients by parameter name, or None. Stems and sample rate are among the ``arguments``.

    ``metadata`` is free, but JSON-able. Its usual keys: ``versions`` (of ``versions()``, where it was trained), ``seed``,
    ``manifest`` (digest of the training data's manifest), ``metrics`` (name -> value on the validation tracks, dB),
    ``averaged`` (whether the weights are the running mean over steps), ``plan`` (which of a run's trainings it is of),
    ``unreadable`` (stems that could not be read: id -> why), ``silent_in_validation`` (ids of validation stems that are silent and
    count in no mean), ``seconds`` (by activity), ``converted_from`` (the package whose
    format it came in; such a checkpoint knows nothing of its training).
    """

    model: str  # a name in the registry
    arguments: dict  # of ``registry.build``
    weights: dict[str, Tensor]
    second_moment: dict[str, Tensor] | None = None
    step: int = 0
    metadata: dict = field(default_factory=dict)


def versions() -> dict[str, str]:
    """Versions of what a training's numbers depend on, for a checkpoint's metadata."""
    return {"raysep": __version__, "torch": str(torch.__version__), "python": platform.python_version()}


def to_bytes(checkpoint: Checkpoint) -> bytes:
    """One safetensors file; equal checkpoints give equal bytes."""
    from safetensors.torch import save

    tensors = {f"weights/{name}": tensor for name, tensor in checkpoint.weights.items()}
    tensors |= {f"second_moment/{name}": tensor for name, tensor in (checkpoint.second_moment or {}).items()}
    # Clones: safetensors refuses views that share storage, which a recurrent layer's flattened weights may be.
    tensors = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
    return save(tensors, metadata={"raysep": json.dumps(sidecar(checkpoint), sort_keys=True)})


def from_bytes(data: bytes, name: str) -> Checkpoint:
    """The inverse of ``to_bytes``. Raises ``BadInput`` naming ``name`` (a path or URI) when it is not a checkpoint."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        tensors = load(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        record = json.loads(header["__metadata__"]["raysep"])
        if record["format"] != FORMAT:
            raise BadInput(f"{name}: checkpoint format {record['format']!r}, this version reads {FORMAT!r}; retrain")
        return Checkpoint(
            model=record["model"],
            arguments=record["arguments"],
            weights=_group(tensors, "weights/"),
            second_moment=_group(tensors, "second_moment/") if record["second_moment"] else None,
            step=record["step"],
            metadata=record["metadata"],
        )
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{name}: not a raysep checkpoint ({error}); give a file that `raysep train` wrote") from error


def sidecar(checkpoint: Checkpoint) -> dict:
    """What the checkpoint says about itself, as plain JSON: all but the tensors' values."""
    return {
        "format": FORMAT,
        "model": checkpoint.model,
        "arguments": checkpoint.arguments,
        "step": checkpoint.step,
        "parameters": sum(tensor.numel() for tensor in checkpoint.weights.values()),
        "second_moment": checkpoint.second_moment is not None,
        "metadata": checkpoint.metadata,
    }


def network_of(checkpoint: Checkpoint) -> Separator:
    """The network with the checkpoint's weights, in eval mode. Raises ``BadInput`` when they do not fit it."""
    with torch.random.fork_rng(devices=[]):  # the initial weights are thrown away: leave the caller's generator alone
        network = registry.build(checkpoint.model, **checkpoint.arguments)
    try:
        network.load_state_dict(checkpoint.weights)
    except RuntimeError as error:
        raise BadInput(f"checkpoint of {checkpoint.model!r}: weights do not fit its arguments ({error})") from error
    return network.eval()


def _group(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
