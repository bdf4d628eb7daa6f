"""Conv-TasNet: masks on a learned basis, found by stacks of dilated convolutions; torchaudio's network.

Luo, Mesgarani: "Conv-TasNet: Surpassing Ideal Time-Frequency Magnitude Masking for Speech Separation", 2019.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from raysep.errors import BadInput
from raysep.separators.base import DEFAULT_STEMS, WaveformSeparator, check_common
from raysep.separators.torchaudio_parts import models


@dataclass(frozen=True)
class ConvTasNetConfig:
    """The defaults are the paper's, with a longer kernel: 20 samples at 44.1 kHz span what 8 do at 16 kHz."""

    stems: tuple[str, ...] = DEFAULT_STEMS
    sample_rate: int = 44100  # Hz
    channels: int = 2
    n_fft: int = 4096  # of the transform in which estimates are compared by magnitude
    hop: int = 1024
    kernel: int = 20  # samples of a basis function; they overlap by half
    basis: int = 512  # functions
    width: int = 128  # of a block's input and output
    hidden: int = 512  # inside a block
    layers: int = 8  # blocks of a stack, each with twice the dilation of the one before
    stacks: int = 3

    def __post_init__(self) -> None:
        check_common(self)
        if self.kernel < 2 or self.kernel % 2:
            raise BadInput(f"kernel {self.kernel}: must be even, its hop is half of it")


class ConvTasNet(WaveformSeparator):
    """torchaudio's ``ConvTasNet``, which is monophonic: every channel goes through the same network by itself."""

    config_class = ConvTasNetConfig
    bottleneck_axes = ("batch", "feature", "frame")

    def __init__(self, config: ConvTasNetConfig) -> None:
        super().__init__(config)
        self.network = models().ConvTasNet(
            num_sources=len(config.stems),
            enc_kernel_size=config.kernel,
            enc_num_feats=config.basis,
            msk_num_feats=config.width,
            msk_num_hidden_feats=config.hidden,
            msk_num_layers=config.layers,
            msk_num_stacks=config.stacks,
        )

    @property
    def bottleneck(self) -> list[nn.Module]:
        # Not the encoder: its output is the waveform on another basis, whose mean over time is nearly nothing.
        return [self.network.mask_generator.output_prelu]

    def waveforms(self, mixture: Tensor) -> Tensor:
        batch, channels, time = mixture.shape
        estimates = self.network(mixture.reshape(batch * channels, 1, time))  # (batch * channel, stem, time)
        return estimates.reshape(batch, channels, -1, time).transpose(1, 2)  # (batch, stem, channel, time)
