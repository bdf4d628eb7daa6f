"""BS-RoFormer: 62 bands, narrow below and wide above, that hold every bin once.

Lu, Wang, Kong, Hung: "Music Source Separation with Band-Split RoPE Transformer", ICASSP 2024 (arXiv 2309.02612).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, pairwise

from raysep.errors import BadInput
from raysep.separators.roformer import Roformer, RoformerConfig

# Bins of each published band, for a transform of 2048 samples at 44.1 kHz; section 4.4 of the paper, in Hz there.
PUBLISHED = (*(2,) * 24, *(4,) * 12, *(12,) * 8, *(24,) * 8, *(48,) * 8, 128, 129)
PUBLISHED_FFT, PUBLISHED_RATE = 2048, 44100


@dataclass(frozen=True)
class BSRoformerConfig(RoformerConfig):
    """The defaults are those of MSST's configuration for MUSDB18, with a mask for each of four stems."""

    freqs_per_bands: tuple[int, ...] | None = None  # bins of each band; None: the published bands, by their frequencies

    def __post_init__(self) -> None:
        super().__post_init__()
        bins, given = self.n_fft // 2 + 1, self.freqs_per_bands
        if given is not None and (not given or min(given) < 1 or sum(given) != bins):
            raise BadInput(f"freqs_per_bands {given}: each at least 1, together the {bins} bins of n_fft {self.n_fft}")

    @property
    def bands(self) -> tuple[int, ...]:
        """Bins of each band, as given or as published."""
        return self.freqs_per_bands or band_sizes(self.n_fft, self.sample_rate)


def band_sizes(n_fft: int, sample_rate: int) -> tuple[int, ...]:
    """Bins of each band: the published edges in Hz, each at the nearest bin; edges that meet there are one."""
    bins = n_fft // 2 + 1
    edges = (edge * PUBLISHED_RATE * n_fft / (PUBLISHED_FFT * sample_rate) for edge in accumulate(PUBLISHED[:-1]))
    inner = sorted({round(edge) for edge in edges} & set(range(1, bins)))
    return tuple(b - a for a, b in pairwise([0, *inner, bins]))


class BSRoformer(Roformer):
    """Transformers along time and along bands in turn, over bands that do not overlap."""

    config_class = BSRoformerConfig

    def __init__(self, config: BSRoformerConfig) -> None:
        bands = [range(a, b) for a, b in pairwise([0, *accumulate(config.bands)])]
        super().__init__(config, bands, hidden_layers=config.mask_estimator_depth - 1, normed=False)
