"""The networks by name, and back: a checkpoint says ``model`` and ``arguments``, never a class.

A name is one of ``MODELS``, or the import path ``package.module:Class`` of a ``Separator`` of the user's own.
"""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from raysep.errors import BadInput
from raysep.imports import registered

if TYPE_CHECKING:  # it brings torch, which those who only ask for the names do without
    from raysep.separators.base import Separator

MODELS: dict[str, str] = {  # as text: a network's module is imported when it is asked for
    "openunmix": "raysep.separators.openunmix:OpenUnmix",
    "openunmix-joint": "raysep.separators.openunmix:JointOpenUnmix",
    "hdemucs": "raysep.separators.hdemucs:HDemucs",
    "convtasnet": "raysep.separators.convtasnet:ConvTasNet",
    "scnet": "raysep.separators.scnet:SCNet",
    "bs-roformer": "raysep.separators.bsroformer:BSRoformer",
    "mel-band-roformer": "raysep.separators.melroformer:MelRoformer",
}
COMMON = ("stems", "sample_rate", "channels", "n_fft", "hop")  # what every configuration has


def resolve(name: str) -> tuple[type, type[Separator]]:
    """(class of its configuration, class of the network) of a name or an import path.

    Raises ``BadInput`` for a name that is not known, and for a path that does not lead to a ``Separator`` with a complete
    ``config_class``.
    """
    from raysep.separators.base import Separator

    network_class = registered("model", name, MODELS, "a class of your own as package.module:Class")
    if not (isinstance(network_class, type) and issubclass(network_class, Separator)):
        raise BadInput(f"model {name!r}: not a subclass of raysep.separators.base.Separator")
    config_class = network_class.config_class
    if not (isinstance(config_class, type) and dataclasses.is_dataclass(config_class)):
        raise BadInput(f"model {name!r}: its attribute config_class must name the dataclass of its configuration")
    if missing := [field for field in COMMON if field not in _fields(config_class)]:
        raise BadInput(
            f"model {name!r}: its {config_class.__name__} lacks {', '.join(missing)}; every network has them"
        )
    return config_class, network_class


def fields_of(name: str) -> tuple[str, ...]:
    """The arguments that ``build(name, ...)`` takes."""
    return _fields(resolve(name)[0])


def build(name: str, **arguments: Any) -> Separator:
    """A freshly initialised network; ``arguments`` are its config's fields (a list is as good as a tuple).

    Raises ``BadInput`` for a name or an argument that does not exist, and for one that is missing. Initial weights come
    from torch's global generator: call ``torch.manual_seed`` first for the same ones.
    """
    config_class, network_class = resolve(name)
    known = _fields(config_class)
    if unknown := sorted(set(arguments) - set(known)):
        raise BadInput(f"model {name!r}: no argument {', '.join(unknown)}; it takes {', '.join(known)}")
    if missing := [field for field in _required(config_class) if field not in arguments]:
        raise BadInput(f"model {name!r}: give {', '.join(missing)} too; its {config_class.__name__} has no default")
    return network_class(config_class(**{key: _from_json(value) for key, value in arguments.items()}))


def describe(network: Separator) -> tuple[str, dict]:
    """``(name, arguments)`` such that ``build(name, **arguments)`` has the same shape; JSON-able.

    Raises ``BadInput`` for a network that a checkpoint could not bring back: its class cannot be imported by name (it
    was defined in a function or in the program itself), or a field of its configuration is not plain.
    """
    kind = type(network)
    path = f"{kind.__module__}:{kind.__qualname__}"
    name = next((known for known, where in MODELS.items() if where == path), path)
    if kind.__module__ == "__main__" or "." in kind.__qualname__ or resolve(name)[1] is not kind:
        raise BadInput(
            f"model {name!r}: only this program can find that class; put it at the top level of a module of its own, so "
            "that a checkpoint can name it"
        )
    arguments = {}
    for field in _fields(type(network.config)):
        value = getattr(network.config, field)
        arguments[field] = _to_json(value)
        if not _survives(value):
            raise BadInput(
                f"model {name!r}: {field} {value!r} cannot be kept in a checkpoint; a field holds numbers, text, "
                "true, false, null, or tuples of them"
            )
    return name, arguments


def _fields(config_class: type) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(config_class) if field.init)


def _required(config_class: type) -> list[str]:
    absent = dataclasses.MISSING
    return [f.name for f in dataclasses.fields(config_class) if f.init and f.default is f.default_factory is absent]


def _to_json(value: Any) -> Any:
    return [_to_json(part) for part in value] if isinstance(value, tuple | list) else value


def _from_json(value: Any) -> Any:
    return tuple(_from_json(part) for part in value) if isinstance(value, tuple | list) else value


def _survives(value: Any) -> bool:
    """Whether ``value`` comes back from JSON as it was, a list as a tuple."""
    try:
        return _from_json(json.loads(json.dumps(_to_json(value)))) == _from_json(value)
    except (TypeError, ValueError):
        return False
