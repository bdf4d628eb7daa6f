"""Hybrid Demucs: a U-Net on the spectrogram and one on the waveform that meet in the middle; torchaudio's network.

Défossez: "Hybrid Spectrogram and Waveform Source Separation", MDX workshop 2021.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from raysep.errors import BadInput
from raysep.separators.base import DEFAULT_STEMS, WaveformSeparator, check_common
from raysep.separators.torchaudio_parts import models

DEPTHS = {1024: 5, 2048: 6, 4096: 6}  # layers that bring the spectrogram of this transform down to one bin


@dataclass(frozen=True)
class HDemucsConfig:
    """The defaults are the published network's for 44.1 kHz; a transform of 2048 fits 16 to 32 kHz, 1024 fits 8 kHz."""

    stems: tuple[str, ...] = DEFAULT_STEMS
    sample_rate: int = 44100  # Hz
    channels: int = 2
    n_fft: int = 4096  # of the transform in which estimates are compared by magnitude
    hop: int = 1024
    transform: int = 4096  # the network's own: 1024, 2048 or 4096 samples
    width: int = 48  # channels of the first layer
    growth: int = 2  # by which each layer is wider
    residual_depth: int = 2  # blocks of each residual branch
    residual_compression: int = 4

    def __post_init__(self) -> None:
        check_common(self)
        if self.transform not in DEPTHS:
            raise BadInput(f"transform {self.transform}: hdemucs has one of {', '.join(map(str, DEPTHS))} samples")
        if self.width < 4 or self.width % 4:
            raise BadInput(f"width {self.width}: must be a multiple of 4, the groups of its normalisation")


class HDemucs(WaveformSeparator):
    """torchaudio's ``HDemucs``. It standardises each mixture itself, so there are no input statistics to set."""

    config_class = HDemucsConfig
    bottleneck_axes = ("batch", "feature", "frame")

    def __init__(self, config: HDemucsConfig) -> None:
        super().__init__(config)
        self.network = models().HDemucs(
            sources=list(config.stems),
            audio_channels=config.channels,
            channels=config.width,
            growth=config.growth,
            nfft=config.transform,
            depth=DEPTHS[config.transform],
            dconv_depth=config.residual_depth,
            dconv_comp=config.residual_compression,
        )

    @property
    def bottleneck(self) -> list[nn.Module]:
        return [self.network.freq_encoder[-1]]  # where the spectrogram, now one bin high, and the waveform have met

    def waveforms(self, mixture: Tensor) -> Tensor:
        time = mixture.shape[-1]
        # Shorter than a window, its mirrored padding would not fit.
        padded = F.pad(mixture, (0, max(0, self.config.transform - time)))
        return self.network(padded)[..., :time]
