"""What has to be known of a network to bring it in from MSST and out again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from raysep.errors import BadInput
from raysep.separators.base import Config

Sections = Mapping[str, Any]  # a YAML as it is read: section → what is in it


def same(name: str, settings: Config) -> str:
    return name


class Form(NamedTuple):
    """One of our networks there."""

    model: str  # ours
    type: str  # its ``--model_type``
    arguments: Callable[[Sections, str], dict[str, Any]]  # of (YAML, its name): ours. Raises ``BadInput``
    content: Callable[[Config], dict[str, Any]]  # of our configuration: the YAML. Raises ``BadInput``
    theirs: Callable[[str, Config], str] = same  # our tensor's name → theirs; "" where they have none, and none is used


def only(shape: Mapping[str, Any], known: set[str], fixed: Mapping[str, Any], where: str, what: str) -> None:
    """Raises ``BadInput`` for a key that is not ``known``, and for another value than a ``fixed`` one."""
    if unknown := sorted(key for key in shape if key not in known and key not in fixed):
        raise BadInput(f"{where} has {', '.join(unknown)}, which {what}")
    for key, value in fixed.items():
        if key in shape and _plain(shape[key]) != _plain(value):
            raise BadInput(f"{where}.{key} {shape[key]!r}: ours has {value!r} only")


def _plain(value: Any) -> Any:
    """A list for a tuple, and one nothing for all that mean nothing: null, 0, false, an empty list."""
    return (list(value) if isinstance(value, tuple) else value) or None


def separation(rate: int, channels: int, n_fft: int, hop: int, stems: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """The sections that separating reads, of all networks."""
    chunk = 8 * rate // hop * hop  # about eight seconds, as published
    return {
        "audio": {
            **{"chunk_size": chunk, "sample_rate": rate, "num_channels": channels},
            **{"n_fft": n_fft, "hop_length": hop, "min_mean_abs": 0.0},
        },
        "training": {
            "instruments": list(stems),
            "target_instrument": stems[0] if len(stems) == 1 else None,
            "use_amp": True,
        },
        "inference": {"batch_size": 1, "dim_t": chunk // hop + 1, "num_overlap": 2},
    }
