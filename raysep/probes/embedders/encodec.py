"""EnCodec: what a neural codec needs to know of a sound to give it back, before it is rounded to codes.

Défossez, Copet, Synnaeve, Adi: "High Fidelity Neural Audio Compression", 2022. The checkpoint decides on 24 kHz mono or
48 kHz stereo.
"""

from __future__ import annotations

from torch import Tensor

from raysep.probes.embedders import weight_files as sources
from raysep.probes.embedders.pretrained import network_from, transformers
from raysep.probes.embedders.windowed import WindowedEmbedder

NAME = "encodec"
MODEL = "hub:facebook/encodec_24khz"


class EncodecEmbedder(WindowedEmbedder):
    """Mean over each window of the encoder's frames: 128 numbers, 75 times a second at 24 kHz, 150 times at 48 kHz.

    fadtk takes every frame for a sample of its own; they are many and hardly independent. The 48 kHz network gets its
    input at unit level, in the second-long pieces of its training, as the codec itself does. Raises ``BadInput``.
    """

    name = NAME

    def __init__(self, weights: str = "", window_seconds: float = 1.0, hop_seconds: float = 0.5) -> None:
        package = transformers(NAME)
        folder = sources.locate(weights or MODEL, NAME)
        network = network_from(folder, package.EncodecModel, NAME)
        self.channels, self.normalise = network.config.audio_channels, network.config.normalize
        rate = network.config.sampling_rate
        # Its decoder and codebooks have no part in this.
        super().__init__(network.encoder, rate, window_seconds, hop_seconds, sources.digest(folder))

    def embed_windows(self, windows: Tensor) -> Tensor:
        if self.normalise:
            windows = windows / (windows.square().mean(dim=-1, keepdim=True).sqrt() + 1e-8)
        encoded = self.network(windows.unsqueeze(1).expand(-1, self.channels, -1))  # (window, feature, frame)
        return encoded.mean(dim=-1)


def build(sample_rate: int, weights: str = "") -> EncodecEmbedder:
    return EncodecEmbedder(weights)
