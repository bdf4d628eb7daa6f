"""Every embedder by name. One that loads weights says where it has them from: a path, a URI, or the package itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from raysep.errors import BadInput
from raysep.probes.embedders.base import Embedder

DEFAULT = "logmel"


@dataclass(frozen=True)
class Entry:
    about: str
    licence: str  # of its weights; "" when it has none
    build: Callable[[int, str], Embedder]  # (Hz of the corpus, where the weights are: "" = its own) → embedder


def _logmel(sample_rate: int, weights: str) -> Embedder:
    from raysep.probes.embedders.logmel import LogMelEmbedder

    return LogMelEmbedder(sample_rate)


EMBEDDERS: dict[str, Entry] = {
    "logmel": Entry("mean and spread of 64 log-mel bands over a second, 128 numbers", "", _logmel),
}


def build(name: str, sample_rate: int, weights: str = "") -> Embedder:
    """The embedder of a name for a corpus at ``sample_rate`` Hz, its weights loaded, on the CPU.

    ``weights`` is where they are, for one that ships none (or to use others). Raises ``BadInput`` for an unknown name,
    or weights that are missing or not its own.
    """
    if name not in EMBEDDERS:
        raise BadInput(f"embedder {name!r}: there is no such embedder; choose one of {', '.join(EMBEDDERS)}")
    return EMBEDDERS[name].build(sample_rate, weights)
