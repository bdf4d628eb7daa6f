"""Hybrid Demucs in MSST, which takes it from the demucs package: torchaudio's is that network under other names.

``--model_type htdemucs`` builds all of Demucs' versions; the YAML's ``model`` is the version's name, and its shape a section.
"""

from __future__ import annotations

import re
from typing import Any

from raysep.errors import BadInput
from raysep.separators.base import Config
from raysep.separators.hdemucs import HDemucsConfig
from raysep.separators.msst.form import Form, Sections, only, separation

SECTION = "hdemucs"
SEGMENT = 10  # seconds, which it cuts its songs into where nothing else is said
DEFAULTS = {"channels": 48, "growth": 2, "dconv_depth": 2, "dconv_comp": 4}
# What torchaudio's network has built in; its transforms of other lengths have other layers than demucs'.
FIXED = {
    **{"nfft": 4096, "depth": 6, "channels_time": None, "cac": True, "rewrite": True, "hybrid": True},
    **{"hybrid_old": False, "multi_freqs": [], "wiener_iters": 0, "end_iters": 0, "freq_emb": 0.2, "emb_scale": 10},
    **{"kernel_size": 8, "stride": 4, "time_stride": 2, "context": 1, "context_enc": 0, "norm_starts": 4},
    **{"norm_groups": 4, "dconv_mode": 1, "dconv_attn": 4, "dconv_lstm": 4},
}
UNREAD = {"emb_smooth", "dconv_init", "rescale", "multi_freqs_depth", "wiener_residual"}  # how it begins; what is off
BRANCHES = {
    "freq_encoder": "encoder",
    "freq_decoder": "decoder",
    "time_encoder": "tencoder",
    "time_decoder": "tdecoder",
}
IDLE = re.compile(
    r"network\.time_encoder\.4\.norm1\."
)  # of the layer that only meets the other branch: built, never run


def arguments(content: Sections, name: str) -> dict[str, Any]:
    """Ours of a YAML named ``name``. Raises ``BadInput``."""
    given = content.get(SECTION) or {}
    only(given, set(DEFAULTS) | UNREAD, FIXED, f"{name}: {SECTION}", "our hdemucs lacks")
    shape, training = DEFAULTS | given, content["training"]
    if not training.get("instruments"):
        raise BadInput(f"{name}: training names no instruments")
    return {
        **{"stems": list(training["instruments"]), "sample_rate": training.get("samplerate", 44100)},
        **{"channels": training.get("channels", 2), "transform": FIXED["nfft"], "width": shape["channels"]},
        **{"growth": shape["growth"], "residual_depth": shape["dconv_depth"]},
        **{"residual_compression": shape["dconv_comp"]},
    }


def content(settings: Config) -> dict[str, Any]:
    """Raises ``BadInput`` for a transform of another length, which has other layers there."""
    assert isinstance(settings, HDemucsConfig)
    if settings.transform != FIXED["nfft"]:
        raise BadInput(f"transform {settings.transform}: only hdemucs of {FIXED['nfft']} samples is the same in MSST")
    hop = FIXED["nfft"] // 4
    sections = separation(settings.sample_rate, settings.channels, FIXED["nfft"], hop, settings.stems)
    sections["training"] |= {
        **{"target_instrument": None, "samplerate": settings.sample_rate, "channels": settings.channels},
        **{"segment": SEGMENT, "use_amp": False},
    }
    shape = {
        **{"channels": settings.width, "growth": settings.growth},
        **{"dconv_depth": settings.residual_depth, "dconv_comp": settings.residual_compression},
        **FIXED,
    }
    return sections | {"model": SECTION, SECTION: shape}


def theirs(name: str, settings: Config) -> str:
    if IDLE.match(name):
        return ""
    branch, _, rest = name.removeprefix("network.").partition(".")
    return f"{BRANCHES.get(branch, branch)}.{rest}"


HDEMUCS = Form("hdemucs", "htdemucs", arguments, content, theirs)
