"""The networks by name, and back: a checkpoint says ``model`` and ``arguments``, never a class."""

from __future__ import annotations

import dataclasses

from raysep.errors import BadInput
from raysep.separators.base import Separator
from raysep.separators.openunmix import JointConfig, JointOpenUnmix, OpenUnmix, OpenUnmixConfig

MODELS: dict[str, tuple[type, type[Separator]]] = {
    "openunmix": (OpenUnmixConfig, OpenUnmix),
    "openunmix-joint": (JointConfig, JointOpenUnmix),
}


def build(name: str, **arguments) -> Separator:
    """A freshly initialised network; ``arguments`` are its config's fields (a list is as good as a tuple).

    Raises ``BadInput`` for a name or an argument that does not exist. Initial weights come from torch's global
    generator: call ``torch.manual_seed`` first for the same ones.
    """
    if name not in MODELS:
        raise BadInput(f"model {name!r}: not known; choose one of {', '.join(sorted(MODELS))}")
    config_class, network_class = MODELS[name]
    known = [field.name for field in dataclasses.fields(config_class)]
    unknown = sorted(set(arguments) - set(known))
    if unknown:
        raise BadInput(f"model {name!r}: no argument {', '.join(unknown)}; it takes {', '.join(known)}")
    if "stems" in arguments:
        arguments["stems"] = tuple(arguments["stems"])
    return network_class(config_class(**arguments))


def describe(network: Separator) -> tuple[str, dict]:
    """``(name, arguments)`` such that ``build(name, **arguments)`` has the same shape; JSON-able."""
    for name, (_, network_class) in MODELS.items():
        if type(network) is network_class:
            arguments = dataclasses.asdict(network.config)
            return name, arguments | {"stems": list(network.stems)}
    raise BadInput(f"{type(network).__name__}: not a registered network; add it to raysep/separators/registry.py")
