"""What networks over a mel spectrogram share: one spectrogram a stem, cut into overlapping patches, a few at a time."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional

from raysep.probes.embedders.base import frame_count

SPECTRA_AT_ONCE = 512  # transformed together: bounds memory


class PatchEmbedder(nn.Module):
    """``base.Embedder`` for a network that sees ``patch`` spectra at a time; the next patch begins ``patch_step`` later.

    Spectra are not centred: spectrum k begins at k · ``step``, so that a frame sees its window and nothing outside.
    Everything is float32, on a GPU too (its fast formats of 10 bits would change the numbers).
    """

    filters: torch.Tensor  # (bin, mel)
    window: torch.Tensor  # (fft,)
    sample_rate: ClassVar[int]
    fft: ClassVar[int]  # samples in a spectrum …
    step: ClassVar[int]  # … and to the next
    patch: ClassVar[int]  # spectra in a patch …
    patch_step: ClassVar[int]  # … and to the next
    patches_at_once: ClassVar[tuple[int, int]]  # on a CPU, where more leave the cache; on an accelerator

    @property
    def window_seconds(self) -> float:
        return ((self.patch - 1) * self.step + self.fft) / self.sample_rate

    @property
    def hop_seconds(self) -> float:
        return self.patch_step * self.step / self.sample_rate

    def log_mel(self, pieces: torch.Tensor) -> torch.Tensor:
        """``(batch, spectrum, fft)`` samples to ``(batch, spectrum, mel)``, each spectrum by itself."""
        raise NotImplementedError

    def embed_patches(self, patches: torch.Tensor) -> torch.Tensor:
        """``(patch, spectrum, mel)`` to ``(patch, dimension)``."""
        raise NotImplementedError

    @torch.inference_mode()
    def embed(self, batch: torch.Tensor) -> torch.Tensor:
        patches = self.patches(batch)
        return self._through(patches.flatten(0, 1)).unflatten(0, patches.shape[:2])

    @torch.inference_mode()
    def embed_some(self, audio: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
        return self._through(self.patches(audio[None])[0][chosen])

    def patches(self, batch: torch.Tensor) -> torch.Tensor:
        """``(batch, time)`` audio to ``(batch, frame, spectrum, mel)``."""
        return self.spectra(batch).unfold(1, self.patch, self.patch_step).transpose(2, 3)

    def _through(self, patches: torch.Tensor) -> torch.Tensor:
        at_once = self.patches_at_once[patches.device.type != "cpu"]
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            return torch.cat([self.embed_patches(part) for part in patches.split(at_once)])

    def spectra(self, batch: torch.Tensor) -> torch.Tensor:
        """``(batch, time)`` audio to ``(batch, spectrum, mel)``: those that belong to a frame."""
        window, hop = (self.patch - 1) * self.step + self.fft, self.patch_step * self.step
        needed = (frame_count(batch.shape[-1], window, hop) - 1) * hop + window
        batch = functional.pad(batch.float(), (0, max(0, needed - batch.shape[-1])))[:, :needed]
        parts = batch.unfold(-1, self.fft, self.step).split(SPECTRA_AT_ONCE, dim=1)
        return torch.cat([self.log_mel(part) for part in parts], dim=1)


def mel_power(pieces: torch.Tensor, window: torch.Tensor, filters: torch.Tensor) -> torch.Tensor:
    """``(…, fft)`` samples to their ``(…, mel)`` power under a window, not normalised; ``filters`` are ``(bin, mel)``."""
    # Both parts squared in one pass, and each through its bin's filter: their sum is that of the product, and needs no pass.
    squares = torch.view_as_real(torch.fft.rfft(pieces * window)).square_()
    return squares.flatten(-2) @ filters.repeat_interleave(2, dim=0)
