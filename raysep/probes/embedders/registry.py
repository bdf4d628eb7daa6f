"""Every embedder by name. One that loads weights says where it has them from: a path, a URI, or the package itself."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from raysep.errors import BadInput

if TYPE_CHECKING:  # it brings torch, which those who only ask for the names do without
    from raysep.probes.embedders.base import Embedder

DEFAULT = "aisfx"  # what finds most on the benchmark: docs/results/embedders.md


@dataclass(frozen=True)
class Registered:
    about: str
    licence: str  # of its weights; "" when it has none
    build: Callable[[int, str], Embedder]  # (Hz of the corpus, where the weights are: "" = its own) → embedder


def _logmel(sample_rate: int, weights: str) -> Embedder:
    from raysep.probes.embedders.logmel import LogMelEmbedder

    return LogMelEmbedder(sample_rate)


def _aisfx(_sample_rate: int, weights: str) -> Embedder:
    from raysep.probes.embedders.aisfx import AiSfxEmbedder

    return AiSfxEmbedder(weights)


def _musicnn(_sample_rate: int, weights: str) -> Embedder:
    from raysep.probes.embedders.musicnn import MusicnnEmbedder

    return MusicnnEmbedder(weights)


def _clap_music(_sample_rate: int, weights: str) -> Embedder:
    from raysep.probes.embedders.clap import ClapEmbedder

    return ClapEmbedder("clap-music", weights)


def _clap_audio(_sample_rate: int, weights: str) -> Embedder:
    from raysep.probes.embedders.clap import ClapEmbedder

    return ClapEmbedder("clap-audio", weights)


def _mert(_sample_rate: int, weights: str) -> Embedder:
    from raysep.probes.embedders.mert import MertEmbedder

    return MertEmbedder(weights)


def _encodec(_sample_rate: int, weights: str) -> Embedder:
    from raysep.probes.embedders.encodec import EncodecEmbedder

    return EncodecEmbedder(weights)


def _vggish(_sample_rate: int, weights: str) -> Embedder:
    from raysep.probes.embedders.vggish import VggishEmbedder

    return VggishEmbedder(weights)


def _separator(_sample_rate: int, weights: str) -> Embedder:
    from raysep.probes.embedders.bottleneck import SeparatorEmbedder

    return SeparatorEmbedder.from_checkpoint(weights)


EMBEDDERS: dict[str, Registered] = {
    "logmel": Registered("mean and spread of 64 log-mel bands over a second, 128 numbers", "", _logmel),
    "aisfx": Registered(
        "sound effects network, full band to 22 kHz, 512 numbers over 2.3 s; ships", "CC BY 4.0", _aisfx
    ),
    "musicnn": Registered("music tags up to 8 kHz, 200 numbers over 3.0 s; ships", "ISC", _musicnn),
    "separator": Registered("a separator's own bottleneck; weights are one of raysep's checkpoints", "", _separator),
    "clap-music": Registered("LAION's CLAP for music, 512 numbers over 10 s; fetched", "Apache-2.0", _clap_music),
    "clap-audio": Registered("LAION's CLAP for all sound, 512 numbers over 10 s; fetched", "Apache-2.0", _clap_audio),
    "mert": Registered("MERT-v1-95M, its last layer's mean over a second, 768 numbers; fetched", "CC BY-NC 4.0", _mert),
    "encodec": Registered("EnCodec's encoder, its mean over a second, 128 numbers; fetched", "MIT (48 kHz)", _encodec),
    "vggish": Registered("VGGish, 128 numbers over 0.975 s; give its weights", "Apache-2.0", _vggish),
}


PROTOCOL = ("name", "sample_rate", "dimension", "window_seconds", "hop_seconds", "least_spread", "weights_digest")


def build(name: str, sample_rate: int, weights: str = "") -> Embedder:
    """The embedder of a name for a corpus at ``sample_rate`` Hz, its weights loaded, on the CPU.

    ``name`` is one of ``EMBEDDERS``, or the import path ``package.module:Class`` of the user's own, which is called with
    ``sample_rate`` and ``weights`` by name. ``weights`` is where they are, for one that ships none (or to use others).
    Raises ``BadInput`` for an unknown name, or weights that are missing or not its own.
    """
    if ":" in name:
        return _own(name, sample_rate, weights)
    if name not in EMBEDDERS:
        raise BadInput(
            f"embedder {name!r}: there is no such embedder; choose one of {', '.join(EMBEDDERS)}, or give a class of your "
            "own as package.module:Class"
        )
    return EMBEDDERS[name].build(sample_rate, weights)


def _own(path: str, sample_rate: int, weights: str) -> Embedder:
    module, _, attribute = path.partition(":")
    try:
        build = getattr(importlib.import_module(module), attribute)
    except Exception as error:  # whatever the user's module raises while it is imported
        raise BadInput(
            f"embedder {path!r}: cannot be imported ({type(error).__name__}: {error}); is its module installed on every "
            "node?"
        ) from error
    embedder = build(sample_rate=sample_rate, weights=weights)
    if missing := [part for part in (*PROTOCOL, "embed", "to") if not hasattr(embedder, part)]:
        raise BadInput(
            f"embedder {path!r}: lacks {', '.join(missing)}; raysep.probes.embedders.base.Embedder says what it must offer"
        )
    return embedder
