"""BS-RoFormer and Mel-Band RoFormer in MSST: our tensors carry the names of its own, only the YAML is translated."""

from __future__ import annotations

from functools import partial
from typing import Any

from raysep.errors import BadInput
from raysep.separators.base import Config
from raysep.separators.bsroformer import BSRoformerConfig
from raysep.separators.melroformer import MelRoformerConfig
from raysep.separators.msst.form import Form, Sections, only, separation

RENAMED = {"stft_n_fft": "n_fft", "stft_hop_length": "hop"}  # name there → here; all other names are the same
SAME = (
    *("dim", "depth", "time_transformer_depth", "freq_transformer_depth", "heads", "dim_head"),
    *("attn_dropout", "ff_dropout", "mask_estimator_depth", "mlp_expansion_factor"),
)
BS, MEL = "bs-roformer", "mel-band-roformer"
OWN = {BS: "freqs_per_bands", MEL: "num_bands"}
# What its classes take where a YAML says nothing, as far as it shapes the network.
DEFAULTS = {
    **{
        "stereo": False,
        "stft_n_fft": 2048,
        "stft_hop_length": 512,
        "heads": 8,
        "dim_head": 64,
        "mlp_expansion_factor": 4,
    },
    **{"time_transformer_depth": 2, "freq_transformer_depth": 2, "attn_dropout": 0.0, "ff_dropout": 0.0},
}
OWN_DEFAULTS: dict[str, dict[str, Any]] = {
    BS: {"mask_estimator_depth": 2, "freqs_per_bands": None},
    MEL: {"mask_estimator_depth": 1, "num_bands": 60, "sample_rate": 44100},
}
FIXED = {"linear_transformer_depth": 0, "skip_connection": False, "stft_normalized": False}  # others are other networks
# How it computes, what it is trained on, and what follows from the rest.
UNREAD = {
    *("num_stems", "sample_rate", "stft_win_length", "flash_attn", "sage_attention", "use_torch_checkpoint"),
    *("dim_freqs_in", "match_input_audio_length"),
}


def arguments(content: Sections, name: str, model: str) -> dict[str, Any]:
    """Ours of a YAML named ``name``. Raises ``BadInput``."""
    shape: dict[str, Any] = content["model"]
    read = {key: value for key, value in shape.items() if not key.startswith("multi_stft_")}
    known = {*SAME, *RENAMED, *UNREAD, OWN[model], "stereo"}
    only(read, known, FIXED, f"{name}: model", f"neither of our {BS} and {MEL} has")
    if missing := [key for key in ("dim", "depth") if key not in shape]:
        raise BadInput(f"{name}: model lacks {', '.join(missing)}")
    shape = DEFAULTS | OWN_DEFAULTS[model] | shape
    if shape.get("stft_win_length", shape["stft_n_fft"]) != shape["stft_n_fft"]:
        raise BadInput(f"{name}: model.stft_win_length {shape['stft_win_length']}: ours is as long as the transform")
    rate = content["audio"].get("sample_rate", 44100)
    if model == MEL and shape["sample_rate"] != rate:
        raise BadInput(f"{name}: model.sample_rate {shape['sample_rate']}, but audio.sample_rate {rate}; ours has one")
    given = {RENAMED.get(key, key): shape[key] for key in (*SAME, *RENAMED, OWN[model])}
    channels = 2 if shape["stereo"] else 1
    return given | {"stems": _stems(content["training"], shape, name), "sample_rate": rate, "channels": channels}


def _stems(training: dict[str, Any], shape: dict[str, Any], name: str) -> list[str]:
    target = training.get("target_instrument")
    stems = [target] if target else list(training.get("instruments") or ())
    count = shape.get("num_stems", 1)
    if len(stems) != count:
        raise BadInput(f"{name}: model.num_stems {count}, but training names {', '.join(map(str, stems)) or 'none'}")
    return stems


def content(settings: Config) -> dict[str, Any]:
    """Raises ``BadInput`` for more channels than two."""
    assert isinstance(settings, BSRoformerConfig | MelRoformerConfig)
    if settings.channels > 2:
        raise BadInput(f"channels {settings.channels}: MSST's networks have one or two")
    shape = {name: getattr(settings, RENAMED.get(name, name)) for name in (*SAME, *RENAMED)}
    shape |= {"stereo": settings.channels == 2, "num_stems": len(settings.stems), "stft_win_length": settings.n_fft}
    if isinstance(settings, BSRoformerConfig):
        shape |= {"freqs_per_bands": settings.bands}
    else:
        shape |= {"num_bands": settings.num_bands, "sample_rate": settings.sample_rate}
    sections = separation(settings.sample_rate, settings.channels, settings.n_fft, settings.hop, settings.stems)
    return {"audio": sections["audio"], "model": shape} | sections


BS_ROFORMER, MEL_BAND_ROFORMER = (
    Form(model, model.replace("-", "_"), partial(arguments, model=model), content) for model in (BS, MEL)
)
