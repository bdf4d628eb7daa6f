"""What every separator is: a network from a mixture to the magnitude of each stem, and how audio comes back."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from raysep.errors import BadInput
from raysep.separators.spectrogram import Spectrogram, magnitude

DEFAULT_STEMS = ("vocals", "drums", "bass", "other")


class Separator(nn.Module):
    """Base of all networks. A subclass gives ``estimate``; the network knows no files and no loss.

    Attributes: ``config`` (a frozen dataclass), ``stems`` (labels, in the order of the stem dimension), ``sample_rate``
    (Hz), ``channels``.
    """

    def __init__(self, config) -> None:
        super().__init__()
        self.config = config
        self.stems: tuple[str, ...] = config.stems
        self.sample_rate: int = config.sample_rate
        self.channels: int = config.channels
        self.spectrogram = Spectrogram(config.n_fft, config.hop)

    def estimate(self, mixture: Tensor) -> Tensor:
        """Mixture magnitude ``(batch, channel, bin, frame)`` -> ``(batch, stem, channel, bin, frame)``, at least 0."""
        raise NotImplementedError

    def set_input_statistics(self, mixtures: Tensor) -> None:
        """Fit the input's standardisation to ``(batch, channel, time)`` mixtures; call it once, before training."""
        raise NotImplementedError

    def magnitude(self, audio: Tensor) -> Tensor:
        """``(..., channel, time)`` -> ``(..., channel, bin, frame)``."""
        return magnitude(self.spectrogram(audio))

    def forward(self, mixture: Tensor) -> Tensor:
        """``(batch, channel, time)`` -> estimated magnitudes ``(batch, stem, channel, bin, frame)``."""
        return self.estimate(self.magnitude(mixture))

    def separate(self, mixture: Tensor) -> Tensor:
        """``(batch, channel, time)`` -> ``(batch, stem, channel, time)``.

        Each stem is the mixture's complex spectrogram times the stem's share of the estimated magnitudes, so the
        stems sum to the mixture.
        """
        spectrum = self.spectrogram(mixture)  # (batch, channel, bin, frame)
        mixed = magnitude(spectrum)
        mask = ratio_mask(self.estimate(mixed), mixed)  # (batch, stem, channel, bin, frame)
        return self.spectrogram.inverse(mask * spectrum.unsqueeze(1), mixture.shape[-1])


def ratio_mask(estimates: Tensor, mixture: Tensor) -> Tensor:
    """Shares in [0, 1] of ``(batch, stem, channel, bin, frame)`` estimates over the stem dimension, summing to one.

    Where all estimates are zero the shares are equal. A lone stem has nobody to share with: its mask is the estimate
    over the mixture ``(batch, channel, bin, frame)``, at most one.
    """
    tiny = torch.finfo(estimates.dtype).tiny ** 0.5  # far below any audible magnitude, far above underflow
    if estimates.shape[1] == 1:
        return (estimates / (mixture.unsqueeze(1) + tiny)).clamp(max=1.0)
    shares = estimates + tiny
    return shares / shares.sum(dim=1, keepdim=True)


def check_config(config) -> None:
    """Raise ``BadInput`` for a configuration that no network can be built from."""
    stems = config.stems
    if not stems or len(set(stems)) < len(stems) or any(not s or "." in s for s in stems):
        raise BadInput(f"stems {list(stems)}: give one or more different labels, none empty, none with a dot")
    for name in ("sample_rate", "channels", "n_fft", "hop", "layers"):
        if getattr(config, name) < 1:
            raise BadInput(f"{name} {getattr(config, name)}: must be 1 or more")
    if config.hidden < 2 or config.hidden % 2:
        raise BadInput(f"hidden {config.hidden}: must be even, it is shared by the two directions of the LSTM")
    if config.n_fft % 2 or config.hop > config.n_fft // 2:
        raise BadInput(f"n_fft {config.n_fft}, hop {config.hop}: n_fft must be even and hop at most half of it")


def bins_below(hertz: float | None, sample_rate: int, n_fft: int) -> int:
    """How many bins of the spectrogram lie at or below ``hertz``; all of them for ``None``."""
    bins = n_fft // 2 + 1
    return bins if hertz is None else max(1, min(bins, 1 + int(hertz * n_fft / sample_rate)))


def bin_statistics(magnitudes: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation ``(bin,)`` over batch, channel and frame of ``(batch, channel, bin, frame)``.

    The deviation has a floor of 1e-4 of the largest one (as in open-unmix's training script): an empty bin must not
    be blown up by its own rounding noise.
    """
    values = magnitudes.double().transpose(-1, -2).flatten(0, -2)  # (count, bin)
    deviation = values.std(dim=0, correction=0)
    deviation = deviation.clamp(min=max(1e-4 * float(deviation.max()), 1e-12))
    return values.mean(dim=0).to(magnitudes.dtype), deviation.to(magnitudes.dtype)
