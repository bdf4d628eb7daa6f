"""The networks by name, and back: a checkpoint says ``model`` and ``arguments``, never a class.

A name is one of ``MODELS``, or the import path ``package.module:Class`` of a ``Separator`` of the user's own.
"""

from __future__ import annotations

import dataclasses
import importlib

from raysep.errors import BadInput
from raysep.separators.base import Separator

MODELS: dict[str, str] = {
    "openunmix": "raysep.separators.openunmix:OpenUnmix",
    "openunmix-joint": "raysep.separators.openunmix:JointOpenUnmix",
    "hdemucs": "raysep.separators.hdemucs:HDemucs",
    "convtasnet": "raysep.separators.convtasnet:ConvTasNet",
    "scnet": "raysep.separators.scnet:SCNet",
}


def resolve(name: str) -> tuple[type, type[Separator]]:
    """(class of its configuration, class of the network) of a name or an import path.

    Importing a path runs the module, which must be installed or on the path already. Raises ``BadInput`` for a name that
    is not known and for a path that does not lead to a ``Separator`` with a ``config_class``.
    """
    path = MODELS.get(name, name)
    module, colon, attribute = path.partition(":")
    if not (module and colon and attribute):
        raise BadInput(
            f"model {name!r}: not known; choose one of {', '.join(sorted(MODELS))}, or give a class of your own as "
            "package.module:Class"
        )
    try:
        network_class = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise BadInput(
            f"model {name!r}: cannot be imported ({error}); is its module installed on every node?"
        ) from error
    if not (isinstance(network_class, type) and issubclass(network_class, Separator)):
        raise BadInput(f"model {name!r}: not a subclass of raysep.separators.base.Separator")
    if not dataclasses.is_dataclass(network_class.config_class):
        raise BadInput(f"model {name!r}: its attribute config_class must name the dataclass of its configuration")
    return network_class.config_class, network_class


def fields_of(name: str) -> tuple[str, ...]:
    """The arguments that ``build(name, ...)`` takes."""
    return tuple(field.name for field in dataclasses.fields(resolve(name)[0]))


def build(name: str, **arguments) -> Separator:
    """A freshly initialised network; ``arguments`` are its config's fields (a list is as good as a tuple).

    Raises ``BadInput`` for a name or an argument that does not exist. Initial weights come from torch's global
    generator: call ``torch.manual_seed`` first for the same ones.
    """
    config_class, network_class = resolve(name)
    known = fields_of(name)
    unknown = sorted(set(arguments) - set(known))
    if unknown:
        raise BadInput(f"model {name!r}: no argument {', '.join(unknown)}; it takes {', '.join(known)}")
    arguments = {key: tuple(value) if isinstance(value, list) else value for key, value in arguments.items()}
    return network_class(config_class(**arguments))


def describe(network: Separator) -> tuple[str, dict]:
    """``(name, arguments)`` such that ``build(name, **arguments)`` has the same shape; JSON-able."""
    kind = type(network)
    path = f"{kind.__module__}:{kind.__qualname__}"
    name = next((known for known, where in MODELS.items() if where == path), path)
    resolve(name)  # a class that cannot be found again (a local one) must not end up in a checkpoint
    arguments = dataclasses.asdict(network.config)
    return name, {key: list(value) if isinstance(value, tuple) else value for key, value in arguments.items()}
