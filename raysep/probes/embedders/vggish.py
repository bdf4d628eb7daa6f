"""VGGish, with which the Fréchet audio distance was introduced.

Hershey et al.: "CNN Architectures for Large-Scale Audio Classification", ICASSP 2017; Kilgour et al.: "Fréchet Audio
Distance", Interspeech 2019. Neither the published PCA nor its rounding to bytes, nor the last ReLU, as in fadtk.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from raysep.audio import mel
from raysep.errors import BadInput
from raysep.probes.embedders import weight_files as sources
from raysep.probes.embedders.windowed import WindowedEmbedder

NAME = "vggish"
RATE = 16000  # Hz
FRAME, HOP, N_FFT = 400, 160, 512  # samples: 25 ms every 10 ms, padded to a power of two
FRAMES, MELS = 96, 64  # of an example
LOWEST_HZ, HIGHEST_HZ = 125.0, 7500.0
OFFSET = 0.01  # under the logarithm
WINDOW = FRAME + (FRAMES - 1) * HOP  # samples of an example, 0.975 s
PLAN: tuple[int | str, ...] = (64, "pool", 128, "pool", 256, 256, "pool", 512, 512, "pool")


class VggishNetwork(nn.Module):
    """The network, its parameters named as in the published torch checkpoints (features.0.weight …)."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width = 1
        for step in PLAN:
            if isinstance(step, str):
                layers.append(nn.MaxPool2d(2))
                continue
            layers += [nn.Conv2d(width, step, 3, padding=1), nn.ReLU()]
            width = step
        self.features = nn.Sequential(*layers)
        inside = width * (FRAMES // 16) * (MELS // 16)
        self.embeddings = nn.Sequential(
            nn.Linear(inside, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 128)
        )

    def forward(self, log_mel: Tensor) -> Tensor:
        """``(batch, frame, mel)`` -> ``(batch, 128)``."""
        x = self.features(log_mel.unsqueeze(1))  # (batch, width, frame / 16, mel / 16)
        # Width last: the weights come from a framework that keeps it there.
        return self.embeddings(x.permute(0, 2, 3, 1).flatten(1))


class VggishEmbedder(WindowedEmbedder):
    """An example of 0.975 s (published as 0.96 s: 96 frames, 10 ms apart), a new one every ``hop_seconds``.

    ``weights`` is a file of the network's state, torch's or safetensors'; parameters of the post-processing in it are
    left alone. Raises ``BadInput`` for one that lacks a parameter.
    """

    name = NAME
    at_once = 32

    def __init__(self, weights: str, hop_seconds: float = 0.48) -> None:
        path = sources.locate(weights, NAME)
        file = _only_file(path)
        with torch.device("meta"):  # its first weights would only be thrown away
            network = VggishNetwork()
        given = sources.load_tensors(file, NAME)
        wanted = network.state_dict()
        if wrong := [key for key, value in wanted.items() if getattr(given.get(key), "shape", None) != value.shape]:
            raise BadInput(
                f"{file}: not VGGish's weights; {wrong[0]} is absent or of another shape, one of {len(wrong)}. Give the "
                "torch state of the published network (features.0.weight … embeddings.4.bias)"
            )
        network.load_state_dict({key: given[key].float() for key in wanted}, assign=True)
        self.filters = torch.from_numpy(mel_filters())
        super().__init__(network, RATE, WINDOW / RATE, hop_seconds, sources.digest(file))

    def embed_windows(self, windows: Tensor) -> Tensor:
        return self.network(log_mel(windows, self.filters.to(windows.device)))


def build(sample_rate: int, weights: str = "") -> VggishEmbedder:
    return VggishEmbedder(weights)


def log_mel(audio: Tensor, filters: Tensor) -> Tensor:
    """``(..., time)`` -> ``(..., frame, mel)``: natural logarithm of magnitudes (not powers) in mel bands."""
    frames = audio.unfold(-1, FRAME, HOP) * torch.hann_window(FRAME, device=audio.device)
    return torch.log(torch.fft.rfft(frames, n=N_FFT).abs() @ filters.T + OFFSET)


def mel_filters() -> np.ndarray:
    """``(mel, bin)`` float32 triangles of height one, straight and evenly spaced on the HTK mel scale."""
    return mel.filters(RATE, N_FFT, MELS, (LOWEST_HZ, HIGHEST_HZ), straight="mel")


def _only_file(path: Path) -> Path:
    """The file itself, or a folder's only file of tensors."""
    if path.is_file():
        return path
    files = sorted(file for pattern in sources.TENSORS for file in path.glob(pattern))
    if len(files) != 1:
        raise BadInput(
            f"{path}: {len(files)} files of weights here; embedder {NAME!r} wants the one file it is to load"
        )
    return files[0]
