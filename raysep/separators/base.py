"""What every separator is: a network from a mixture to its stems, as magnitudes or waveforms, and how audio comes back."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor, nn

from raysep.errors import BadInput
from raysep.separators.spectrogram import Spectrogram, magnitude, single
from raysep.separators.wiener import wiener, with_phase

DEFAULT_STEMS = ("vocals", "drums", "bass", "other")
WANTS = ("magnitude", "waveform")
FILTERS = ("ratio", "phase", "wiener")
FLOOR = 1e-8  # under the root of a waveform network's magnitudes: the root's own slope at zero is infinite


class Config(Protocol):
    """What every network's configuration, a frozen dataclass, has."""

    @property
    def stems(self) -> tuple[str, ...]: ...
    @property
    def sample_rate(self) -> int: ...
    @property
    def channels(self) -> int: ...
    @property
    def n_fft(self) -> int: ...
    @property
    def hop(self) -> int: ...


class RecurrentConfig(Config, Protocol):
    """The same with the width of a two-directional LSTM."""

    @property
    def hidden(self) -> int: ...


class Separator(nn.Module):
    """Base of all networks: from a mixture to its stems; a network knows no files and no loss.

    Attributes: ``config`` (a frozen dataclass), ``stems`` (labels, in the order of the stem dimension), ``sample_rate``
    (Hz), ``channels``, and ``spectrogram``, the transform in which magnitudes are compared. A subclass that is not
    raysep's own names its configuration's class in ``config_class``. What a network knows of a sound can be read off
    inside it: ``bottleneck`` gives the place, ``bottleneck_axes`` names the axes there, in order, with the words batch,
    frame, bin and feature; a network that leaves both out cannot be used as an embedder, and lacks nothing else.
    """

    config_class: type | None = None
    bottleneck_axes: tuple[str, ...] = ()

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config: Any = config  # a subclass knows its own further fields
        self.stems: tuple[str, ...] = tuple(config.stems)
        self.sample_rate: int = config.sample_rate
        self.channels: int = config.channels
        self.spectrogram = Spectrogram(config.n_fft, config.hop, getattr(config, "padding", "zero"))

    def forward(self, mixture: Tensor, want: str = "magnitude") -> Tensor:
        """``(batch, channel, time)`` -> estimates of all stems, in the form that a loss compares.

        ``magnitude``: ``(batch, stem, channel, bin, frame)``, at least 0; ``waveform``: ``(batch, stem, channel, time)``.
        One door for both, because a distributed wrapper synchronises gradients of what goes through ``forward`` only.
        """
        raise NotImplementedError

    def separate(self, mixture: Tensor, filter: str = "ratio", residual: bool = False) -> Tensor:
        """``(batch, channel, time)`` -> ``(batch, stem, channel, time)``, as audio to be listened to.

        ``filter`` says how magnitudes become audio: ``ratio`` gives each stem its share of the mixture, so that the
        stems sum to it; ``phase`` puts the mixture's phase to the estimated magnitude; ``wiener`` refines both by one
        step of multichannel expectation maximisation. A network of waveforms ignores the first two. With ``residual``
        one more stem, the last, is what the others leave of the mixture. Raises ``BadInput`` for another filter.
        """
        raise NotImplementedError

    @property
    def bottleneck(self) -> list[nn.Module]:
        """The submodules whose outputs, side by side, are the network's own description of what it hears."""
        return []

    def set_input_statistics(self, mixtures: Tensor) -> None:
        """Fit the input's standardisation to ``(batch, channel, time)`` mixtures; call it once, before training."""

    def magnitude(self, audio: Tensor) -> Tensor:
        """``(..., channel, time)`` -> ``(..., channel, bin, frame)``."""
        return magnitude(self.spectrogram(audio))


class MagnitudeSeparator(Separator):
    """A network that estimates magnitudes from magnitudes. A subclass gives ``estimate``."""

    def estimate(self, mixture: Tensor) -> Tensor:
        """Mixture magnitude ``(batch, channel, bin, frame)`` -> ``(batch, stem, channel, bin, frame)``, at least 0."""
        raise NotImplementedError

    def forward(self, mixture: Tensor, want: str = "magnitude") -> Tensor:
        if _wanted(want) == "waveform":
            return self.separate(mixture)
        return single(self.estimate(self.magnitude(mixture)))

    def separate(self, mixture: Tensor, filter: str = "ratio", residual: bool = False) -> Tensor:
        spectrum = self.spectrogram(mixture)  # (batch, channel, bin, frame)
        estimates = single(self.estimate(magnitude(spectrum)))  # (batch, stem, channel, bin, frame)
        return self.spectrogram.inverse(filtered(estimates, spectrum, filter, residual), mixture.shape[-1])


class WaveformSeparator(Separator):
    """A network that gives waveforms, whatever it works on inside. A subclass gives ``waveforms``."""

    def waveforms(self, mixture: Tensor) -> Tensor:
        """``(batch, channel, time)`` -> ``(batch, stem, channel, time)``."""
        raise NotImplementedError

    def forward(self, mixture: Tensor, want: str = "magnitude") -> Tensor:
        estimates = single(self.waveforms(mixture))
        return estimates if _wanted(want) == "waveform" else magnitude(self.spectrogram(estimates), FLOOR)

    def separate(self, mixture: Tensor, filter: str = "ratio", residual: bool = False) -> Tensor:
        estimates = single(self.waveforms(mixture))
        if _known(filter, "filter", FILTERS) != "wiener":
            rest = (mixture - estimates.sum(dim=1)).unsqueeze(1)
            return torch.cat([estimates, rest], dim=1) if residual else estimates
        refined = filtered(self.magnitude(estimates), self.spectrogram(mixture), filter, residual)
        return self.spectrogram.inverse(refined, mixture.shape[-1])


def filtered(estimates: Tensor, mixture: Tensor, filter: str, residual: bool = False) -> Tensor:
    """Complex spectra ``(batch, stem, channel, bin, frame)`` of stems whose magnitudes are ``estimates``.

    ``mixture`` is complex ``(batch, channel, bin, frame)``; ``filter`` is one of ``FILTERS``; ``residual`` as for
    ``Separator.separate``.
    """
    if _known(filter, "filter", FILTERS) == "wiener":
        return wiener(estimates, mixture, residual=residual)
    if filter == "ratio":
        stems = ratio_mask(estimates, magnitude(mixture)) * mixture.unsqueeze(1)
    else:
        stems = with_phase(estimates, mixture)
    return torch.cat([stems, (mixture - stems.sum(dim=1)).unsqueeze(1)], dim=1) if residual else stems


def _wanted(want: str) -> str:
    return _known(want, "want", WANTS)


def _known(value: str, name: str, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise BadInput(f"{name} {value!r}: not known; choose one of {', '.join(choices)}")
    return value


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


def check_common(config: Config) -> None:
    """Raise ``BadInput`` for stems, rate, channels or a transform that no network can be built from."""
    stems = config.stems
    if not stems or len(set(stems)) < len(stems) or any(not s or "." in s or "/" in s for s in stems):
        raise BadInput(
            f"stems {list(stems)}: give one or more different labels, none empty, none with a dot or a slash"
        )
    for name, value in vars(config).items():
        if isinstance(value, int) and not isinstance(value, bool) and value < 1:
            raise BadInput(f"{name} {value}: must be 1 or more")
    if config.n_fft % 2 or config.hop > config.n_fft // 2:
        raise BadInput(f"n_fft {config.n_fft}, hop {config.hop}: n_fft must be even and hop at most half of it")
    if getattr(config, "padding", "zero") == "reflect":
        check_mirrored(config)


def check_mirrored(config: Config) -> None:
    """Raise ``BadInput`` for a hop that a transform with mirrored ends does not allow; see ``Spectrogram``."""
    if config.hop > config.n_fft // 4:
        raise BadInput(
            f"n_fft {config.n_fft}, hop {config.hop}: with mirrored ends the hop is at most a quarter of n_fft"
        )


def check_recurrent(config: RecurrentConfig) -> None:
    """``check_common``, and what the two-directional LSTM asks for."""
    check_common(config)
    if config.hidden < 2 or config.hidden % 2:
        raise BadInput(f"hidden {config.hidden}: must be even, it is shared by the two directions of the LSTM")


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
