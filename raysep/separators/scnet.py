"""SCNet, the sparse compression network: low bands keep their resolution, high bands are compressed hard.

Tong, Zhu, Chen, Kang, Wu: "SCNet: Sparse Compression Network for Music Source Separation", ICASSP 2024
(arXiv 2401.13276). The complex spectrogram goes in and comes out; terms are the paper's: SD block (sparse
down-sampling), SU layer (sparse up-sampling), fusion layer, dual-path RNN with feature conversion between its layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import ceil

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from raysep.errors import BadInput
from raysep.separators.base import DEFAULT_STEMS, WaveformSeparator, check_common, check_mirrored
from raysep.separators.recurrence import BiLSTM
from raysep.separators.spectrogram import Spectrogram, single

SHARES = (0.175, 0.392, 0.433)  # of the bins: low, middle, high band; published SCNet-large weights have others
STRIDES = (1, 4, 16)  # by which a band's bins are compressed
KERNELS = (3, 4, 16)
DEPTHS = (3, 2, 1)  # convolution modules after the compression


@dataclass(frozen=True)
class SCNetConfig:
    """The defaults are the published network's; ``widths=(64, 128, 256)`` is SCNet-large."""

    stems: tuple[str, ...] = DEFAULT_STEMS
    sample_rate: int = 44100  # Hz
    channels: int = 2
    n_fft: int = 4096  # of the network's own transform, and of the one in which magnitudes are compared
    hop: int = 1024
    # The published code gives its transform no window, which is a rectangular one; its weights expect that.
    window: str = "rectangular"  # or "hann"
    # As published by its authors. MSST's copy does without, and so its weights expect.
    standardised: bool = True  # each mixture's spectrum, to mean 0 and deviation 1
    shares: tuple[float, ...] = SHARES
    widths: tuple[int, ...] = (32, 64, 128)  # channels after each SD block
    compression: int = 4  # of a convolution module's channels
    kernel: int = 3  # of a convolution module, frames
    dual_path_layers: int = 6
    expansion: int = 1  # hidden size of an LSTM relative to its input

    def __post_init__(self) -> None:
        check_common(self)
        check_mirrored(self)
        if not self.widths or min(self.widths) < self.compression:
            raise BadInput(f"widths {self.widths}: one or more, each at least the compression ({self.compression})")
        if self.dual_path_layers < 2 or self.dual_path_layers % 2:
            raise BadInput(f"dual_path_layers {self.dual_path_layers}: must be even, every second one converts back")
        if self.kernel % 2 == 0:
            raise BadInput(f"kernel {self.kernel}: must be odd")
        if len(self.shares) != len(SHARES) or min(self.shares) <= 0 or abs(sum(self.shares) - 1) > 1e-6:
            raise BadInput(f"shares {self.shares}: of the bins for low, middle and high band, which are 1 together")
        bins = self.n_fft // 2 + 1
        for _ in self.widths:
            bins = sum(
                compressed(end - start, s, k)
                for (start, end), s, k in zip(bands(bins, self.shares), STRIDES, KERNELS, strict=True)
            )
            if bins < 8:
                raise BadInput(f"n_fft {self.n_fft}: too few bins for {len(self.widths)} levels of compression")


def bands(bins: int, shares: Sequence[float] = SHARES) -> list[tuple[int, int]]:
    """(first, last + 1) bin of the low, middle and high band; together every bin once."""
    edges = [0, *(ceil(bins * share) for share in list(accumulate(shares))[:-1]), bins]
    return list(pairwise(edges))


def compressed(bins: int, stride: int, kernel: int) -> int:
    """How many bins are left of a band of ``bins``."""
    return (bins + sum(_padding(bins, stride, kernel)) - kernel) // stride + 1


def _padding(bins: int, stride: int, kernel: int) -> tuple[int, int]:
    total = kernel - 1 if stride == 1 else -bins % stride
    return total // 2, total - total // 2


class ConvolutionModule(nn.Module):
    """Residual convolutions along time: ``(batch, width, frame)`` -> the same."""

    def __init__(self, width: int, depth: int, compression: int, kernel: int) -> None:
        super().__init__()
        hidden = width // compression
        same = kernel // 2
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.GroupNorm(1, width),
                nn.Conv1d(width, 2 * hidden, kernel, padding=same),
                nn.GLU(dim=1),
                nn.Conv1d(hidden, hidden, kernel, padding=same, groups=hidden),
                nn.GroupNorm(1, hidden),
                nn.SiLU(),
                nn.Conv1d(hidden, width, 1),
            )
            for _ in range(depth)
        )

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = x + layer(x)
        return x


class SDBlock(nn.Module):
    """Compress each band by its own stride, refine it along time, then look at all bins together."""

    def __init__(self, width_in: int, width: int, config: SCNetConfig) -> None:
        super().__init__()
        self.shares = config.shares
        self.compress = nn.ModuleList(
            nn.Conv2d(width_in, width, (kernel, 1), (stride, 1))
            for kernel, stride in zip(KERNELS, STRIDES, strict=True)
        )
        self.refine = nn.ModuleList(
            ConvolutionModule(width, depth, config.compression, config.kernel) for depth in DEPTHS
        )
        self.mix = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """``(batch, width_in, bin, frame)`` -> mixed and unmixed ``(batch, width, fewer bins, frame)``."""
        parts = []
        for (start, end), convolve, refine, stride, kernel in zip(
            bands(x.shape[2], self.shares), self.compress, self.refine, STRIDES, KERNELS, strict=True
        ):
            band = F.pad(x[:, :, start:end], (0, 0, *_padding(end - start, stride, kernel)))
            band = convolve(band)  # (batch, width, compressed bin, frame)
            batch, width, bins, frames = band.shape
            band = refine(band.transpose(1, 2).reshape(batch * bins, width, frames))
            parts.append(F.gelu(band.reshape(batch, bins, width, frames).transpose(1, 2)))
        skip = torch.cat(parts, dim=2)
        return self.mix(skip), skip


class SULayer(nn.Module):
    """Fuse with the encoder's output of the same level, then expand each band back to its bins."""

    def __init__(self, width: int, width_out: int, shares: Sequence[float] = SHARES) -> None:
        super().__init__()
        self.shares = shares
        self.fuse = nn.Conv2d(2 * width, 2 * width, 3, padding=1)
        self.expand = nn.ModuleList(
            nn.ConvTranspose2d(width, width_out, (kernel, 1), (stride, 1))
            for kernel, stride in zip(KERNELS, STRIDES, strict=True)
        )

    def forward(self, x: Tensor, skip: Tensor, bins: int) -> Tensor:
        """``(batch, width, fewer bins, frame)`` -> ``(batch, width_out, bins, frame)``."""
        x = F.glu(self.fuse((x + skip).repeat(1, 2, 1, 1)), dim=1)
        parts, first = [], 0
        edges = bands(bins, self.shares)
        for (start, end), convolve, stride, kernel in zip(edges, self.expand, STRIDES, KERNELS, strict=True):
            count = compressed(end - start, stride, kernel)
            band = convolve(x[:, :, first : first + count])
            spare = (band.shape[2] - (end - start)) // 2  # what the padding had added
            parts.append(band[:, :, spare : spare + end - start])
            first += count
        return torch.cat(parts, dim=2)


class DualPath(nn.Module):
    """One recurrence along bins, one along frames, each around a residual: ``(batch, width, bin, frame)``."""

    def __init__(self, width: int, expansion: int) -> None:
        super().__init__()
        self.norm = nn.ModuleList(nn.GroupNorm(1, width) for _ in range(2))
        self.lstm = nn.ModuleList(BiLSTM(width, width * expansion, 1) for _ in range(2))
        self.linear = nn.ModuleList(nn.Linear(2 * width * expansion, width) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self._along(0, x.permute(2, 0, 3, 1)).permute(1, 3, 0, 2)  # bins in sequence
        return x + self._along(1, x.permute(3, 0, 2, 1)).permute(1, 3, 2, 0)  # frames in sequence

    def _along(self, which: int, x: Tensor) -> Tensor:
        """``(sequence, batch, other, width)`` -> the same; the norm is over all but the batch."""
        length, batch, other, width = x.shape
        normed = self.norm[which](x.permute(1, 3, 0, 2)).permute(2, 0, 3, 1)
        y = self.lstm[which](normed.reshape(length, batch * other, width))
        return self.linear[which](y).reshape(length, batch, other, width)


class SCNet(WaveformSeparator):
    """Encoder of SD blocks, dual-path separation network, decoder of SU layers, on the complex spectrogram."""

    config_class = SCNetConfig
    bottleneck_axes = ("batch", "feature", "bin", "frame")

    def __init__(self, config: SCNetConfig) -> None:
        super().__init__(config)
        self.transform = Spectrogram(config.n_fft, config.hop, "reflect", config.window)  # ends mirrored, as published
        widths = (2 * config.channels, *config.widths)  # real and imaginary part of each channel
        self.encoder = nn.ModuleList(SDBlock(a, b, config) for a, b in pairwise(widths))
        outputs = (widths[0] * len(config.stems), *widths[1:])
        self.decoder = nn.ModuleList(SULayer(b, a, config.shares) for a, b in zip(outputs, widths[1:], strict=False))
        self.separation = nn.ModuleList(
            DualPath(widths[-1] * (1 + layer % 2), config.expansion) for layer in range(config.dual_path_layers)
        )

    @property
    def bottleneck(self) -> list[nn.Module]:
        last = self.encoder[-1]
        assert isinstance(last, SDBlock)
        return [last.mix]  # behind it, half of the separation network counts in frequencies along time

    def waveforms(self, mixture: Tensor) -> Tensor:
        time, hop = mixture.shape[-1], self.config.hop
        # Longer by up to two hops, as published, and longer than the half window that is mirrored. The number of frames
        # is even: the separation network's Fourier transform along time can then be undone.
        hops = 1 + max(time, self.config.n_fft // 2) // hop
        mixture = F.pad(mixture, (0, (hops + 1 - hops % 2) * hop - time))
        spectrum = self.transform(mixture)  # (batch, channel, bin, frame)
        batch, channels, bins, frames = spectrum.shape
        x = torch.view_as_real(spectrum * self.config.n_fft**-0.5).permute(0, 1, 4, 2, 3)
        x = x.reshape(batch, 2 * channels, bins, frames)
        if self.config.standardised:
            mean, deviation = x.mean(dim=(1, 2, 3), keepdim=True), x.std(dim=(1, 2, 3), keepdim=True)
            x = single(self.body((x - mean) / (1e-5 + deviation))) * deviation + mean
        else:
            x = single(self.body(x))  # (batch, stem * 2 * channel, bin, frame)
        x = (
            (x * self.config.n_fft**0.5)
            .reshape(batch, len(self.stems), channels, 2, bins, frames)
            .permute(0, 1, 2, 4, 5, 3)
        )
        return self.transform.inverse(torch.view_as_complex(x.contiguous()), mixture.shape[-1])[..., :time]

    def body(self, x: Tensor) -> Tensor:
        """``(batch, 2 * channel, bin, frame)`` standardised -> ``(batch, stem * 2 * channel, bin, frame)``."""
        skips, sizes = [], []
        for block in self.encoder:
            sizes.append(x.shape[2])
            x, skip = block(x)
            skips.append(skip)
        for layer, dual_path in enumerate(self.separation):
            x = converted(dual_path(x), back=layer % 2 == 1)
        for expand in reversed(self.decoder):
            x = expand(x, skips.pop(), sizes.pop())
        return x


def converted(x: Tensor, back: bool) -> Tensor:
    """Feature conversion: frames to frequencies along time, real parts before imaginary ones, or back.

    ``(batch, width, bin, frame)`` -> ``(batch, 2 * width, bin, frame / 2 + 1)``; ``frame`` is even. In float32.
    """
    x = single(x)
    if not back:
        frequencies = torch.fft.rfft(x, dim=3, norm="ortho")
        return torch.cat([frequencies.real, frequencies.imag], dim=1)
    real, imaginary = x.chunk(2, dim=1)
    return torch.fft.irfft(torch.complex(real, imaginary), dim=3, norm="ortho")
