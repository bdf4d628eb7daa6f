"""RoFormers as Music-Source-Separation-Training (MSST) keeps them: a YAML that says the shape, and a ``.ckpt`` with the state.

Our tensors carry the names of its own, so a state goes in and out as it is; only the YAML is translated. Format: MSST's
``configs/`` and the arguments of its two classes, as of 2025.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import yaml
from torch import Tensor

from raysep.errors import BadInput
from raysep.separators import pickled, registry
from raysep.separators.base import Separator
from raysep.separators.checkpoint import Checkpoint

BS, MEL = "bs-roformer", "mel-band-roformer"
TYPES = {BS: "bs_roformer", MEL: "mel_band_roformer"}  # its --model_type
INSIDE = ("state_dict", "model_state_dict", "state")  # where a checkpoint of a training keeps the state
YAML, STATE = (".yaml", ".yml"), (".ckpt", ".pth")

RENAMED = {"stft_n_fft": "n_fft", "stft_hop_length": "hop"}  # name there → here; all other names are the same
SAME = (
    *("dim", "depth", "time_transformer_depth", "freq_transformer_depth", "heads", "dim_head"),
    *("attn_dropout", "ff_dropout", "mask_estimator_depth", "mlp_expansion_factor"),
)
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


class _Loader(yaml.SafeLoader):
    """Safe, and knows the one tag that its files carry."""


def _tuple(loader: yaml.SafeLoader, node: yaml.SequenceNode) -> tuple[Any, ...]:
    return tuple(loader.construct_sequence(node))


_Loader.add_constructor("tag:yaml.org,2002:python/tuple", _tuple)


def is_msst(files: Mapping[str, bytes]) -> bool:
    """Whether a folder of these files is one for ``from_msst``."""
    return any(name.endswith(YAML) for name in files)


def from_msst(files: Mapping[str, bytes]) -> Checkpoint:
    """The checkpoint of a folder's YAML and state.

    Raises ``BadInput`` unless there is one of each, for a network that is none of the two or has parts that ours lack, and
    for a state that does not fit the YAML by name and shape.
    """
    configuration, state = _only(files, YAML), _only(files, STATE)
    model, arguments = arguments_of(files[configuration], configuration)
    weights = pickled.read(files[state], state, INSIDE)
    _check_fit(weights, model, arguments, state)
    weights = {name: value.float() for name, value in weights.items()}  # some are published in half precision
    return Checkpoint(model, arguments, weights, metadata={"converted_from": "msst"})


def to_msst(checkpoint: Checkpoint) -> dict[str, bytes]:
    """A YAML and a state, that MSST loads by ``--config_path``, ``--start_check_point`` and ``--model_type``.

    The YAML holds what separation needs; for further training take the other sections from one of MSST's own. Raises
    ``BadInput`` for another network, and for more channels than two.
    """
    if checkpoint.model not in TYPES:
        raise BadInput(f"model {checkpoint.model!r}: only {' and '.join(TYPES)} become a folder for MSST")
    settings = _built(checkpoint.model, checkpoint.arguments).config
    if settings.channels > 2:
        raise BadInput(f"channels {settings.channels}: MSST's networks have one or two")
    shape = {name: getattr(settings, RENAMED.get(name, name)) for name in (*SAME, *RENAMED)}
    shape |= {"stereo": settings.channels == 2, "num_stems": len(settings.stems), "stft_win_length": settings.n_fft}
    if checkpoint.model == BS:
        shape |= {"freqs_per_bands": settings.bands}
    else:
        shape |= {"num_bands": settings.num_bands, "sample_rate": settings.sample_rate}
    chunk = 8 * settings.sample_rate // settings.hop * settings.hop  # about eight seconds, as published
    content = {
        "audio": {
            **{"chunk_size": chunk, "sample_rate": settings.sample_rate, "num_channels": settings.channels},
            **{"n_fft": settings.n_fft, "hop_length": settings.hop, "min_mean_abs": 0.0},
        },
        "model": shape,
        "training": {
            "instruments": list(settings.stems),
            "target_instrument": settings.stems[0] if len(settings.stems) == 1 else None,
            "use_amp": True,
        },
        "inference": {"batch_size": 1, "dim_t": chunk // settings.hop + 1, "num_overlap": 2},
    }
    name = TYPES[checkpoint.model]
    text = yaml.dump(content, Dumper=yaml.Dumper, sort_keys=False)  # tuples by their tag, which MSST's classes ask for
    return {f"{name}.yaml": text.encode(), f"{name}.ckpt": pickled.write(checkpoint.weights)}


def arguments_of(data: bytes, name: str) -> tuple[str, dict[str, Any]]:
    """(our network, its arguments) by an MSST YAML. Raises ``BadInput`` naming ``name``."""
    content = _sections(data, name)
    shape: dict[str, Any] = content["model"]
    model = MEL if "num_bands" in shape else BS
    known = {*SAME, *RENAMED, *FIXED, *UNREAD, OWN[model], "stereo"}
    if unknown := sorted(key for key in shape if key not in known and not key.startswith("multi_stft_")):
        raise BadInput(f"{name}: model has {', '.join(unknown)}, which neither of our {' and '.join(TYPES)} has")
    for key, value in FIXED.items():
        if shape.get(key, value) != value:
            raise BadInput(f"{name}: model.{key} {shape[key]!r}: ours has {value!r} only")
    if missing := [key for key in ("dim", "depth") if key not in shape]:
        raise BadInput(f"{name}: model lacks {', '.join(missing)}")
    shape = DEFAULTS | OWN_DEFAULTS[model] | shape
    if shape.get("stft_win_length", shape["stft_n_fft"]) != shape["stft_n_fft"]:
        raise BadInput(f"{name}: model.stft_win_length {shape['stft_win_length']}: ours is as long as the transform")
    arguments = {RENAMED.get(key, key): shape[key] for key in (*SAME, *RENAMED, OWN[model])}
    rate = content["audio"].get("sample_rate", 44100)
    if model == MEL and shape["sample_rate"] != rate:
        raise BadInput(f"{name}: model.sample_rate {shape['sample_rate']}, but audio.sample_rate {rate}; ours has one")
    channels = 2 if shape["stereo"] else 1
    arguments |= {"stems": _stems(content["training"], shape, name), "sample_rate": rate, "channels": channels}
    return model, arguments


def _stems(training: dict[str, Any], shape: dict[str, Any], name: str) -> list[str]:
    target = training.get("target_instrument")
    stems = [target] if target else list(training.get("instruments") or ())
    count = shape.get("num_stems", 1)
    if len(stems) != count:
        raise BadInput(f"{name}: model.num_stems {count}, but training names {', '.join(map(str, stems)) or 'none'}")
    return stems


def _sections(data: bytes, name: str) -> dict[str, dict[str, Any]]:
    try:
        content = yaml.load(data, Loader=_Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadInput(f"{name}: not YAML ({' '.join(str(error).split())})") from error
    content = content if isinstance(content, dict) else {}
    if lacking := [key for key in ("audio", "model", "training") if not isinstance(content.get(key), dict)]:
        raise BadInput(f"{name}: not a configuration of MSST's: no section {', '.join(lacking)}")
    return content


def _only(files: Mapping[str, bytes], endings: tuple[str, ...]) -> str:
    found = sorted(name for name in files if name.endswith(endings))
    if len(found) != 1:
        raise BadInput(f"{len(found)} files ending in {' or '.join(endings)}: leave one, beside the other of the two")
    return found[0]


def _check_fit(weights: dict[str, Tensor], model: str, arguments: dict[str, Any], name: str) -> None:
    expected = _built(model, arguments).state_dict()
    for words, names in (
        ("unknown here", sorted(weights.keys() - expected.keys())),
        ("missing", sorted(expected.keys() - weights.keys())),
        ("of another shape", [n for n in expected if n in weights and weights[n].shape != expected[n].shape]),
    ):
        if names:
            raise BadInput(
                f"{name}: does not fit the YAML as {model}: {len(names)} tensors {words}, such as {names[0]}"
            )


def _built(model: str, arguments: Mapping[str, Any]) -> Separator:
    """The network without its weights' memory: its configuration, and names and shapes of its tensors."""
    try:
        with torch.device("meta"):
            return registry.build(model, **arguments)
    except TypeError as error:
        raise BadInput(f"{model} refuses {dict(arguments)} ({error})") from error
