"""LAION's CLAP: what a clip of ten seconds would be called in words.

Wu et al.: "Large-scale Contrastive Language-Audio Pretraining", ICASSP 2023. Two published checkpoints: one trained on
music, one on all kinds of sound. The embedding has length one, as in the original package.
"""

from __future__ import annotations

import torch
from torch import Tensor

from raysep.errors import BadInput
from raysep.probes.embedders import weight_files as sources
from raysep.probes.embedders.pretrained import network_from, transformers
from raysep.probes.embedders.windowed import WindowedEmbedder

MODELS = {"clap-music": "hub:laion/larger_clap_music", "clap-audio": "hub:laion/clap-htsat-unfused"}


class ClapEmbedder(WindowedEmbedder):
    """A frame is a clip of the length the network was trained on (10 s), a new one every ``hop_seconds``.

    fadtk takes a clip every second, which gives hardly more information than one in 2.5 s and costs as much again and
    half. A stem shorter than a clip is repeated as often as it fits whole, as in training. Fused checkpoints, which
    would look at clips of random places, are not supported. Raises ``BadInput``.
    """

    at_once = 4

    def __init__(self, name: str = "clap-music", weights: str = "", hop_seconds: float = 2.5) -> None:
        package = transformers(name)
        folder = sources.locate(weights or MODELS[name], name)
        network = network_from(folder, package.ClapAudioModelWithProjection, name)
        if network.config.enable_fusion:
            raise BadInput(f"{folder}: embedder {name!r} cannot use a fused checkpoint; take {MODELS[name]}")
        try:
            extractor = package.ClapFeatureExtractor.from_pretrained(folder, local_files_only=True)
        except Exception as error:
            raise BadInput(
                f"{folder}: embedder {name!r} needs the model's preprocessor_config.json too ({error})"
            ) from error
        self.name = name
        self.n_fft, self.hop = extractor.fft_window_size, extractor.hop_length
        self.filters = torch.as_tensor(extractor.mel_filters_slaney, dtype=torch.float32).T  # (mel, bin)
        seconds = float(extractor.max_length_s)
        super().__init__(network, extractor.sampling_rate, seconds, hop_seconds, sources.digest(folder))

    def windows(self, batch: Tensor) -> Tensor:
        whole = round(self.window_seconds * self.sample_rate) // max(1, batch.shape[-1])
        return super().windows(batch.repeat(1, max(1, whole)))

    def embed_windows(self, windows: Tensor) -> Tensor:
        mel = self.log_mel(windows).transpose(1, 2).unsqueeze(1)  # (window, 1, frame, mel)
        longer = torch.zeros(len(windows), 1, dtype=torch.bool, device=windows.device)
        embedded = self.network(input_features=mel, is_longer=longer).audio_embeds
        return torch.nn.functional.normalize(embedded, dim=-1)

    def log_mel(self, audio: Tensor) -> Tensor:
        """``(window, time)`` -> ``(window, mel, frame)`` in dB."""
        shape = torch.hann_window(self.n_fft, device=audio.device)
        spectrum = torch.stft(audio, self.n_fft, self.hop, window=shape, return_complex=True)  # ends mirrored
        mel = self.filters.to(audio.device) @ spectrum.abs().square()
        return 10.0 * torch.log10(mel.clamp_min(1e-10))


def music(sample_rate: int, weights: str = "") -> ClapEmbedder:
    return ClapEmbedder("clap-music", weights)


def audio(sample_rate: int, weights: str = "") -> ClapEmbedder:
    return ClapEmbedder("clap-audio", weights)
