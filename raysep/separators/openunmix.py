"""Open-Unmix, per target as published, and a joint variant: one recurrent trunk, one mask per stem.

Stöter, Uhlich, Liutkus, Mitsufuji: "Open-Unmix: a reference implementation for music source separation", JOSS 2019.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from raysep.errors import BadInput
from raysep.separators.base import DEFAULT_STEMS, MagnitudeSeparator, bin_statistics, bins_below, check_recurrent
from raysep.separators.recurrence import BiLSTM
from raysep.separators.spectrogram import single


@dataclass(frozen=True)
class OpenUnmixConfig:
    """One network per target; the defaults are umxhq's."""

    stems: tuple[str, ...] = DEFAULT_STEMS
    sample_rate: int = 44100  # Hz
    channels: int = 2
    n_fft: int = 4096
    hop: int = 1024
    hidden: int = 512
    layers: int = 3
    max_bin_hz: float | None = 16000.0  # the input is cropped here; the output is not
    dropout: float = 0.4
    padding: str = "zero"  # of the spectrogram's ends; "reflect" is that of the published models

    def __post_init__(self) -> None:
        check_recurrent(self)


@dataclass(frozen=True)
class JointConfig:
    """One trunk for all stems; the defaults learn most per CPU second at 16 kHz."""

    stems: tuple[str, ...] = DEFAULT_STEMS
    sample_rate: int = 16000  # Hz
    channels: int = 2
    n_fft: int = 1024
    hop: int = 512
    hidden: int = 96
    layers: int = 1
    max_bin_hz: float | None = None  # bins above it share the mask of the highest bin below

    def __post_init__(self) -> None:
        check_recurrent(self)
        if len(self.stems) < 2:
            raise BadInput(f"stems {self.stems}: openunmix-joint shares the mixture out and needs two or more stems")


class OpenUnmixTarget(nn.Module):
    """The published network of one target: mixture magnitude in, this target's magnitude out.

    Parameter names and meanings are open-unmix's, so its weights load as they are: ``input_mean`` holds the negated
    mean, ``input_scale`` the reciprocal of the deviation, both per bin and trainable.
    """

    def __init__(self, config: OpenUnmixConfig) -> None:
        super().__init__()
        hidden = config.hidden
        bins = config.n_fft // 2 + 1
        self.input_bins = bins_below(config.max_bin_hz, config.sample_rate, config.n_fft)
        self.fc1 = nn.Linear(self.input_bins * config.channels, hidden, bias=False)
        self.bn1 = nn.BatchNorm1d(hidden)
        self.lstm = BiLSTM(hidden, hidden // 2, config.layers, config.dropout)
        self.fc2 = nn.Linear(2 * hidden, hidden, bias=False)
        self.bn2 = nn.BatchNorm1d(hidden)
        self.fc3 = nn.Linear(hidden, bins * config.channels, bias=False)
        self.bn3 = nn.BatchNorm1d(bins * config.channels)
        self.input_mean = nn.Parameter(torch.zeros(self.input_bins))
        self.input_scale = nn.Parameter(torch.ones(self.input_bins))
        self.output_scale = nn.Parameter(torch.ones(bins))
        self.output_mean = nn.Parameter(torch.ones(bins))

    def forward(self, mixture: Tensor) -> Tensor:
        """``(batch, channel, bin, frame)`` -> ``(batch, channel, bin, frame)``."""
        batch, channels, bins, frames = mixture.shape
        mixture = mixture.permute(3, 0, 1, 2)  # (frame, batch, channel, bin)
        x = self.bn1(self._first_layer(mixture[..., : self.input_bins].reshape(frames * batch, channels, -1)))
        x = torch.tanh(x).reshape(frames, batch, -1)  # (frame, batch, hidden)
        x = torch.cat([x, self.lstm(x)], dim=-1)  # (frame, batch, 2 * hidden)
        x = torch.relu(self.bn2(self.fc2(x.reshape(frames * batch, -1))))  # (frame * batch, hidden)
        mask = torch.relu(self._last_norm(self.fc3(x))).reshape(frames, batch, channels, bins)
        return (mask * mixture).permute(1, 2, 3, 0)  # (batch, channel, bin, frame)

    def _first_layer(self, x: Tensor) -> Tensor:
        """``fc1((x + input_mean) * input_scale)``, ``(row, channel, bin)`` -> ``(row, hidden)``.

        The scale goes into the weights and the gradient of the mean through a term of value 0. As it stands in this
        docstring, the gradients of two vectors would cost a product as large as the layer: that of all its input. The mean
        is no bias: taken off before the product, it leaves little for half precision to round.
        """
        channels = x.shape[1]
        weight = self.fc1.weight * self.input_scale.repeat(channels)  # (hidden, channel * bin)
        held = self.input_mean.detach()
        shift = (self.input_mean - held).repeat(channels)
        return F.linear((x + held).flatten(1), weight) + F.linear(shift, weight)

    def _last_norm(self, x: Tensor) -> Tensor:
        """``bn3(x) * output_scale + output_mean``, ``(row, channel * bin)``: one affine map of the largest tensor, not two."""
        channels = x.shape[1] // len(self.output_scale)
        scale, mean = self.output_scale.repeat(channels), self.output_mean.repeat(channels)
        affine = {"weight": self.bn3.weight * scale, "bias": self.bn3.bias * scale + mean}
        return functional_call(self.bn3, affine, single(x))


class OpenUnmix(MagnitudeSeparator):
    """The published separator: an ``OpenUnmixTarget`` per stem, each trained on its own target."""

    config_class = OpenUnmixConfig
    bottleneck_axes = ("frame", "batch", "feature")

    def __init__(self, config: OpenUnmixConfig) -> None:
        super().__init__(config)
        self.targets = nn.ModuleDict({stem: OpenUnmixTarget(config) for stem in config.stems})

    def _targets(self) -> list[OpenUnmixTarget]:
        return cast("list[OpenUnmixTarget]", list(self.targets.values()))

    @property
    def bottleneck(self) -> list[nn.Module]:
        return [target.lstm for target in self._targets()]

    def estimate(self, mixture: Tensor) -> Tensor:
        return torch.stack([target(mixture) for target in self._targets()], dim=1)

    @torch.no_grad()
    def set_input_statistics(self, mixtures: Tensor) -> None:
        mean, deviation = bin_statistics(self.magnitude(mixtures))
        for target in self._targets():
            target.input_mean.copy_(-mean[: target.input_bins])
            target.input_scale.copy_(1.0 / deviation[: target.input_bins])


class JointOpenUnmix(MagnitudeSeparator):
    """One trunk, one softmax over stems per channel, bin and frame: each stem's share of the mixture's magnitude.

    Measured against open-unmix's unbounded masks in the same trunk, at equal CPU seconds on synthetic songs: sharing
    out, with no batch norm on the output (the largest tensor by far), was worth 1.5 dB.
    """

    config_class = JointConfig
    bottleneck_axes = ("frame", "batch", "feature")
    input_mean: Tensor
    input_scale: Tensor

    def __init__(self, config: JointConfig) -> None:
        super().__init__(config)
        hidden = config.hidden
        self.bins = bins_below(config.max_bin_hz, config.sample_rate, config.n_fft)
        self.fc1 = nn.Linear(self.bins * config.channels, hidden, bias=False)
        self.bn1 = nn.BatchNorm1d(hidden)
        self.lstm = BiLSTM(hidden, hidden // 2, config.layers)
        self.fc2 = nn.Linear(2 * hidden, hidden, bias=False)
        self.bn2 = nn.BatchNorm1d(hidden)
        self.fc3 = nn.Linear(hidden, len(config.stems) * config.channels * self.bins)
        # Buffers, not parameters: a linear layer follows, so trained they would only say the same thing twice.
        self.register_buffer("input_mean", torch.zeros(self.bins))
        self.register_buffer("input_scale", torch.ones(self.bins))

    @property
    def bottleneck(self) -> list[nn.Module]:
        return [self.lstm]

    def estimate(self, mixture: Tensor) -> Tensor:
        batch, channels, bins, frames = mixture.shape
        mixture = mixture.permute(3, 0, 1, 2)  # (frame, batch, channel, bin)
        x = (mixture[..., : self.bins] - self.input_mean) * self.input_scale
        x = self.bn1(self.fc1(x.reshape(frames * batch, -1)))  # (frame * batch, hidden)
        x = torch.tanh(x).reshape(frames, batch, -1)  # (frame, batch, hidden)
        x = torch.cat([x, self.lstm(x)], dim=-1)  # (frame, batch, 2 * hidden)
        x = torch.relu(self.bn2(self.fc2(x.reshape(frames * batch, -1))))  # (frame * batch, hidden)
        x = self.fc3(x).reshape(frames, batch, len(self.stems), channels, self.bins)
        mask = torch.softmax(single(x), dim=2)  # in half precision the shares would miss the whole by half a percent
        if bins > self.bins:
            mask = torch.cat([mask, mask[..., -1:].expand(*mask.shape[:-1], bins - self.bins)], dim=-1)
        return (mask * mixture.unsqueeze(2)).permute(1, 2, 3, 4, 0)  # (batch, stem, channel, bin, frame)

    @torch.no_grad()
    def set_input_statistics(self, mixtures: Tensor) -> None:
        mean, deviation = bin_statistics(self.magnitude(mixtures))
        self.input_mean.copy_(mean[: self.bins])
        self.input_scale.copy_(1.0 / deviation[: self.bins])
