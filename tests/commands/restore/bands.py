"""A separator that needs no training: each label is a band of frequencies, with a tenth of the others' sound left in it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch

from raysep.separators.base import WaveformSeparator

RATE = 8000
EDGES_HZ = (0.0, 500.0, 2000.0, RATE)
LEFT_IN = 0.1


@dataclass(frozen=True)
class BandsConfig:
    stems: tuple[str, ...] = ("bass", "other", "drums")  # from low to high
    sample_rate: int = RATE
    channels: int = 1
    n_fft: int = 128
    hop: int = 32


class Bands(WaveformSeparator):
    config_class = BandsConfig

    def __init__(self, config: BandsConfig) -> None:
        super().__init__(config)
        self.left_in = torch.nn.Parameter(torch.tensor(LEFT_IN))

    def waveforms(self, mixture: torch.Tensor) -> torch.Tensor:
        spectrum = torch.fft.rfft(mixture)
        hz = torch.fft.rfftfreq(mixture.shape[-1], 1 / RATE)
        bands = [spectrum * ((hz >= low) & (hz < high)) for low, high in pairwise(EDGES_HZ)]
        outputs = torch.stack([band + self.left_in * (spectrum - band) for band in bands], dim=1)
        return torch.fft.irfft(outputs, mixture.shape[-1])


class Deaf(WaveformSeparator):
    """Gives each label the same part of whatever it hears."""

    config_class = BandsConfig

    def __init__(self, config: BandsConfig) -> None:
        super().__init__(config)
        self.part = torch.nn.Parameter(torch.tensor(1 / 3))

    def waveforms(self, mixture: torch.Tensor) -> torch.Tensor:
        return self.part * mixture.unsqueeze(1).expand(-1, len(self.stems), -1, -1)
