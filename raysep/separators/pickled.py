"""A state of tensors as torch pickles it, in bytes: read without running what is in it, and written."""

from __future__ import annotations

import io
from collections.abc import Iterable

import torch
from torch import Tensor

from raysep.errors import BadInput


def read(data: bytes, name: str, inside: Iterable[str] = ()) -> dict[str, Tensor]:
    """name → tensor; a state under one of the keys ``inside`` of a training's checkpoint is as good as a bare one.

    Raises ``BadInput`` naming ``name``.
    """
    try:
        state = torch.load(io.BytesIO(data), weights_only=True, map_location="cpu")
    except Exception as error:  # the unpickler raises whatever it stumbles over
        raise BadInput(f"{name}: not a state of tensors ({(str(error).splitlines() or [''])[0]})") from error
    if isinstance(state, dict):
        state = next((state[key] for key in inside if isinstance(state.get(key), dict)), state)
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise BadInput(f"{name}: not a bare state of tensors; a training's .chkpnt holds one, but is not one")
    return state


def write(state: dict[str, Tensor]) -> bytes:
    """A bare state, as ``torch.load`` reads it."""
    stream = io.BytesIO()
    torch.save(state, stream)
    return stream.getvalue()
