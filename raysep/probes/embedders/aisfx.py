"""aiSFX (Ma and Lerch, ISMIR 2022): a full-band network trained to name sound effects.

The network and its weights are theirs (``weights/ATTRIBUTION.md``), the code is ours. Hiss and clipping show in it as
they do in no 16 kHz model, since it hears everything up to 22 kHz.
"""

from __future__ import annotations

from functools import cached_property
from typing import ClassVar

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from raysep.audio import mel
from raysep.probes.embedders import shipped, winograd
from raysep.probes.embedders.patches import PatchEmbedder, mel_power

FILE, DIGEST = "aisfx.safetensors", "01217c1abd71be1a1d24ee1f67fa242264bb66cebd0219becfaa14628079fd6b"
RATE, FFT, MELS = 44_100, 2048, 96
LOUDEST = 9.457798957824707  # of the log spectra it was trained on: they were divided by this
WIDTHS = (64, 128, 256, 512)
EPSILON = 1e-5  # of its batch-norms
LARGE_AT_ONCE = 4  # patches in the first blocks on a CPU, whose pictures leave the cache; the last block's weights do


class AiSfxEmbedder(PatchEmbedder):
    """512 numbers over 2.3 s of 44.1 kHz: four blocks of two convolutions, mean over frequency, maximum over time."""

    name: ClassVar[str] = "aisfx"
    dimension: ClassVar[int] = WIDTHS[-1]
    least_spread: ClassVar[float] = 0.02  # 5 % of the median over rendered stems, whose least is 0.11
    sample_rate, fft, step, patch, patch_step = RATE, FFT, 1024, 100, 50
    patches_at_once = (16, 128)

    def __init__(self, weights: str = "") -> None:
        """``weights`` is a path or URI of a safetensors file of the shipped one's form; "" the shipped one."""
        super().__init__()
        tensors, self.weights_digest = shipped.read(FILE, DIGEST, tensor_shapes(), weights)
        with torch.random.fork_rng(devices=[]):  # initial weights are thrown away: leave the caller's generator alone
            blocks = [_Block(*channels) for channels in zip((1, *WIDTHS), WIDTHS, strict=False)]
        for number, block in enumerate(blocks, 1):
            block.load(tensors, f"conv_block{number}")
        self.blocks = nn.ModuleList(blocks)
        self.register_buffer("filters", torch.from_numpy(mel_filters()), persistent=False)
        self.register_buffer("window", torch.hann_window(FFT, periodic=False), persistent=False)
        self.eval().requires_grad_(False)
        # Half as fast again where they are convolved plainly, the same numbers.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub leaves it out

    def log_mel(self, pieces: torch.Tensor) -> torch.Tensor:
        return torch.log10(1e4 * mel_power(pieces, self.window, self.filters) + 1.0) / LOUDEST

    def embed_patches(self, patches: torch.Tensor) -> torch.Tensor:
        return self.by_winograd(patches) if patches.device.type == "cpu" else self.plainly(patches)

    def plainly(self, patches: torch.Tensor) -> torch.Tensor:
        """``embed_patches`` by the framework's own convolutions, of which an accelerator has fast ones."""
        x = patches[:, None].contiguous(memory_format=torch.channels_last)  # (patch, 1, 100, 96)
        for block in self.blocks[:-1]:
            x = functional.max_pool2d(block(x), 2)  # (patch, 64, 50, 48), (patch, 128, 25, 24), (patch, 256, 12, 12)
        return self.blocks[-1](x).mean(dim=3).amax(dim=2)  # (patch, 512, 12, 12) to (patch, 512)

    def by_winograd(self, patches: torch.Tensor) -> torch.Tensor:
        """``embed_patches`` with a quarter of the multiplications, to 1e-5 the same numbers."""
        parts = [self._large_pictures(part) for part in patches.split(LARGE_AT_ONCE)]
        framed = torch.cat([part.framed for part in parts], dim=2)
        picture = parts[0]._replace(framed=framed)  # 12 by 12 of 256 channels
        for points, bias in self.points[-2:]:
            picture = winograd.convolve(picture, points, bias)
        return picture.inside.mean(dim=1).amax(dim=0)  # (12, 12, patch, 512) to (patch, 512)

    def _large_pictures(self, patches: torch.Tensor) -> winograd.Picture:
        """All blocks but the last."""
        picture = winograd.first_layer(patches, *self._convolutions[0].parameters())
        for number, (points, bias) in enumerate(self.points[:-2]):
            picture = winograd.convolve(picture, points, bias, halve=number % 2 == 0)
        return picture

    @cached_property
    def points(self) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Of each convolution but the first, what ``winograd.convolve`` takes: 75 MB, made when they are first wanted."""
        pairs = (each.parameters() for each in self._convolutions[1:])
        return [(winograd.at_points(weight), bias) for weight, bias in pairs]

    @property
    def _convolutions(self) -> list[nn.Conv2d]:
        return [each for each in self.blocks.modules() if isinstance(each, nn.Conv2d)]


def build(sample_rate: int, weights: str = "") -> AiSfxEmbedder:
    return AiSfxEmbedder(weights)


class _Block(nn.Module):
    """Two 3×3 convolutions, a ReLU after each; the published batch-norm between them is part of the convolution."""

    def __init__(self, inward: int, outward: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(nn.Conv2d(c, outward, 3, padding=1) for c in (inward, outward))

    def load(self, tensors: dict[str, torch.Tensor], name: str) -> None:
        for number, convolution in enumerate(self.convolutions, 1):
            scale, shift = shipped.batch_norm(tensors, f"{name}.bn{number}", EPSILON)
            kernel = tensors[f"{name}.conv{number}.weight"].double()
            shipped.set_parameters(convolution, kernel * scale[:, None, None, None], shift)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for convolution in self.convolutions:
            x = functional.relu_(convolution(x))
        return x


def tensor_shapes() -> dict[str, tuple[int, ...]]:
    """What the weights file holds: the published names without ``embedding_net.``."""
    shapes: dict[str, tuple[int, ...]] = {}
    for number, (inward, outward) in enumerate(zip((1, *WIDTHS), WIDTHS, strict=False), 1):
        for layer, channels in ((1, inward), (2, outward)):
            shapes[f"conv_block{number}.conv{layer}.weight"] = (outward, channels, 3, 3)
            for part in ("weight", "bias", "running_mean", "running_var"):
                shapes[f"conv_block{number}.bn{layer}.{part}"] = (outward,)
    return shapes


def mel_filters() -> np.ndarray:
    """``(bin, mel)`` float32: triangles over 0 to 22.05 kHz, straight on the HTK mel scale, each summing to one."""
    return np.ascontiguousarray(mel.filters(RATE, FFT, MELS, straight="mel", norm="sum").T)
