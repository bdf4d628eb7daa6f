"""Every probe of the scoring pass by name. Each family exports its own entries; here they are put in order.

The order is that of the columns of a run's scores. Probes of your own, by import path, come after ours.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import cache

from raysep.errors import BadInput
from raysep.imports import imported
from raysep.probes import consistency, distances, influence, leakage, losses, per_track, signal, unlearning
from raysep.probes.probe import PER_TRACK, Probe

_FAMILIES = (
    losses.CLEAN,
    influence.PROBES,
    consistency.PROBES,
    losses.OWN,
    unlearning.PROBES,
    per_track.PROBES,
    distances.PROBES,
    signal.OF_SAMPLES,
    leakage.PROBES,
    signal.OF_ONSETS,
)
PROBES: dict[str, Probe] = {probe.name: probe for family in _FAMILIES for probe in family}


@cache
def probes_of(own: tuple[str, ...] = ()) -> Mapping[str, Probe]:
    """The probes of a run: ours, and those of ``own``, import paths ``package.module:NAME``.

    Importing a path runs the module, in every worker too. Raises ``BadInput`` for a path that does not lead to a ``Probe``,
    and for a name that is taken.
    """
    known = dict(PROBES)
    for path in own:
        probe = _own(path)
        if probe.name in known:
            raise BadInput(
                f"scoring.probes: {path!r}: there is a probe {probe.name!r} already; give yours another name"
            )
        known[probe.name] = probe
    return known


def _own(path: str) -> Probe:
    asked = f"scoring.probes: {path!r}"
    found = imported(path, asked, "must be written as package.module:NAME, where NAME is a raysep.probes.Probe")
    if not isinstance(found, Probe):
        raise BadInput(f"{asked} is no raysep.probes.Probe but a {type(found).__name__}")
    return found


def available(
    networks: Collection[str], distances: bool = True, probes: Mapping[str, Probe] = PROBES
) -> tuple[str, ...]:
    """Those of ``probes`` that these networks, and a reference for distances or none, allow."""
    return tuple(name for name, probe in probes.items() if probe.available(networks, distances))


def reads(probes: Iterable[Probe]) -> tuple[tuple[str, str], ...]:
    """(context, network) of every pass that these probes need: one, whatever is read of its output."""
    return tuple(dict.fromkeys((probe.context, network) for probe in probes for network in probe.networks))


def forward_passes(
    networks: Collection[str], labels: int, reference_tracks: int = 1, probes: Mapping[str, Probe] = PROBES
) -> float:
    """Forward passes that one segment of one stem costs in the whole pass, each network run once per context.

    ``unlearned-per-track`` stands for as many networks as there are ``reference_tracks``.
    """
    times = {PER_TRACK: reference_tracks}
    return sum(
        times.get(network, 1) / (labels if context == "own" else 1)
        for context, network in reads(probes[name] for name in available(networks, True, probes))
    )
