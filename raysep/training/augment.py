"""Variations of a batch, as modules over ``(batch, stem, channel, time)``: what is drawn does not depend on the device.

Each takes the targets and a numpy generator, may change the targets in place, and returns the result. The mixture is
the sum of the stems afterwards, so nothing can come apart.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from raysep.errors import BadInput

GAIN = (0.25, 1.25)  # of each stem, uniform: open-unmix's and demucs' augmentation
SEMITONES = 2  # largest shift of pitch, either way: demucs'
TEMPO = 0.12  # largest change of tempo, either way: demucs'
RARE = 0.2  # share of examples whose pitch or tempo is changed


class Remix(nn.Module):
    """Each stem of an example comes from another example of the batch."""

    def forward(self, targets: Tensor, rng: np.random.Generator) -> Tensor:
        batch, stems = targets.shape[:2]
        order = np.stack([rng.permutation(batch) for _ in range(stems)], axis=1)  # (batch, stem)
        return targets[torch.from_numpy(order).to(targets.device), torch.arange(stems, device=targets.device)]


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
    """Up or down by whole semitones, all stems of an example alike, for some of the examples."""

    def __init__(self, sample_rate: int) -> None:
        super().__init__()
        self.sample_rate = sample_rate

    def forward(self, targets: Tensor, rng: np.random.Generator) -> Tensor:
        from raysep.separators.torchaudio_parts import functional

        def shift(example: Tensor, steps: int) -> Tensor:
            return functional().pitch_shift(example, self.sample_rate, steps) if steps else example

        chosen = rng.random(len(targets)) < RARE
        steps = rng.integers(-SEMITONES, SEMITONES + 1, len(targets))
        return torch.stack([shift(t, int(s) if c else 0) for t, s, c in zip(targets, steps, chosen, strict=True)])


class Tempo(nn.Module):
    """Faster or slower at the same pitch, all stems of an example alike; the end is cut off, or silent."""

    def forward(self, targets: Tensor, rng: np.random.Generator) -> Tensor:
        chosen = rng.random(len(targets)) < RARE
        rates = rng.uniform(1 - TEMPO, 1 + TEMPO, len(targets))
        return torch.stack(
            [_stretched(t, float(r)) if c else t for t, r, c in zip(targets, rates, chosen, strict=True)]
        )


AUGMENTATIONS = ("pitch", "tempo", "remix", "gain", "swap", "polarity")  # in the order in which they are applied


def augmentation(names: tuple[str, ...], sample_rate: int) -> nn.ModuleList:
    """The named modules in their order. Raises ``BadInput`` for an unknown name."""
    if unknown := sorted(set(names) - set(AUGMENTATIONS)):
        raise BadInput(f"augment {', '.join(unknown)}: not known; choose from {', '.join(AUGMENTATIONS)}")
    made = {"pitch": lambda: Pitch(sample_rate), "tempo": Tempo, "remix": Remix, "gain": Gain, "swap": Swap}
    made["polarity"] = Polarity
    return nn.ModuleList(made[name]() for name in AUGMENTATIONS if name in names)


def _each_stem(values: np.ndarray, targets: Tensor) -> Tensor:
    return torch.from_numpy(values).to(targets)[:, :, None, None]


def _stretched(example: Tensor, rate: float, size: int = 1024) -> Tensor:
    """``(stem, channel, time)`` at ``rate`` times its tempo by a phase vocoder, at its own length."""
    from raysep.separators.torchaudio_parts import functional

    stems, channels, time = example.shape
    flat, window = example.reshape(-1, time), torch.hann_window(size, device=example.device)
    spectrum = torch.stft(flat, size, size // 4, window=window, pad_mode="constant", return_complex=True)
    advance = torch.linspace(0, torch.pi * size / 4, size // 2 + 1, device=example.device)[:, None]
    spectrum = functional().phase_vocoder(spectrum, rate, advance)
    result = torch.istft(spectrum, size, size // 4, window=window)[..., :time]
    return nn.functional.pad(result, (0, time - result.shape[-1])).reshape(stems, channels, time)
