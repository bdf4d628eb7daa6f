"""Mel-Band RoFormer: bands that overlap, as wide as the triangles of a mel filter bank.

Wang, Lu, Won: "Mel-Band RoFormer for Music Source Separation", ISMIR 2023 late-breaking demo (arXiv 2310.01809).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from raysep.audio import mel
from raysep.errors import BadInput
from raysep.separators.roformer import Roformer, RoformerConfig


@dataclass(frozen=True)
class MelRoformerConfig(RoformerConfig):
    """The defaults are those of MSST's configuration for MUSDB18, with a mask for each of four stems."""

    depth: int = 8
    num_bands: int = 60

    def __post_init__(self) -> None:
        super().__post_init__()
        bands = mel_bands(self.sample_rate, self.n_fft, self.num_bands)
        if empty := [number for number, bins in enumerate(bands) if not bins]:
            raise BadInput(
                f"num_bands {self.num_bands}: {len(empty)} of them hold no bin of n_fft {self.n_fft} at "
                f"{self.sample_rate} Hz; take fewer bands or a longer transform"
            )


def mel_bands(sample_rate: int, n_fft: int, count: int) -> list[list[int]]:
    """The bins inside each triangle of Slaney's mel filter bank from 0 to half the sample rate.

    A triangle is nothing at its corners: the outermost bins, which lie there, are the first and the last band's. Every
    bin is in one band or in two.
    """
    inside = mel.filters(sample_rate, n_fft, count, scale=mel.SLANEY) > 0.0
    inside[0, 0] = inside[-1, -1] = True
    return [np.flatnonzero(row).tolist() for row in inside]


class MelRoformer(Roformer):
    """Transformers along time and along bands in turn, over mel bands; where two overlap, their masks are averaged."""

    config_class = MelRoformerConfig

    def __init__(self, config: MelRoformerConfig) -> None:
        bands = mel_bands(config.sample_rate, config.n_fft, config.num_bands)
        super().__init__(config, bands, hidden_layers=config.mask_estimator_depth, normed=True)
