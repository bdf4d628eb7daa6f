"""Every embedder by name. One that loads weights says where it has them from: a path, a URI, or the package itself.

A name is one of ``EMBEDDERS``, or the import path ``package.module:Class`` of an ``Embedder`` of the user's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raysep.errors import BadInput
from raysep.imports import registered

if TYPE_CHECKING:  # it brings torch, which those who only ask for the names do without
    from raysep.probes.embedders.base import Embedder

DEFAULT = "aisfx"  # what finds most on the benchmark: docs/results/embedders.md
EMBEDDERS: dict[str, str] = {  # as text: an embedder's module is imported when it is used
    "logmel": "raysep.probes.embedders.logmel:build",  # mean and spread of 64 log-mel bands over a second; no weights
    "aisfx": "raysep.probes.embedders.aisfx:build",  # sound effects, full band to 22 kHz; ships, CC BY 4.0
    "musicnn": "raysep.probes.embedders.musicnn:build",  # music tags up to 8 kHz; ships, ISC
    "separator": "raysep.probes.embedders.bottleneck:build",  # a separator's own bottleneck; weights are a checkpoint
    "clap-music": "raysep.probes.embedders.clap:music",  # LAION's CLAP for music; fetched, Apache-2.0
    "clap-audio": "raysep.probes.embedders.clap:audio",  # LAION's CLAP for all sound; fetched, Apache-2.0
    "mert": "raysep.probes.embedders.mert:build",  # MERT-v1-95M, its last layer; fetched, CC BY-NC 4.0
    "encodec": "raysep.probes.embedders.encodec:build",  # EnCodec's encoder; fetched, MIT (48 kHz)
    "vggish": "raysep.probes.embedders.vggish:build",  # VGGish; give its weights, Apache-2.0
}
VALUES = ("name", "sample_rate", "dimension", "window_seconds", "hop_seconds", "least_spread", "weights_digest")
PROTOCOL = (*VALUES, "embed", "to")  # what an ``Embedder`` has


def build(name: str, sample_rate: int, weights: str = "") -> Embedder:
    """The embedder of a name or an import path for a corpus at ``sample_rate`` Hz, its weights loaded, on the CPU.

    One's own is called with ``sample_rate`` and ``weights`` by name, as ours are. ``weights`` is where they are, for one that
    ships none (or to use others). Raises ``BadInput`` for an unknown name, weights that are missing or not its own, and for
    one's own that lacks a part of the ``Embedder``.
    """
    make = registered("embedder", name, EMBEDDERS, "a class of your own as package.module:Class")
    embedder = make(sample_rate=sample_rate, weights=weights)
    if missing := [part for part in PROTOCOL if not hasattr(embedder, part)]:
        raise BadInput(
            f"embedder {name!r}: lacks {', '.join(missing)}; raysep.probes.embedders.base.Embedder says what it must offer"
        )
    return embedder
