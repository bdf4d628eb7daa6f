"""The multichannel Wiener filter that refines magnitude estimates of all stems together.

A stem is a Gaussian process with a power per bin and frame and a spatial covariance per bin; expectation maximisation
starts from the estimates with the mixture's phase (Duong, Vincent, Gribonval 2010; weighted update and simplification of
Nugraha, Liutkus, Vincent 2016; defaults of norbert and open-unmix).
"""

from __future__ import annotations

import torch
from torch import Tensor

from raysep.separators.spectrogram import magnitude

WINDOW = 300  # frames over which a stem's place in the stereo field is taken as fixed
NOISE = 1e-10  # energy of the white noise that keeps the model's covariance invertible
LOUDEST = 10.0  # the mixture is scaled to it, so that NOISE means the same for loud and quiet recordings


def wiener(estimates: Tensor, mixture: Tensor, steps: int = 1, window: int = WINDOW, residual: bool = False) -> Tensor:
    """Complex spectra ``(batch, stem, channel, bin, frame)`` of stems with these magnitudes in this mixture.

    ``mixture`` is complex ``(batch, channel, bin, frame)``. Windows of ``window`` frames are filtered apart. With
    ``residual`` one more stem, the last, stands for what the others leave of the mixture. One stem alone comes back with
    the mixture's phase: there is nothing to share with.
    """
    spectra = torch.cat(
        [
            _refined(e, m, steps, residual)
            for e, m in zip(estimates.split(window, -1), mixture.split(window, -1), strict=True)
        ],
        dim=-1,
    )
    return spectra.to(mixture.dtype)


def with_phase(estimates: Tensor, mixture: Tensor) -> Tensor:
    """Magnitudes ``(batch, stem, channel, bin, frame)`` with the phase of ``(batch, channel, bin, frame)``.

    A bin in which the mixture is exactly zero has no phase; the stem's is then zero too.
    """
    size = magnitude(mixture).clamp(min=torch.finfo(estimates.dtype).tiny)
    return estimates * (mixture / size).unsqueeze(1)


def _refined(estimates: Tensor, mixture: Tensor, steps: int, residual: bool) -> Tensor:
    """One window, in double precision: covariances of quiet bins are far below single precision's resolution."""
    mixture = mixture.to(torch.complex128)
    stems = with_phase(estimates.double(), mixture)  # (batch, stem, channel, bin, frame)
    if residual:
        stems = torch.cat([stems, (mixture - stems.sum(dim=1)).unsqueeze(1)], dim=1)
    if stems.shape[1] == 1:
        return stems
    scale = (magnitude(mixture).amax(dim=(1, 2, 3), keepdim=True) / LOUDEST).clamp(min=1.0)  # (batch, 1, 1, 1)
    mixture, stems = mixture / scale, stems / scale.unsqueeze(1)
    for _ in range(steps):
        stems = _step(stems, mixture)
    return stems * scale.unsqueeze(1)


def _step(stems: Tensor, mixture: Tensor) -> Tensor:
    """One re-estimation of powers and covariances, and the filter that follows from them."""
    power = magnitude(stems).square().mean(dim=2)  # (batch, stem, bin, frame)
    covariance = torch.einsum("bscft,bsdft->bsfcd", stems, stems.conj())
    covariance = covariance / (power.sum(dim=-1) + NOISE)[..., None, None]  # (batch, stem, bin, channel, channel)
    model = torch.einsum("bsft,bsfcd->bftcd", power.to(covariance.dtype), covariance)  # of the mixture
    noise = NOISE**0.5 * torch.eye(mixture.shape[1], dtype=model.dtype, device=model.device)
    whitened = torch.linalg.solve(model + noise, mixture.permute(0, 2, 3, 1).unsqueeze(-1)).squeeze(-1)
    filtered = torch.einsum("bsfcd,bftd->bscft", covariance, whitened)
    return filtered * power.unsqueeze(2)
