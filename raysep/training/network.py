"""The network of a training: its arguments by the settings before there is one, and as it is read back when it is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from raysep.errors import BadInput

if TYPE_CHECKING:
    from raysep.config import Config
    from raysep.rundir import Run
    from raysep.separators.base import Separator
    from raysep.separators.checkpoint import Checkpoint

SIZES = ("hidden", "layers", "max_bin_hz")  # of the two openunmix networks; elsewhere such names mean something else


def network_arguments(config: Config, sample_rate: int, channels: int) -> dict[str, Any]:
    """The arguments of the network: those that follow from the settings, in samples and bins, and the user's over them.

    Only what the network's configuration has a field for is derived. Raises ``BadInput`` as ``check_network`` does, and
    for a value that the network refuses.
    """
    from raysep.separators import registry

    known, network = check_network(config), config.network
    n_fft = 1 << max(4, round(network.window_seconds * sample_rate) - 1).bit_length()
    derived: dict[str, Any] = {
        "stems": config.labels,
        "sample_rate": sample_rate,
        "channels": channels,
        "n_fft": n_fft,
        # Other networks than the two openunmix ones were published with four windows to a hop, or more.
        "hop": n_fft // (network.overlap if set(SIZES) <= set(known) else max(4, network.overlap)),
    }
    if set(SIZES) <= set(known):
        derived |= {"hidden": network.hidden, "layers": network.layers, "max_bin_hz": network.max_hz}
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in network.arguments.items()}
    for name, setting in (("stems", "labels"), ("sample_rate", "sample_rate"), ("channels", "the corpus's channels")):
        if given.get(name, derived[name]) != derived[name]:
            # Everything else that hears this network, and all it is measured on, goes by the setting.
            raise BadInput(
                f"network.arguments: {name} {given[name]!r} is not what this run has, {derived[name]!r}; it follows {setting}"
            )
    arguments = {name: value for name, value in derived.items() if name in known} | given
    try:
        registry.resolve(network.model)[0](**arguments)
    except (TypeError, ValueError) as error:
        raise BadInput(f"network.arguments: {network.model} refuses {network.arguments} ({error})") from error
    return arguments


def check_network(config: Config) -> tuple[str, ...]:
    """The arguments that the network takes. Raises ``BadInput`` for a model, or an argument of it, that is not known."""
    from raysep.separators import registry

    network = config.network
    known = registry.fields_of(network.model)
    if unknown := sorted(set(network.arguments) - set(known)):
        raise BadInput(f"network.arguments: {network.model} takes no {', '.join(unknown)}, but {', '.join(known)}")
    return known


def load_network(run: Run, name: str, folder: str = "checkpoints") -> tuple[Separator, Checkpoint]:
    """(network in eval mode, its checkpoint)."""
    import torch

    from raysep.separators import checkpoint

    file = f"{name}.safetensors"
    loaded = checkpoint.from_bytes(run.read_bytes(folder, file), run.path(folder, file))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return checkpoint.network_of(loaded).to(device), loaded
