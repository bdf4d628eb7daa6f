"""The networks of the pass over the segments of a track: each is run once in each context that a probe reads it in.

All networks see the same mixtures (common random numbers), made once; so are the spectrograms that networks of magnitudes
read. Losses are compared by magnitude, also those of networks that give waveforms.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from raysep.corpus.manifest import stem_id
from raysep.corpus.mixing import ReferenceBank, clean_context
from raysep.corpus.segments import Segment
from raysep.errors import BadInput
from raysep.probes.likeness import WIDE, Likeness
from raysep.probes.losses import loss_change, mean_square
from raysep.probes.probe import NETWORKS, PER_TRACK, Probe
from raysep.probes.readings import Output, Reading, Taken, loss
from raysep.probes.scoring_kit import ScoringKit
from raysep.separators.base import MagnitudeSeparator, Separator
from raysep.separators.spectrogram import magnitude

Wanted = Mapping[str, Mapping[str, tuple[Reading, ...]]]  # context → network → what is read of its output


@dataclass(frozen=True)
class Track:
    """One track cut into segments. ``labels`` are those it has, in the kit's order."""

    name: str
    labels: tuple[str, ...]
    segments: list[Segment]
    crops: np.ndarray  # (label, segment, channel, time) float32
    levels: np.ndarray  # (label, segment) dBFS, of the audio without padding
    audible: np.ndarray  # (label, segment)
    read: np.ndarray  # (label, segment), the audible ones that are scored: all, unless some are chosen


@dataclass(frozen=True)
class Spectra:
    """Audio ``(..., channel, time)`` on a network's device, and its magnitude in the network's spectrogram."""

    audio: Tensor | None  # not made for a network of magnitudes alone
    magnitude: Tensor

    def estimates(self, network: Separator) -> Tensor:
        """Of all stems, taking this for a mixture ``(batch, channel, time)``: ``(batch, stem, channel, bin, frame)``."""
        if isinstance(network, MagnitudeSeparator):
            return network.estimate(self.magnitude)  # its spectrogram is there already
        return network(self.audio)


def take(kit: ScoringKit, track: Track, probes: Iterable[Probe | Likeness]) -> Taken:
    """Every reading that the probes declare, of every segment that is read, the others NaN.

    Of a wide reading the last dimension is the networks' stems.

    Raises ``BadInput`` when networks are to listen to mixtures with clean partners and the kit has none.
    """
    wanted = wanted_by(probes)
    shapes = {PER_TRACK: (len(kit.per_track.networks), *track.read.shape)} if kit.per_track else {}
    taken = {
        (context, network, reading): np.full(
            shapes.get(network, track.read.shape) + ((len(kit.labels),) if reading in WIDE else ()), np.nan
        )
        for context, networks in wanted.items()
        for network, readings in networks.items()
        for reading in readings
    }
    _clean_and_alone(kit, track, wanted, taken)
    _own(kit, track, wanted["own"], taken)
    return taken


def wanted_by(probes: Iterable[Probe | Likeness]) -> Wanted:
    """Each network and each reading once, networks in the order of ``NETWORKS``: in own context the first is the start
    that the losses of the others are changes of.
    """
    probes = list(probes)
    wanted: dict[str, dict[str, tuple[Reading, ...]]] = {"clean": {}, "alone": {}, "own": {}}
    for context, networks in wanted.items():
        for network in (*NETWORKS, PER_TRACK):
            readings = (p.reading for p in probes if p.context == context and network in p.networks)
            if unique := tuple(dict.fromkeys(readings)):
                networks[network] = unique
    return wanted


# Among clean stems, and alone


def _clean_and_alone(kit: ScoringKit, track: Track, wanted: Wanted, taken: Taken) -> None:
    networks = {n: kit.networks[n] for n in NETWORKS if n in wanted["clean"] or n in wanted["alone"]}
    if not networks:
        return
    if kit.bank is None:
        raise BadInput("probes in clean context need a reference bank: give the reference, or no networks")
    items = [(int(row), int(column)) for row, column in np.argwhere(track.read)]
    for first in range(0, len(items), kit.options.batch):
        chosen = items[first : first + kit.options.batch]
        mixtures = np.stack([_clean_mixture(kit.bank, kit.options.seed, track, *each) for each in chosen])
        alone = np.stack([track.crops[row, column] for row, column in chosen])
        place = tuple(np.array(chosen).T)
        for name, network, (mixed, target), index in _inputs(networks, track, (mixtures, alone), place[0]):
            for context, spectra in (("clean", mixed), ("alone", target)):
                if readings := wanted[context].get(name):
                    output = Output(spectra.estimates(network), target.magnitude, index)
                    for reading in readings:
                        taken[context, name, reading][place] = _numbers(reading(output))
                    del output  # the next estimates need not lie beside these


def _inputs(
    networks: Mapping[str, Separator], track: Track, audio: tuple[np.ndarray, ...], rows: np.ndarray
) -> Iterator[tuple[str, Separator, tuple[Spectra, ...], Tensor]]:
    """Per network the parts of ``audio`` (transformed once per STFT) and the stem index of each label of ``rows``."""
    spectra: dict[tuple, tuple[Spectra, ...]] = {}
    for name, network in networks.items():
        device = next(network.parameters()).device
        key = (network.spectrogram.kind, device)
        if key not in spectra:
            parts = [torch.from_numpy(part).to(device) for part in audio]
            spectra[key] = tuple(Spectra(part, network.magnitude(part)) for part in parts)
        index = torch.tensor([network.stems.index(track.labels[row]) for row in rows], device=device)
        yield name, network, spectra[key], index


def _clean_mixture(bank: ReferenceBank, seed: int, track: Track, row: int, column: int) -> np.ndarray:
    label, segment = track.labels[row], track.segments[column]
    partners = bank.partners(stem_id(track.name, label), segment.index, label, seed)
    return clean_context(track.crops[row, column], label, partners)


# In the track's own mixture


def _own(kit: ScoringKit, track: Track, wanted: Mapping[str, tuple[Reading, ...]], taken: Taken) -> None:
    """One forward pass serves all stems of a track; of a track of one stem nothing is read.

    The loss of moved weights is the loss before and ``loss_change``: their difference, which attribution is, has the digits
    of the latter.
    """
    networks: list[tuple[str, Separator, Any]] = [(n, kit.networks[n], ...) for n in wanted if n != PER_TRACK]
    if PER_TRACK in wanted:
        assert kit.per_track is not None, "a probe of the reference tracks is there only with their networks"
        networks += [(PER_TRACK, network, number) for number, network in enumerate(kit.per_track.networks)]
    if not networks or len(track.labels) < 2:  # a stem alone has no mixture of its own
        return
    audible = np.flatnonzero(track.read.any(axis=0))
    for first in range(0, len(audible), kit.options.batch):
        chosen = audible[first : first + kit.options.batch]
        whole = len(chosen) == chosen[-1] + 1 - chosen[0]  # as nearly always: then nothing is copied
        crops = track.crops[:, chosen[0] : chosen[-1] + 1] if whole else track.crops[:, chosen]
        stems = torch.from_numpy(crops.swapaxes(0, 1))  # (segment, label, channel, time)
        rows, which = np.nonzero(track.read[:, chosen])
        readings = [wanted[name] for name, _, _ in networks]
        found = _together([network for _, network, _ in networks], readings, track.labels, stems)
        for (name, _, number), values in zip(networks, found, strict=True):
            for reading, each in values.items():
                taken["own", name, reading][number][rows, chosen[which]] = _numbers(each.T[rows, which])


def _together(
    networks: Iterable[Separator], wanted: Iterable[tuple[Reading, ...]], labels: tuple[str, ...], stems: Tensor
) -> Iterator[dict[Reading, Tensor]]:
    """Per network the readings ``(segment, label)`` of ``(segment, label, channel, time)`` stems in their own mixture."""
    spectra: dict[tuple, tuple[Spectra, Spectra]] = {}
    begun: dict[tuple, tuple[Tensor, Tensor, Tensor]] = {}
    for network, readings in zip(networks, wanted, strict=True):
        device = next(network.parameters()).device
        key = (network.spectrogram.kind, device, isinstance(network, MagnitudeSeparator))
        if key not in spectra:
            spectra[key] = _spectra_together(network, stems.to(device))
        mixed, targets = spectra[key]
        estimates = mixed.estimates(network)  # (segment, stem, channel, bin, frame)
        if labels != network.stems:
            estimates = estimates[:, [network.stems.index(label) for label in labels]]
        values = {r: _each_label(r, estimates, targets.magnitude) for r in readings if r is not loss}
        if loss in readings and key not in begun:
            excess = estimates - targets.magnitude
            values[loss] = mean_square(excess)
            begun[key] = estimates, excess, values[loss]
        elif loss in readings:
            start, excess, losses = begun[key]
            values[loss] = losses + loss_change(excess, estimates.sub_(start))
        yield values


def _each_label(reading: Reading, estimates: Tensor, targets: Tensor) -> Tensor:
    """``(segment, label)``: the reading of every stem of the track."""
    size, labels = targets.shape[:2]
    indices = [torch.full((size,), label, device=targets.device) for label in range(labels)]
    return torch.stack([reading(Output(estimates, targets[:, k], index)) for k, index in enumerate(indices)], dim=1)


def _spectra_together(network: Separator, stems: Tensor) -> tuple[Spectra, Spectra]:
    """The mixture of ``(segment, label, channel, time)`` stems, and the stems.

    The transform is linear: the mixture's spectrum is the sum of theirs. Each stem is transformed by itself, so that on
    a CPU what the transform works on stays in the cache.
    """
    whole, magnitudes = None, []
    for stem in stems.unbind(dim=1):
        spectrum = network.spectrogram(stem)
        magnitudes.append(magnitude(spectrum).mT)  # spectra lie in memory frame by frame; stacked, they still shall
        whole = spectrum if whole is None else whole.add_(spectrum)
    assert whole is not None, "a track has a stem"
    audio = None if isinstance(network, MagnitudeSeparator) else stems.sum(dim=1)
    return Spectra(audio, magnitude(whole)), Spectra(stems, torch.stack(magnitudes, dim=1).mT)


def _numbers(values: Tensor) -> np.ndarray:
    return values.double().cpu().numpy()
