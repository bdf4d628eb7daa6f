"""Open-Unmix models as the openunmix package stores them, read and written: files by name, as bytes.

A model folder holds ``separator.json`` (transform, rate, channels) and per target ``<target>.pth`` (the bare state) with
``<target>.json`` (the arguments of its training). Format: open-unmix 1.3.0, ``openunmix/utils.py``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

import torch
from torch import Tensor

from raysep.errors import BadInput
from raysep.separators import pickled, registry
from raysep.separators.checkpoint import Checkpoint

# What the weights of 2019 (umx, umxhq) carry beside the network's own: they follow from the arguments.
# ``open-unmix-pytorch`` v1.0.0, ``model.py``.
OLD_BUFFERS = ("sample_rate", "stft.window", "transform.0.window")
SHAPED = {"fc1.weight": 2, "input_mean": 1, "output_mean": 1}  # the tensors that say the sizes: number of dimensions
SETTINGS = ("sample_rate", "nb_channels", "nfft", "nhop")  # of separator.json
DIGEST = re.compile(r"-[0-9a-f]{8}$")


def from_umx(files: Mapping[str, bytes]) -> Checkpoint:
    """The checkpoint of an ``openunmix`` network with one target per ``.pth`` file, in the order of their names.

    A name such as ``vocals-b62c91ce.pth`` (as published, with the start of its digest) is the target ``vocals``. Raises
    ``BadInput`` for a folder that lacks something, a causal (one-directional) model, targets of different shapes, and any
    unknown tensor.
    """
    settings = _settings(files)
    states: dict[str, dict[str, Tensor]] = {}
    for name in sorted(name for name in files if name.endswith(".pth")):
        target = DIGEST.sub("", name.removesuffix(".pth"))
        if target in states:
            raise BadInput(f"{name}: a second file of the target {target!r}; leave only one of them in the folder")
        states[target] = pickled.read(files[name], name)
    if not states:
        raise BadInput("separator.json without any .pth file: give the folder with the weights, one file per target")
    shapes = {target: _arguments(target, state, settings) for target, state in states.items()}
    arguments = next(iter(shapes.values()))
    for target, other in shapes.items():
        if other != arguments:
            differing = sorted(k for k in other if other[k] != arguments[k])
            raise BadInput(f"{target}.pth: {', '.join(differing)} differ from the other targets'; convert them apart")
    arguments |= {"stems": list(states)}
    weights: dict[str, Tensor] = {}
    expected = _names(arguments)
    for target, state in states.items():
        unknown = sorted(set(state) - expected - set(OLD_BUFFERS))
        missing = sorted(expected - set(state))
        if unknown or missing:
            raise BadInput(f"{target}.pth: not an Open-Unmix state: unknown {unknown}, missing {missing}")
        weights |= {
            f"targets.{target}.{name}": state[name].float() if state[name].is_floating_point() else state[name]
            for name in expected
        }
    return Checkpoint("openunmix", arguments, weights, metadata={"converted_from": "openunmix"})


def to_umx(checkpoint: Checkpoint) -> dict[str, bytes]:
    """The files of a model folder that the openunmix package loads.

    The package builds three layers and mirrors the ends of the signal: a checkpoint with other ``layers`` is refused by
    ``BadInput``; one trained with zero padding converts, and differs in its first and last frames.
    """
    arguments = checkpoint.arguments
    if checkpoint.model != "openunmix":
        raise BadInput(f"model {checkpoint.model!r}: the openunmix package knows only its own network, `openunmix`")
    if arguments["layers"] != 3:
        raise BadInput(f"layers {arguments['layers']}: the openunmix package loads networks of 3 layers only")
    shared = {"nb_channels": arguments["channels"], "nfft": arguments["n_fft"], "nhop": arguments["hop"]}
    files = {"separator.json": _dump(shared | {"sample_rate": float(arguments["sample_rate"])})}
    for target in arguments["stems"]:
        prefix = f"targets.{target}."
        state = {name.removeprefix(prefix): w for name, w in checkpoint.weights.items() if name.startswith(prefix)}
        files[f"{target}.pth"] = pickled.write(state)
        files[f"{target}.json"] = _dump(
            {
                "args": shared
                | {"target": target, "hidden_size": arguments["hidden"], "bandwidth": _bandwidth(arguments)}
            }
        )
    return files


def _arguments(target: str, state: dict[str, Tensor], settings: dict) -> dict:
    """What the network is built from, as its tensors and the settings say."""
    if not any(name.startswith("lstm.") for name in state):
        raise BadInput(f"{target}.pth: no LSTM in it; not an Open-Unmix state, or a training's .chkpnt around one")
    if not any(name.endswith("_reverse") for name in state):
        raise BadInput(
            f"{target}.pth: a causal model (no backward LSTM); only the published two-directional ones convert"
        )
    shapes = {name: tuple(state[name].shape) if name in state else () for name in SHAPED}
    if [len(shape) for shape in shapes.values()] != list(SHAPED.values()):
        raise BadInput(f"{target}.pth: not an Open-Unmix state: " + ", ".join(f"{n} {s}" for n, s in shapes.items()))
    (hidden, reads), (bins,), (writes,) = shapes.values()
    rate, channels, n_fft = settings["sample_rate"], settings["nb_channels"], settings["nfft"]
    if writes != n_fft // 2 + 1:
        raise BadInput(f"{target}.pth: {writes} bins, but separator.json says nfft {n_fft}")
    if reads != channels * bins:
        raise BadInput(f"{target}.pth: reads {reads} values of {bins} bins, separator.json says nb_channels {channels}")
    if "sample_rate" in state and round(float(state["sample_rate"])) != rate:
        raise BadInput(f"{target}.pth: of {float(state['sample_rate']):g} Hz, but separator.json says {rate}")
    return {
        "sample_rate": rate,
        "channels": channels,
        "n_fft": n_fft,
        "hop": settings["nhop"],
        "hidden": hidden,
        "layers": sum(name.startswith("lstm.weight_hh") for name in state) // 2,
        # The frequency in the middle of the last bin that is read and the first that is not.
        "max_bin_hz": None if bins == writes else (bins - 0.5) * rate / n_fft,
        "padding": "reflect",
    }


def _names(arguments: dict) -> set[str]:
    with torch.random.fork_rng(devices=[]):
        network = registry.build("openunmix", **arguments)
    prefix = f"targets.{arguments['stems'][0]}."
    return {name.removeprefix(prefix) for name in network.state_dict() if name.startswith(prefix)}


def _bandwidth(arguments: dict) -> int:
    hertz = arguments.get("max_bin_hz")
    return round(arguments["sample_rate"] / 2 if hertz is None else hertz)


def _settings(files: Mapping[str, bytes]) -> dict[str, int]:
    """``separator.json``: rate (Hz), channels, window and hop (samples)."""
    if "separator.json" not in files:
        raise BadInput(
            "separator.json is missing: give a model folder of the openunmix package (with one .pth per target)"
        )
    try:
        content = json.loads(files["separator.json"])
        return {name: round(float(content[name])) for name in SETTINGS}
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise BadInput(
            f"separator.json: cannot be read ({type(error).__name__}: {error}); it holds {', '.join(SETTINGS)}, all numbers"
        ) from error


def _dump(value: dict) -> bytes:
    return json.dumps(value, indent=2).encode() + b"\n"
