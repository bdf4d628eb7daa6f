"""Variations of a batch, as modules over ``(batch, stem, channel, time)``: what is drawn does not depend on the device.

Each takes the targets and a numpy generator, may change the targets in place, and returns the result. The mixture is
the sum of the stems afterwards, so nothing can come apart.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor, nn

from raysep.errors import BadInput

GAIN = (0.25, 1.25)  # of each stem, uniform: open-unmix's and demucs' augmentation
SEMITONES = 2  # largest shift of pitch, either way: demucs'
FINEST = 18  # largest denominator of a ratio of pitch: semitones become 18/17 (99.0 cents) and 9/8 (203.9 cents)
TEMPO = 0.12  # largest change of tempo, either way: demucs'
RARE = 0.2  # share of examples whose pitch or tempo is changed


class Remix(nn.Module):
    """Each stem of an example comes from another example of the batch."""

    def forward(self, targets: Tensor, rng: np.random.Generator) -> Tensor:
        order, stems = torch.from_numpy(self.order(targets.shape, rng)), targets.shape[1]
        return targets[order.to(targets.device), torch.arange(stems, device=targets.device)]

    @staticmethod
    def order(shape: Sequence[int], rng: np.random.Generator) -> np.ndarray:
        """From which example each stem of each example comes: ``(batch, stem)``."""
        batch, stems = shape[:2]
        return np.stack([rng.permutation(batch) for _ in range(stems)], axis=1)


class Gain(nn.Module):
    """A gain for each stem of each example."""

    def forward(self, targets: Tensor, rng: np.random.Generator) -> Tensor:
        return targets.mul_(_each_stem(rng.uniform(*GAIN, targets.shape[:2]), targets))


class Polarity(nn.Module):
    """The opposite sign for half of the stems."""

    def forward(self, targets: Tensor, rng: np.random.Generator) -> Tensor:
        return targets.mul_(_each_stem(np.where(rng.random(targets.shape[:2]) < 0.5, 1.0, -1.0), targets))


class Swap(nn.Module):
    """Channels in reverse order for half of the stems."""

    def forward(self, targets: Tensor, rng: np.random.Generator) -> Tensor:
        swapped = torch.from_numpy(rng.random(targets.shape[:2]) < 0.5).to(targets.device)
        targets[swapped] = targets[swapped].flip(1)
        return targets


class Pitch(nn.Module):
    """Up or down by whole semitones (to within 4 cents), all stems of an example alike, for some of the examples."""

    def forward(self, targets: Tensor, rng: np.random.Generator) -> Tensor:
        chosen = rng.random(len(targets)) < RARE
        steps = rng.integers(-SEMITONES, SEMITONES + 1, len(targets))
        return torch.stack([_shifted(t, int(s)) if c else t for t, s, c in zip(targets, steps, chosen, strict=True)])


class Tempo(nn.Module):
    """Faster or slower at the same pitch, all stems of an example alike; the end is cut off, or silent."""

    def forward(self, targets: Tensor, rng: np.random.Generator) -> Tensor:
        chosen = rng.random(len(targets)) < RARE
        rates = rng.uniform(1 - TEMPO, 1 + TEMPO, len(targets))
        return torch.stack(
            [_stretched(t, float(r), t.shape[-1]) if c else t for t, r, c in zip(targets, rates, chosen, strict=True)]
        )


AUGMENTATIONS: dict[str, type[nn.Module]] = {  # in the order in which they are applied
    "pitch": Pitch,
    "tempo": Tempo,
    "remix": Remix,
    "gain": Gain,
    "swap": Swap,
    "polarity": Polarity,
}


def augmentation(names: tuple[str, ...]) -> nn.ModuleList:
    """The named modules in their order. Raises ``BadInput`` for an unknown name."""
    if unknown := sorted(set(names) - set(AUGMENTATIONS)):
        raise BadInput(f"augment {', '.join(unknown)}: not known; choose from {', '.join(AUGMENTATIONS)}")
    return nn.ModuleList(make() for name, make in AUGMENTATIONS.items() if name in names)


def varied(
    targets: Tensor, owners: np.ndarray, changes: nn.ModuleList, rng: np.random.Generator
) -> tuple[Tensor, np.ndarray]:
    """The batch as training varies it, and whose each stem then is: ``owners`` is ``(batch, stem)``, of any type."""
    for change in changes:
        if isinstance(change, Remix):
            order = change.order(targets.shape, copy.deepcopy(rng))  # what it is going to draw
            owners = owners[order, np.arange(order.shape[1])]
        targets = change(targets, rng)
    return targets, owners


def _each_stem(values: np.ndarray, targets: Tensor) -> Tensor:
    return torch.from_numpy(values).to(targets)[:, :, None, None]


def _shifted(example: Tensor, steps: int) -> Tensor:
    """``(stem, channel, time)`` moved by semitones at its own length: its tempo changed, and that undone by resampling.

    The ratio is of small integers because torchaudio's resampling kernel holds about their product: gigabytes where its
    own ``pitch_shift`` goes from 42,763 to 48,000 Hz.
    """
    from raysep.separators.torchaudio_parts import functional

    if not steps:
        return example
    time, ratio = example.shape[-1], Fraction(2 ** (steps / 12)).limit_denominator(FINEST)
    stretched = _stretched(example, float(1 / ratio), math.ceil(time * ratio))
    return functional().resample(stretched, ratio.numerator, ratio.denominator)[..., :time]


def _stretched(example: Tensor, rate: float, length: int, size: int = 1024) -> Tensor:
    """``(stem, channel, time)`` at ``rate`` times its tempo by a phase vocoder, cut or silent after it to ``length``."""
    from raysep.separators.torchaudio_parts import functional

    stems, channels, time = example.shape
    flat, window = example.reshape(-1, time), torch.hann_window(size, device=example.device)
    spectrum = torch.stft(flat, size, size // 4, window=window, pad_mode="constant", return_complex=True)
    advance = torch.linspace(0, torch.pi * size / 4, size // 2 + 1, device=example.device)[:, None]
    spectrum = functional().phase_vocoder(spectrum, rate, advance)
    # A length of its own: without one, istft leaves out what lies after the last frame's centre.
    result = torch.istft(spectrum, size, size // 4, window=window, length=min(length, round(time / rate)))
    return nn.functional.pad(result, (0, length - result.shape[-1])).reshape(stems, channels, length)
