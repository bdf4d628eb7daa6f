"""What BS-RoFormer and Mel-Band RoFormer share: transformers along time and along bands in turn, and a complex mask a stem.

They differ in which bins make a band. Lu et al., arXiv 2309.02612; Wang, Lu, Won, arXiv 2310.01809. Written from the papers;
names and shapes of the parameters, and where the published checkpoints differ from the papers (gated heads, where a norm
stands), are those of the checkpoints, which load by name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor, nn

from raysep.errors import BadInput
from raysep.separators.bands import BandSplit, MaskEstimator, RMSNorm
from raysep.separators.base import DEFAULT_STEMS, WaveformSeparator, check_common, check_mirrored
from raysep.separators.rotary import Transformer
from raysep.separators.spectrogram import Spectrogram, single


@dataclass(frozen=True)
class RoformerConfig:
    """The fields that are not every network's have the names of the published configurations."""

    stems: tuple[str, ...] = DEFAULT_STEMS
    sample_rate: int = 44100  # Hz
    channels: int = 2
    n_fft: int = 2048  # of the network's own transform, and of the one in which magnitudes are compared
    hop: int = 512
    dim: int = 192  # features of a band
    depth: int = 6  # pairs of a transformer along time and one along bands
    time_transformer_depth: int = 1  # layers of each
    freq_transformer_depth: int = 1
    heads: int = 8
    dim_head: int = 64  # features of a head
    attn_dropout: float = 0.0
    ff_dropout: float = 0.0
    mask_estimator_depth: int = 2  # layers of a band's perceptron, as the network counts them
    mlp_expansion_factor: int = 4  # width of its hidden layers relative to dim

    def __post_init__(self) -> None:
        check_common(self)
        check_mirrored(self)
        if self.dim_head % 2:
            raise BadInput(f"dim_head {self.dim_head}: must be even, features are turned in pairs")
        for name in ("attn_dropout", "ff_dropout"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise BadInput(f"{name} {getattr(self, name)}: must be 0 or more, and below 1")


class Roformer(WaveformSeparator):
    """A network over ``bands``, the bins of each; a bin that lies in several gets the mean of their masks.

    ``hidden_layers`` of each band's perceptron. The norm stands behind each transformer (``normed``), or behind the last.
    """

    bottleneck_axes = ("batch", "frame", "bin", "feature")
    index: Tensor
    shares: Tensor

    def __init__(
        self, config: RoformerConfig, bands: Sequence[Sequence[int]], hidden_layers: int, normed: bool
    ) -> None:
        super().__init__(config)
        self.transform = Spectrogram(config.n_fft, config.hop, "reflect")  # ends mirrored, as published
        # Not persistent: they follow from the configuration.
        index = list(chain(*bands))  # the bin of each value
        counts = Counter(index)
        self.register_buffer("index", torch.tensor(index), persistent=False)
        # Of a band in the mask of its bin.
        self.register_buffer("shares", torch.tensor([1.0 / counts[bin] for bin in index]), persistent=False)

        def transformer(depth: int) -> Transformer:
            dropouts = config.attn_dropout, config.ff_dropout
            return Transformer(config.dim, depth, config.heads, config.dim_head, *dropouts, normed)

        self.layers = nn.ModuleList(
            nn.ModuleList(map(transformer, (config.time_transformer_depth, config.freq_transformer_depth)))
            for _ in range(config.depth)
        )
        self.final_norm = nn.Identity() if normed else RMSNorm(config.dim)
        widths = [2 * config.channels * len(bins) for bins in bands]  # real and imaginary part of each channel
        hidden = [config.dim * config.mlp_expansion_factor] * hidden_layers
        self.band_split = BandSplit(config.dim, widths)
        self.mask_estimators = nn.ModuleList(MaskEstimator(config.dim, widths, hidden) for _ in config.stems)

    @property
    def bottleneck(self) -> list[nn.Module]:
        return [self.final_norm]

    def waveforms(self, mixture: Tensor) -> Tensor:
        spectrum = self.transform(mixture)  # (batch, channel, bin, frame)
        values = torch.view_as_real(spectrum).permute(0, 3, 2, 1, 4)  # (batch, frame, bin, channel, 2)
        masks = self.masks(values).permute(0, 1, 4, 3, 2, 5)  # (batch, stem, channel, bin, frame, 2)
        stems = torch.view_as_complex(masks.contiguous()) * spectrum.unsqueeze(1)
        return self.transform.inverse(stems, mixture.shape[-1])

    def masks(self, values: Tensor) -> Tensor:
        """``(batch, frame, bin, channel, 2)`` -> ``(batch, stem, frame, bin, channel, 2)``, real and imaginary parts."""
        x = single(self.band_split(values.index_select(2, self.index).flatten(2)))  # (batch, frame, band, dim)
        for layer in self.layers:
            assert isinstance(layer, nn.ModuleList)
            along_time, along_bands = layer
            x = along_time(x.transpose(1, 2)).transpose(1, 2)
            x = along_bands(x)
        x = self.final_norm(x)
        parts = single(torch.stack([estimate(x) for estimate in self.mask_estimators], dim=1))
        batch, frames, bins, channels, _ = values.shape
        parts = parts.reshape(batch, -1, frames, len(self.index), channels, 2) * self.shares[:, None, None]
        return parts.new_zeros(batch, parts.shape[1], frames, bins, channels, 2).index_add(3, self.index, parts)
