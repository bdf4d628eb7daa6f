"""MERT: a transformer that learnt music by filling in what was masked, after acoustic and pitch teachers.

Li et al.: "MERT: Acoustic Music Understanding Model with Large-Scale Self-supervised Training", ICLR 2024. Its base
model is HuBERT's network on 24 kHz audio, so it is loaded as that and no code from the hub runs here.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from raysep.errors import BadInput
from raysep.probes.embedders import weight_files as sources
from raysep.probes.embedders.pretrained import network_from, transformers
from raysep.probes.embedders.windowed import WindowedEmbedder

NAME = "mert"
MODEL = "hub:m-a-p/MERT-v1-95M"
# Settings by which the published code departs from HuBERT's network. Its third one, attention_relax, shifts attention
# before a softmax, which changes nothing but rounding.
DEPARTURES = ("feature_extractor_cqt", "deepnorm")


class MertEmbedder(WindowedEmbedder):
    """Mean over each window of the 75 frames a second that ``layer`` gives (the last one, 12, as in fadtk).

    Layer 0 is what goes into the transformer. Each window is brought to zero mean and unit variance and goes through by
    itself: it sees a second of context, where the network was trained on five and fadtk gives it the whole song.
    Checkpoints whose configuration asks for a constant-Q front end or for deepnorm are not supported. Raises ``BadInput``.
    """

    name = NAME

    def __init__(
        self, weights: str = "", layer: int = 12, window_seconds: float = 1.0, hop_seconds: float = 0.5
    ) -> None:
        package = transformers(NAME)
        folder = sources.locate(weights or MODEL, NAME)
        config = hubert_config(package, folder)
        if not 0 <= layer <= config.num_hidden_layers:
            raise BadInput(f"layer {layer}: this MERT has layers 0 to {config.num_hidden_layers}")
        self.layer = layer
        front = _settings(folder / "preprocessor_config.json", {})
        self.normalise = front.get("do_normalize", True)
        network = network_from(folder, package.HubertModel, NAME, config=config)
        rate = front.get("sampling_rate", 24000)
        super().__init__(network, rate, window_seconds, hop_seconds, sources.digest(folder))

    def embed_windows(self, windows: Tensor) -> Tensor:
        if self.normalise:
            mean, variance = windows.mean(dim=-1, keepdim=True), windows.var(dim=-1, correction=0, keepdim=True)
            windows = (windows - mean) * torch.rsqrt(variance + 1e-7)
        hidden = self.network(windows, output_hidden_states=True).hidden_states  # of each layer (window, frame, width)
        return hidden[self.layer].mean(dim=1)


def build(sample_rate: int, weights: str = "") -> MertEmbedder:
    return MertEmbedder(weights)


def hubert_config(package: ModuleType, folder: Path) -> Any:
    """MERT's own configuration as HuBERT's. Raises ``BadInput`` for a model that is another network."""
    given = _settings(folder / "config.json", None)
    if given is None:
        raise BadInput(f"{folder}: embedder {NAME!r} finds no config.json here; give a folder of the published model")
    if wrong := [key for key in DEPARTURES if given.get(key)]:
        raise BadInput(
            f"{folder}: its config.json sets {wrong[0]} to {given[wrong[0]]!r}, which HuBERT's network does not have; "
            f"embedder {NAME!r} takes {MODEL.removeprefix(sources.HUB)} and models built like it"
        )
    known = set(package.HubertConfig().to_dict()) - {"model_type", "architectures", "auto_map", "dtype", "torch_dtype"}
    return package.HubertConfig(**{key: value for key, value in given.items() if key in known})


def _settings(path: Path, default: Any) -> Any:
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError):
        return default
    except ValueError as error:
        raise BadInput(f"{path}: not JSON ({error})") from error
