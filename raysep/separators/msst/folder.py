"""A folder of MSST, a YAML and a state, to a checkpoint and back."""

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
from raysep.separators.msst.form import Form, Sections
from raysep.separators.msst.hdemucs import HDEMUCS
from raysep.separators.msst.roformer import BS_ROFORMER, MEL_BAND_ROFORMER
from raysep.separators.msst.scnet import SCNET

FORMS = {form.model: form for form in (BS_ROFORMER, MEL_BAND_ROFORMER, SCNET, HDEMUCS)}
INSIDE = ("state_dict", "model_state_dict", "state")  # where a checkpoint of a training keeps the state
YAML, STATE = (".yaml", ".yml"), (".ckpt", ".pth")


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

    Raises ``BadInput`` unless there is one of each, for a network that is none of ``FORMS`` or has parts that ours lack, and
    for a state that does not fit the YAML by name and shape.
    """
    configuration, state = _only(files, YAML), _only(files, STATE)
    model, arguments = arguments_of(files[configuration], configuration)
    weights = _renamed(pickled.read(files[state], state, INSIDE), FORMS[model], arguments, state)
    return Checkpoint(model, arguments, weights, metadata={"converted_from": "msst"})


def to_msst(checkpoint: Checkpoint) -> dict[str, bytes]:
    """A YAML and a state, that MSST loads by ``--config_path``, ``--start_check_point`` and ``--model_type``.

    The YAML holds what separation needs; for further training take the other sections from one of MSST's own. Raises
    ``BadInput`` for another network, and for one that is not built there.
    """
    if checkpoint.model not in FORMS:
        *most, last = FORMS
        raise BadInput(f"model {checkpoint.model!r}: only {', '.join(most)} and {last} become a folder for MSST")
    form, settings = FORMS[checkpoint.model], _built(checkpoint.model, checkpoint.arguments).config
    text = yaml.dump(
        form.content(settings), Dumper=yaml.Dumper, sort_keys=False
    )  # tuples by the tag its classes ask for
    named = {form.theirs(name, settings): tensor for name, tensor in checkpoint.weights.items()}
    named.pop("", None)
    return {f"{form.type}.yaml": text.encode(), f"{form.type}.ckpt": pickled.write(named)}


def arguments_of(data: bytes, name: str) -> tuple[str, dict[str, Any]]:
    """(our network, its arguments) by an MSST YAML. Raises ``BadInput`` naming ``name``."""
    content = _sections(data, name)
    form = _form(content, name)
    return form.model, form.arguments(content, name)


def _form(content: Sections, name: str) -> Form:
    """Of which network a YAML is: the two RoFormers' and SCNet's say it by what they hold, Demucs' by a word."""
    shape = content["model"]
    if isinstance(shape, str):
        if shape != HDEMUCS.model:
            raise BadInput(f"{name}: model {shape}: of Demucs only {HDEMUCS.model} is here")
        return HDEMUCS
    if "num_bands" in shape:
        return MEL_BAND_ROFORMER
    return SCNET if "dims" in shape or "band_SR" in shape else BS_ROFORMER


def _sections(data: bytes, name: str) -> dict[str, Any]:
    try:
        content = yaml.load(data, Loader=_Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadInput(f"{name}: not YAML ({' '.join(str(error).split())})") from error
    content = content if isinstance(content, dict) else {}
    kinds = {"audio": dict, "model": dict | str, "training": dict}
    if lacking := [key for key, kind in kinds.items() if not isinstance(content.get(key), kind)]:
        raise BadInput(f"{name}: not a configuration of MSST's: no section {', '.join(lacking)}")
    return content


def _only(files: Mapping[str, bytes], endings: tuple[str, ...]) -> str:
    found = sorted(name for name in files if name.endswith(endings))
    if len(found) != 1:
        raise BadInput(f"{len(found)} files ending in {' or '.join(endings)}: leave one, beside the other of the two")
    return found[0]


def _renamed(state: Mapping[str, Tensor], form: Form, arguments: dict[str, Any], name: str) -> dict[str, Tensor]:
    """The state under our names, in single precision (some are published in half). Raises ``BadInput`` where it does not fit.

    What is built here and not there is never run, and stays as it is built: a normalisation's ones and zeros.
    """
    network = _built(form.model, arguments)
    ours = network.state_dict()
    there = {form.theirs(own, network.config): own for own in ours}
    idle = [own for own in ours if not form.theirs(own, network.config)]
    there.pop("", None)
    for words, names in (
        ("unknown here", sorted(state.keys() - there.keys())),
        ("missing", sorted(there.keys() - state.keys())),
        ("of another shape", [n for n, own in there.items() if n in state and state[n].shape != ours[own].shape]),
    ):
        if names:
            raise BadInput(
                f"{name}: does not fit the YAML as {form.model}: {len(names)} tensors {words}, such as {names[0]}"
            )
    weights = {own: state[n].float() for n, own in there.items()}
    return weights | {own: torch.full(ours[own].shape, float(own.endswith("weight"))) for own in idle}


def _built(model: str, arguments: Mapping[str, Any]) -> Separator:
    """The network without its weights' memory: its configuration, and names and shapes of its tensors."""
    try:
        with torch.device("meta"):
            return registry.build(model, **arguments)
    except TypeError as error:
        raise BadInput(f"{model} refuses {dict(arguments)} ({error})") from error
