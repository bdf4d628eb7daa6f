"""SCNet in MSST: the same layers under other names, and a mixture's spectrum that goes in as it is."""

from __future__ import annotations

import re
from typing import Any

from raysep.errors import BadInput
from raysep.separators.base import Config
from raysep.separators.msst.form import Form, Sections, only, separation
from raysep.separators.scnet import DEPTHS, KERNELS, SHARES, STRIDES, SCNetConfig

DEFAULTS = {
    **{"sources": ["drums", "bass", "other", "vocals"], "audio_channels": 2, "dims": [4, 32, 64, 128]},
    **{"nfft": 4096, "hop_size": 1024, "win_size": 4096, "band_SR": list(SHARES)},
    **{"compress": 4, "conv_kernel": 3, "num_dplayer": 6, "expand": 1},
}
FIXED = {
    "normalized": True,
    "band_stride": list(STRIDES),
    "band_kernel": list(KERNELS),
    "conv_depths": list(DEPTHS),
}
RENAMED = (  # ours → theirs
    (r"^encoder\.(\d+)\.compress\.", r"encoder.\1.SDlayer.convs."),
    (r"^encoder\.(\d+)\.refine\.", r"encoder.\1.conv_modules."),
    (r"^encoder\.(\d+)\.mix\.", r"encoder.\1.globalconv."),
    (r"^decoder\.(\d+)\.fuse\.", r"decoder.\1.0.conv."),
    (r"^decoder\.(\d+)\.expand\.", r"decoder.\1.1.convtrs."),
    (r"^separation\.(\d+)\.(norm|lstm|linear)\.", r"separation_net.dp_modules.\1.\2_layers."),
)


def arguments(content: Sections, name: str) -> dict[str, Any]:
    """Ours of a YAML named ``name``. Raises ``BadInput``."""
    given = content["model"]
    only(given, set(DEFAULTS), FIXED, f"{name}: model", "our scnet lacks")
    shape = DEFAULTS | given
    channels, dims = shape["audio_channels"], list(shape["dims"])
    if dims[:1] != [2 * channels]:
        raise BadInput(
            f"{name}: model.dims begins with {dims[:1]}: a spectrum of {channels} channels has {2 * channels}"
        )
    if shape["win_size"] != shape["nfft"]:
        raise BadInput(f"{name}: model.win_size {shape['win_size']}: ours is as long as the transform")
    return {
        **{"stems": list(shape["sources"]), "sample_rate": content["audio"].get("sample_rate", 44100)},
        **{"channels": channels, "n_fft": shape["nfft"], "hop": shape["hop_size"], "window": "rectangular"},
        **{"standardised": False, "shares": list(shape["band_SR"]), "widths": dims[1:]},
        **{"compression": shape["compress"], "kernel": shape["conv_kernel"]},
        **{"dual_path_layers": shape["num_dplayer"], "expansion": shape["expand"]},
    }


def content(settings: Config) -> dict[str, Any]:
    """Raises ``BadInput`` for one that standardises or has another window, as there is none such there."""
    assert isinstance(settings, SCNetConfig)
    if settings.standardised or settings.window != "rectangular":
        raise BadInput(
            f"standardised {settings.standardised}, window {settings.window}: MSST's SCNet has neither a standardised "
            "input nor a window; train with network.arguments={standardised: false, window: rectangular}"
        )
    shape = {
        **{"sources": list(settings.stems), "audio_channels": settings.channels},
        **{"dims": [2 * settings.channels, *settings.widths], "nfft": settings.n_fft, "hop_size": settings.hop},
        **{"win_size": settings.n_fft, "band_SR": list(settings.shares)},
        **{"compress": settings.compression, "conv_kernel": settings.kernel},
        **{"num_dplayer": settings.dual_path_layers, "expand": settings.expansion},
        **FIXED,
    }
    sections = separation(settings.sample_rate, settings.channels, settings.n_fft, settings.hop, settings.stems)
    sections["training"]["target_instrument"] = None  # whoever asks for one of them gets all sources all the same
    return {"audio": sections["audio"], "model": shape} | sections


def theirs(name: str, settings: Config) -> str:
    """Their decoder is numbered from the deepest level, as it is run; ours as the encoder."""
    assert isinstance(settings, SCNetConfig)
    if level := re.match(r"decoder\.(\d+)\.", name):
        name = f"decoder.{len(settings.widths) - 1 - int(level[1])}.{name[level.end() :]}"
    for ours, there in RENAMED:
        name = re.sub(ours, there, name)
    return name


SCNET = Form("scnet", "scnet", arguments, content, theirs)
