"""musicnn (Pons and Serra, ISMIR 2019), trained on MagnaTagATune: what is heard, an instrument, a voice, a beat.

The network and its weights are theirs (``weights/ATTRIBUTION.md``), the code is ours. It hears up to 8 kHz. Theirs
rounds spectra to float16 before the logarithm, where a loud band becomes infinite; here it stays float32.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from raysep.audio import mel
from raysep.probes.embedders import shipped
from raysep.probes.embedders.patches import PatchEmbedder, mel_power

FILE, DIGEST = "musicnn-mtt.safetensors", "912ed4839a21864eda76824c5beffc6a62bdaed3a7cbc225c67bb49665703065"
RATE, FFT, MELS = 16_000, 512, 96
TIMBRAL = ((204, 7, 38), (204, 7, 67))  # filters, spectra, mel bands: the shape of a sound wherever it lies
TEMPORAL = ((51, 128, 1), (51, 64, 1), (51, 32, 1))  # the same: how one band moves over 2, 1 and 0.5 s
FRONT = (*TIMBRAL, *TEMPORAL)
MIDDLE, DENSE = 64, 200  # channels of the middle convolutions; numbers in an embedding
FRONT_CHANNELS = sum(filters for filters, _, _ in FRONT)  # 561
POOLED = 2 * (FRONT_CHANNELS + 3 * MIDDLE)  # 1506
EPSILON = 1e-3  # of its batch-norms


class MusicnnEmbedder(PatchEmbedder):
    """200 numbers over 3.0 s of 16 kHz, every half window: its last layer before the tags."""

    name: ClassVar[str] = "musicnn"
    dimension: ClassVar[int] = DENSE
    least_spread: ClassVar[float] = 0.02  # 5 to 10 % of the median over rendered stems, where a few are always 0
    sample_rate, fft, step, patch, patch_step = RATE, FFT, 256, 187, 94
    patches_at_once = (2, 64)

    def __init__(self, weights: str = "") -> None:
        """``weights`` is a path or URI of a safetensors file of the shipped one's form; "" the shipped one."""
        super().__init__()
        tensors, self.weights_digest = shipped.read(FILE, DIGEST, tensor_shapes(), weights)
        with torch.random.fork_rng(devices=[]):  # initial weights are thrown away: leave the caller's generator alone
            self.front = nn.ModuleList(nn.Conv2d(1, filters, (spectra, bands)) for filters, spectra, bands in FRONT)
            widths = (FRONT_CHANNELS, MIDDLE, MIDDLE)
            self.middle = nn.ModuleList(nn.Conv1d(width, MIDDLE, 7, padding=3) for width in widths)
            self.dense = nn.Linear(POOLED, DENSE)
        self._load(tensors)
        self.register_buffer("filters", torch.from_numpy(mel_filters()), persistent=False)
        self.register_buffer("window", torch.hann_window(FFT), persistent=False)
        self.eval().requires_grad_(False)

    def _load(self, tensors: dict[str, torch.Tensor]) -> None:
        """A batch-norm after a ReLU keeps its ``gain`` and ``offset``; the one before the dense layer goes into it."""
        norms = [shipped.batch_norm(tensors, _numbered("batch_normalization", k), EPSILON) for k in range(11)]
        for k, layer in enumerate((*self.front, *self.middle)):
            kernel, bias = (tensors[f"{_numbered('conv2d', k)}.{part}"] for part in ("weight", "bias"))
            if isinstance(layer, nn.Conv1d):  # published as pictures with all channels side by side: (out, 1, 7, in)
                kernel = kernel.squeeze(1).transpose(1, 2)
            shipped.set_parameters(layer, kernel, bias)
        weight, bias = tensors["dense.weight"].double(), tensors["dense.bias"].double()
        scale, shift = norms[9]
        shipped.set_parameters(self.dense, weight * scale, weight @ shift + bias)
        for k, (scale, shift) in enumerate(norms):
            if k != 9:
                self.register_buffer(f"gain{k}", scale.float(), persistent=False)
                self.register_buffer(f"offset{k}", shift.float(), persistent=False)

    def _norm(self, x: torch.Tensor, number: int) -> torch.Tensor:
        """A batch-norm over ``(patch, channel, …)``."""
        shape = (-1, *[1] * (x.ndim - 2))
        return x * self.get_buffer(f"gain{number}").view(shape) + self.get_buffer(f"offset{number}").view(shape)

    def log_mel(self, pieces: torch.Tensor) -> torch.Tensor:
        return torch.log10(1e4 * mel_power(pieces, self.window, self.filters) + 1.0)

    def embed_patches(self, patches: torch.Tensor) -> torch.Tensor:
        x = self._norm(patches[:, None], 0)  # (patch, 1, 187, 96)
        x = torch.cat([self._strongest(x, layer, number) for number, layer in enumerate(self.front, 1)], dim=1)
        layers = [x]  # (patch, 561, 187), then three of (patch, 64, 187)
        for number, layer in enumerate(self.middle, 6):
            y = self._norm(functional.relu(layer(layers[-1])), number)
            layers.append(y if number == 6 else y + layers[-1])
        x = torch.cat(layers, dim=1)  # (patch, 753, 187)
        pooled = torch.stack([x.amax(dim=2), x.mean(dim=2)], dim=2)  # (patch, 753, 2)
        return self._norm(functional.relu(self.dense(pooled.flatten(1))), 10)

    def _strongest(self, x: torch.Tensor, layer: nn.Module, number: int) -> torch.Tensor:
        """A front-end branch, ``(patch, 1, 187, 96)`` to ``(patch, filter, 187)``: its maximum over frequency."""
        spectra = FRONT[number - 1][1]
        before, after = (spectra - 1) // 2, spectra // 2
        heard = layer(functional.pad(x, (0, 0, before, after)))  # (patch, filter, 187, position)
        # ReLU and batch-norm keep order, or turn it where the gain is negative: after the pooling, on a few per cent of
        # the numbers, they give the same.
        falling = self.get_buffer(f"gain{number}") < 0
        strongest = torch.where(falling[:, None], heard.amin(dim=3), heard.amax(dim=3))
        return self._norm(functional.relu(strongest), number)


def build(sample_rate: int, weights: str = "") -> MusicnnEmbedder:
    return MusicnnEmbedder(weights)


def _numbered(name: str, number: int) -> str:
    """TensorFlow's names: ``conv2d``, ``conv2d_1`` …"""
    return f"{name}_{number}" if number else name


def tensor_shapes() -> dict[str, tuple[int, ...]]:
    """What the weights file holds, by the published checkpoint's names; kernels (out, in, spectra, mel)."""
    kernels = [(filters, 1, *size) for filters, *size in FRONT]
    kernels += [(MIDDLE, 1, 7, width) for width in (FRONT_CHANNELS, MIDDLE, MIDDLE)]
    shapes: dict[str, tuple[int, ...]] = {"dense.weight": (DENSE, POOLED), "dense.bias": (DENSE,)}
    for number, kernel in enumerate(kernels):
        shapes[f"{_numbered('conv2d', number)}.weight"] = kernel
        shapes[f"{_numbered('conv2d', number)}.bias"] = kernel[:1]
    for number, channels in enumerate((1, *(kernel[0] for kernel in kernels), POOLED, DENSE)):
        for part in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{_numbered('batch_normalization', number)}.{part}"] = (channels,)
    return shapes


def mel_filters() -> np.ndarray:
    """``(bin, mel)`` float32: triangles of area one over 0 to 8 kHz on Slaney's scale, linear up to 1 kHz."""
    return np.ascontiguousarray(mel.filters(RATE, FFT, MELS, scale=mel.SLANEY, norm="area").T)
