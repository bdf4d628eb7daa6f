"""Every probe of the scoring pass by name: what it reads, what it costs and where it comes from.

A probe's column is oriented **higher = cleaner** when ``oriented`` is true; the others are only usual or unusual.
Contexts: ``clean`` = the stem among clean reference stems of the other labels, ``own`` = among its own track's stems,
``alone`` = fed in by itself, ``stem`` = the whole stem's samples, no separator.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from raysep.probes import signal


@dataclass(frozen=True)
class Probe:
    name: str
    context: str  # clean | own | alone | stem
    checkpoint: str  # the networks it reads, joined by "+"; "" for none
    oriented: bool
    passes: float  # forward passes per segment if it were the only probe; own context serves all stems of a track
    source: str

    @property
    def networks(self) -> tuple[str, ...]:
        return tuple(self.checkpoint.split("+")) if self.checkpoint else ()


SIDES = ("plus", "minus")  # θ ± δ of the central difference
PER_TRACK = "unlearned-per-track"  # a network for each reference track
RHO_LOSS = "Mindermann et al. 2022 (RHO-LOSS, arXiv 2206.07137)"
CENTRAL = "central difference along the unlearning direction; docs: how a stem is scored"
BLIND = "Gui et al. 2025 (arXiv 2510.15409), after Wang et al. 2024 (arXiv 2406.09408)"
SELF = "SDX'23 first place on label noise (arXiv 2308.06979)"
AGREE = "SDX'23 second place on label noise (arXiv 2308.06979)"
FRECHET = "Gui et al. 2024 (arXiv 2311.01616), z-score against a length-matched null"

_PROBES = (
    Probe("loss", "clean", "final", True, 1, "training loss"),
    Probe("loss-early", "clean", "early", True, 1, "training loss before memorisation"),
    Probe("reference-loss", "clean", "reference", True, 1, RHO_LOSS),
    Probe("excess", "clean", "final+reference", True, 2, RHO_LOSS),
    Probe("influence", "clean", "plus+minus", True, 2, CENTRAL),
    Probe("influence-relative", "clean", "plus+minus+final", True, 3, CENTRAL),
    Probe("curvature", "clean", "plus+minus+final", False, 3, CENTRAL),
    Probe("agreement", "clean", "final", True, 1, AGREE),
    Probe("agreement-early", "clean", "early", True, 1, AGREE),
    Probe("agreement-reference", "clean", "reference", True, 1, AGREE),
    Probe("self-consistency", "alone", "final", True, 1, SELF),
    Probe("self-consistency-early", "alone", "early", True, 1, SELF),
    Probe("self-consistency-reference", "alone", "reference", True, 1, SELF),
    Probe("own-loss", "own", "final", True, 0.25, "training loss in the track's own mixture"),
    Probe("unlearning", "own", "final+unlearned", True, 0.5, BLIND),
    Probe("unlearning-relative", "own", "final+unlearned", True, 0.5, BLIND),
    Probe("unlearning-clean", "clean", "final+unlearned-clean", True, 2, BLIND),
    Probe("unlearning-clean-relative", "clean", "final+unlearned-clean", True, 2, BLIND),
    Probe(
        "unlearning-per-track", "own", "final+unlearned-per-track", True, 0.5, "the same, a reference track at a time"
    ),
    Probe("fad", "stem", "", True, 0, "Gui et al. 2024 (arXiv 2311.01616), raw"),
    Probe("fad-z", "stem", "", True, 0, FRECHET),
    Probe("fad-window", "stem", "", True, 0, FRECHET),
    Probe("mahalanobis", "stem", "", True, 0, "Ledoit and Wolf 2004 covariance, mean over frames"),
    Probe("mahalanobis-high", "stem", "", True, 0, "the same, upper decile of the frames"),
    Probe("neighbours", "stem", "", True, 0, "five nearest reference frames, mean over frames"),
    Probe("neighbours-high", "stem", "", True, 0, "the same, upper decile of the frames"),
    Probe("instrument", "stem", "", True, 0, "quadratic discriminant of the labels on reference embeddings"),
    *(Probe(f"signal-{n}", "stem", "", n in signal.ORIENTED, 0, "specialist on the samples") for n in signal.NAMES),
    Probe("leakage", "stem", "", True, 0, "Knapp and Carter 1976 (phase transform), between the track's stems"),
    Probe("signal-lag", "stem", "", True, 0, "onset cross-correlation with the track's other stems"),
    Probe("signal-synchrony", "stem", "", False, 0, "height of its peak"),
    Probe(
        "signal-in-time",
        "stem",
        "",
        True,
        0,
        "its value near no lag against the best elsewhere, with the best companion",
    ),
)
PROBES: dict[str, Probe] = {probe.name: probe for probe in _PROBES}
DISTANCES = ("fad", "fad-z", "fad-window", "mahalanobis", "mahalanobis-high", "neighbours", "neighbours-high")


def available(networks: Collection[str], distances: bool = True) -> tuple[str, ...]:
    """The probes that these networks, and a reference for distances or none, allow."""
    return tuple(
        probe.name
        for probe in _PROBES
        if set(probe.networks) <= set(networks) and (distances or probe.name not in (*DISTANCES, "instrument"))
    )


def forward_passes(networks: Collection[str], labels: int, reference_tracks: int = 1) -> float:
    """Forward passes that one segment of one stem costs in the whole pass, each network run once per context.

    ``unlearned-per-track`` stands for as many networks as there are ``reference_tracks``.
    """
    reads = {
        (probe.context, network)
        for name in available(networks)
        for probe in [PROBES[name]]
        for network in probe.networks
    }
    times = {PER_TRACK: reference_tracks}
    return sum(times.get(network, 1) / (labels if context == "own" else 1) for context, network in reads)
