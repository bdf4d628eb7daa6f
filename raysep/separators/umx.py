"""Open-Unmix models as the openunmix package stores them, read and written: files by name, as bytes.

A model folder holds ``separator.json`` (transform, rate, channels) and per target ``<target>.pth`` (the bare state) with
``<target>.json`` (the arguments of its training). Format: open-unmix 1.3.0, ``openunmix/utils.py``.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping

import torch
from torch import Tensor

from raysep.errors import BadInput
from raysep.separators import registry
from raysep.separators.checkpoint import Checkpoint

# What the weights of 2019 (umx, umxhq) carry beside the network's own: they follow from the arguments.
OLD_BUFFERS = ("sample_rate", "stft.window", "transform.0.window")


def from_umx(files: Mapping[str, bytes]) -> Checkpoint:
    """The checkpoint of an ``openunmix`` network with one target per ``.pth`` file, in the order of their names.

    A name such as ``vocals-b62c91ce.pth`` (as published) is the target ``vocals``. Raises ``BadInput`` for a folder that
    lacks something, a causal (one-directional) model, targets of different shapes, and any unknown tensor.
    """
    settings = _json(files, "separator.json")
    states = {
        name.removesuffix(".pth").split("-")[0]: _state(files[name], name)
        for name in sorted(files)
        if name.endswith(".pth")
    }
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
        files[f"{target}.pth"] = _bytes(state)
        files[f"{target}.json"] = _dump(
            {
                "args": shared
                | {"target": target, "hidden_size": arguments["hidden"], "bandwidth": _bandwidth(arguments)}
            }
        )
    return files


def _arguments(target: str, state: dict[str, Tensor], settings: dict) -> dict:
    """What the network is built from, as its tensors and the two notes say."""
    if not any(name.endswith("_reverse") for name in state):
        raise BadInput(
            f"{target}.pth: a causal model (no backward LSTM); only the published two-directional ones convert"
        )
    try:
        hidden, reads = state["fc1.weight"].shape
        writes, layers = state["output_mean"].shape[0], sum(name.startswith("lstm.weight_hh") for name in state) // 2
        bins = state["input_mean"].shape[0]
        channels = reads // bins
        n_fft = int(settings["nfft"])
        if writes != n_fft // 2 + 1:
            raise BadInput(f"{target}.pth: {writes} bins, but separator.json says nfft {n_fft}")
        rate = round(float(settings["sample_rate"]))
        return {
            "sample_rate": rate,
            "channels": channels,
            "n_fft": n_fft,
            "hop": int(settings["nhop"]),
            "hidden": hidden,
            "layers": layers,
            # The highest frequency that keeps just these bins.
            "max_bin_hz": None if bins == writes else (bins - 0.5) * rate / n_fft,
            "padding": "reflect",
        }
    except KeyError as error:
        raise BadInput(f"{target}: {error} is missing from its weights or separator.json") from error


def _names(arguments: dict) -> set[str]:
    with torch.random.fork_rng(devices=[]):
        network = registry.build("openunmix", **arguments)
    return set(next(iter(network.targets.values())).state_dict())


def _bandwidth(arguments: dict) -> int:
    hertz = arguments.get("max_bin_hz")
    return round(arguments["sample_rate"] / 2 if hertz is None else hertz)


def _state(data: bytes, name: str) -> dict[str, Tensor]:
    try:
        return torch.load(io.BytesIO(data), weights_only=True, map_location="cpu")
    except Exception as error:
        raise BadInput(f"{name}: not a state of tensors ({str(error).splitlines()[0]})") from error


def _bytes(state: dict[str, Tensor]) -> bytes:
    stream = io.BytesIO()
    torch.save(state, stream)
    return stream.getvalue()


def _json(files: Mapping[str, bytes], name: str) -> dict:
    if name not in files:
        raise BadInput(
            f"{name} is missing: give a model folder of the openunmix package (separator.json, one .pth per target)"
        )
    try:
        return json.loads(files[name])
    except ValueError as error:
        raise BadInput(f"{name}: not JSON ({error})") from error


def _dump(value: dict) -> bytes:
    return json.dumps(value, indent=2).encode() + b"\n"
