"""The one pass: every probe of every segment of a track, while its audio is in memory.

What a row holds depends on the kit and on this track alone: not on other tracks, nor on who scores them. All networks
see the same mixtures (common random numbers), made once; so are the spectrograms that networks of magnitudes read.
Losses are compared by magnitude, also those of networks that give waveforms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from raysep.audio.levels import rms_dbfs
from raysep.corpus.manifest import stem_id
from raysep.corpus.mixing import clean_context
from raysep.corpus.segments import Segment, crop, cut
from raysep.errors import BadInput
from raysep.probes import signal
from raysep.probes.catalogue import DISTANCES, PROBES, Probe
from raysep.probes.consistency import agreement, own_excess
from raysep.probes.embedders.base import audible_frames
from raysep.probes.fad.reference import instrument
from raysep.probes.influence import central_difference, curvature
from raysep.probes.leakage import leakage
from raysep.probes.losses import loss_change, mean_square
from raysep.probes.scoring_kit import ScoringKit, ScoringOptions, label_references
from raysep.probes.unlearning import relative_tau, tau
from raysep.separators.base import MagnitudeSeparator, Separator
from raysep.separators.spectrogram import magnitude
from raysep.training.loss import magnitude_mse

__all__ = ["PROBES", "Probe", "ScoringKit", "ScoringOptions", "label_references", "score_track"]

PER_TRACK = "per-track {}"  # column of the loss at the θ⁻ of a reference track
Columns = dict[str, np.ndarray]  # name → (label, segment) float64
Choose = Callable[[str, np.ndarray], np.ndarray]  # label, which segments are audible → which of them are read


@dataclass(frozen=True)
class Heard:
    """Audio ``(..., channel, time)`` on a network's device, and its magnitude in the network's spectrogram."""

    audio: Tensor | None  # not made for a network of magnitudes alone
    magnitude: Tensor

    def estimates(self, network: Separator) -> Tensor:
        """Of all stems, taking this for a mixture ``(batch, channel, time)``: ``(batch, stem, channel, bin, frame)``."""
        if isinstance(network, MagnitudeSeparator):
            return network.estimate(self.magnitude)  # its spectrogram is there already
        return network(self.audio)


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


@torch.inference_mode()
def score_track(
    kit: ScoringKit,
    audio: Mapping[str, np.ndarray],
    track: str,
    choose: Choose | None = None,
    by_stem: Mapping[str, Mapping[str, float]] | None = None,
) -> list[dict]:
    """A row per stem and segment of one track: label → float32 ``(channel, time)`` at the kit's rate, all of one shape.

    Keys: ``track, stem, stem_id, segment`` (index), ``start`` and ``seconds`` (of the segment, in seconds),
    ``outcome`` ("scored", "silent", or "unread" for an audible one that was not chosen), ``level_dbfs``, and a value per
    name in ``kit.probes``: NaN where not scored or where a probe does not apply. Probes of the whole stem repeat on each
    of its scored rows; given ``by_stem`` (label → probe → value) they are taken from there and not measured again. A row
    is the same whichever others are chosen. Raises ``BadInput`` for a label that the kit cannot score, or shapes that
    differ.
    """
    cut_up = cut_track(kit, audio, track, choose)
    columns = _clean_and_alone(kit, cut_up) | own_losses(kit, cut_up)
    by_segment = _model_probes(columns, kit.options.rho, kit.options.unlearning_sign) | _per_track(kit, cut_up, columns)
    if by_stem is None:
        by_stem = _whole_stems(kit, audio, cut_up.labels)
    missing = dict.fromkeys(kit.probes, float("nan"))
    rows = []
    for row, label in enumerate(cut_up.labels):
        for column, segment in enumerate(cut_up.segments):
            scored = bool(cut_up.read[row, column])
            values = {**by_stem[label], **{name: v[row, column] for name, v in by_segment.items()}} if scored else {}
            rows.append(
                {
                    "track": track,
                    "stem": label,
                    "stem_id": stem_id(track, label),
                    "segment": segment.index,
                    "start": segment.start / kit.options.sample_rate,
                    "seconds": segment.frames / kit.options.sample_rate,
                    "outcome": "scored" if scored else "unread" if cut_up.audible[row, column] else "silent",
                    "level_dbfs": float(cut_up.levels[row, column]),
                    **{name: float(np.float32(values.get(name, default))) for name, default in missing.items()},
                }
            )
    return rows


# Probes that read a separator -------------------------------------------------------------------------------------


def _clean_and_alone(kit: ScoringKit, track: Track) -> Columns:
    """Losses, agreements and self-consistencies per network of every segment that is read, the others NaN."""
    known = ("final", "early", "reference", "plus", "minus", "unlearned-clean")
    networks = {name: kit.networks[name] for name in known if name in kit.networks}
    if not networks:
        return {}
    if kit.bank is None:
        raise BadInput("probes in clean context need a reference bank: give the reference, or no networks")
    items = [(int(row), int(column)) for row, column in np.argwhere(track.read)]
    columns: Columns = {}
    for first in range(0, len(items), kit.options.batch):
        chosen = items[first : first + kit.options.batch]
        mixtures = np.stack([_clean_mixture(kit, track, row, column) for row, column in chosen])
        alone = np.stack([track.crops[row, column] for row, column in chosen])
        place = tuple(np.array(chosen).T)
        for name, network, (mixed, target), index in _inputs(networks, track, (mixtures, alone), place[0]):
            estimate = mixed.estimates(network)[torch.arange(len(index)), index]  # (batch, channel, bin, frame)
            _put(columns, f"loss {name}", track, place, magnitude_mse(estimate, target.magnitude, torch.float64))
            if name in ("final", "early", "reference"):
                _put(columns, f"agreement {name}", track, place, agreement(estimate, target.magnitude))
                _put(columns, f"alone {name}", track, place, own_excess(target.estimates(network), index))
    return columns


def own_losses(kit: ScoringKit, track: Track) -> Columns:
    """Losses of every segment that is read in its own track's mixture: one forward pass serves all stems.

    ``own NETWORK`` → ``(label, segment)`` float64, NaN where not read. Those of moved weights are the loss before and
    ``loss_change``: their difference, which attribution is, has the digits of the latter.
    """
    networks = {name: kit.networks[name] for name in ("final", "unlearned") if name in kit.networks}
    if kit.per_track:
        networks |= {PER_TRACK.format(number): network for number, network in enumerate(kit.per_track.networks)}
    columns: Columns = {}
    heard = np.flatnonzero(track.read.any(axis=0)) if networks else []
    for first in range(0, len(heard), kit.options.batch):
        chosen = heard[first : first + kit.options.batch]
        whole = len(chosen) == chosen[-1] + 1 - chosen[0]  # as nearly always: then nothing is copied
        crops = track.crops[:, chosen[0] : chosen[-1] + 1] if whole else track.crops[:, chosen]
        stems = torch.from_numpy(crops.swapaxes(0, 1))  # (segment, label, channel, time)
        rows, which = np.nonzero(track.read[:, chosen])
        for name, losses in _together(networks, track.labels, stems):
            _put(columns, f"own {name}", track, (rows, chosen[which]), losses.T[rows, which])
    return columns


def _together(
    networks: Mapping[str, Separator], labels: tuple[str, ...], stems: Tensor
) -> Iterator[tuple[str, Tensor]]:
    """Per network the losses ``(segment, label)`` of ``(segment, label, channel, time)`` stems in their own mixture."""
    begun: dict[tuple, tuple] = {}
    for name, network in networks.items():
        device = next(network.parameters()).device
        key = (network.spectrogram.kind, device, isinstance(network, MagnitudeSeparator))
        mixed, targets, before = begun.get(key) or (*_heard_together(network, stems.to(device)), None)
        estimates = mixed.estimates(network)  # (segment, stem, channel, bin, frame)
        if labels != network.stems:
            estimates = estimates[:, [network.stems.index(label) for label in labels]]
        if before is None:
            excess = estimates - targets.magnitude
            losses = mean_square(excess)
            begun[key] = mixed, targets, (estimates, excess, losses)
            yield name, losses
        else:
            start, excess, losses = before
            yield name, losses + loss_change(excess, estimates.sub_(start))


def _heard_together(network: Separator, stems: Tensor) -> tuple[Heard, Heard]:
    """The mixture of ``(segment, label, channel, time)`` stems, and the stems.

    The transform is linear: the mixture's spectrum is the sum of theirs. Each stem is transformed by itself, so that on
    a CPU what the transform works on stays in the cache.
    """
    whole, magnitudes = None, []
    for stem in stems.unbind(dim=1):
        spectrum = network.spectrogram(stem)
        magnitudes.append(magnitude(spectrum).mT)  # spectra lie in memory frame by frame; stacked, they still shall
        whole = spectrum if whole is None else whole.add_(spectrum)
    audio = None if isinstance(network, MagnitudeSeparator) else stems.sum(dim=1)
    return Heard(audio, magnitude(whole)), Heard(stems, torch.stack(magnitudes, dim=1).mT)


def _inputs(
    networks: Mapping[str, Separator], track: Track, audio: tuple[np.ndarray, ...], rows: np.ndarray
) -> Iterator[tuple[str, Separator, tuple[Heard, ...], Tensor]]:
    """Per network the parts of ``audio`` (transformed once per STFT) and the stem index of each label of ``rows``."""
    heard: dict[tuple, tuple[Heard, ...]] = {}
    for name, network in networks.items():
        device = next(network.parameters()).device
        key = (network.spectrogram.kind, device)
        if key not in heard:
            parts = [torch.from_numpy(part).to(device) for part in audio]
            heard[key] = tuple(Heard(part, network.magnitude(part)) for part in parts)
        index = torch.tensor([network.stems.index(track.labels[row]) for row in rows], device=device)
        yield name, network, heard[key], index


def _clean_mixture(kit: ScoringKit, track: Track, row: int, column: int) -> np.ndarray:
    label, segment = track.labels[row], track.segments[column]
    partners = kit.bank.partners(stem_id(track.name, label), segment.index, label, kit.options.seed)
    return clean_context(track.crops[row, column], label, partners)


def _put(columns: Columns, name: str, track: Track, place: tuple[np.ndarray, np.ndarray], values: Tensor) -> None:
    """Enter values at (rows, columns) of the named array, made on first use."""
    columns.setdefault(name, np.full(track.audible.shape, np.nan))[place] = values.double().cpu().numpy()


def decibels(loss: np.ndarray) -> np.ndarray:
    """A loss in dB: it grows with the square of a stem's level, and raw a few loud stems would outvote all others."""
    return 10.0 * np.log10(np.maximum(loss, 1e-20))


def _model_probes(c: Columns, rho: float, sign: float = 1.0) -> Columns:
    """From losses to scores, higher = cleaner (curvature apart); a probe is left out when one of its networks is."""
    formulae = {
        "loss": lambda: -decibels(c["loss final"]),
        "loss-early": lambda: -decibels(c["loss early"]),
        "reference-loss": lambda: -decibels(c["loss reference"]),
        # A fault that the trained network has memorised costs it less than the network that never saw it.
        "excess": lambda: decibels(c["loss final"]) - decibels(c["loss reference"]),
        "influence": lambda: central_difference(c["loss plus"], c["loss minus"], rho),
        "influence-relative": lambda: (
            central_difference(c["loss plus"], c["loss minus"], rho) / np.maximum(c["loss final"], 1e-12)
        ),
        "curvature": lambda: curvature(c["loss plus"], c["loss final"], c["loss minus"]),
        "agreement": lambda: c["agreement final"],
        "agreement-early": lambda: c["agreement early"],
        "agreement-reference": lambda: c["agreement reference"],
        "self-consistency": lambda: c["alone final"],
        "self-consistency-early": lambda: c["alone early"],
        "self-consistency-reference": lambda: c["alone reference"],
        "own-loss": lambda: -decibels(c["own final"]),
        "unlearning": lambda: sign * tau(c["own final"], c["own unlearned"]),
        "unlearning-relative": lambda: sign * relative_tau(c["own final"], c["own unlearned"]),
        "unlearning-clean": lambda: sign * tau(c["loss final"], c["loss unlearned-clean"]),
        "unlearning-clean-relative": lambda: sign * relative_tau(c["loss final"], c["loss unlearned-clean"]),
    }
    scores = {}
    for name, formula in formulae.items():
        try:
            scores[name] = formula()
        except KeyError:
            continue  # a network of this probe is not in the kit
    return scores


def _per_track(kit: ScoringKit, track: Track, c: Columns) -> Columns:
    if not kit.per_track or "own final" not in c:
        return {}
    moved = [c[f"own {PER_TRACK.format(number)}"] for number in range(len(kit.per_track.networks))]
    return {"unlearning-per-track": kit.per_track.score(tau(c["own final"], np.stack(moved)), track.labels)}


# Probes that read the whole stem ----------------------------------------------------------------------------------


def _whole_stems(kit: ScoringKit, audio: Mapping[str, np.ndarray], labels: tuple[str, ...]) -> dict[str, dict]:
    onsets = {label: signal.onset_envelope(audio[label], kit.options.sample_rate) for label in labels}
    leaks = leakage(audio, kit.options.sample_rate)
    return {label: _stem_probes(kit, audio[label], label, onsets) | {"leakage": -leaks[label]} for label in labels}


def _stem_probes(kit: ScoringKit, stem: np.ndarray, label: str, onsets: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Distances and specialists of one stem, oriented higher = cleaner where they have a direction.

    ``onsets`` holds the onset envelope of each stem of the track.
    """
    rate = kit.options.sample_rate
    measured = signal.describe(stem, rate)
    scores = {f"signal-{name}": signal.ORIENTED.get(name, 1) * value for name, value in measured.items()}
    others = [envelope for name, envelope in sorted(onsets.items()) if name != label and len(envelope)]
    if others:
        lag, height, _ = signal.synchrony(onsets[label], np.sum(others, axis=0), rate)
        in_time = signal.best_margin(onsets[label], others, rate)
        scores |= {"signal-lag": -abs(lag), "signal-synchrony": height, "signal-in-time": in_time}
    if label in kit.fad:
        frames = audible_frames(kit.embedder, stem, rate, kit.options.silence)
        distances = kit.fad[label].score(frames)
        scores |= {name: -distances[name] for name in DISTANCES}
        scores["instrument"] = instrument(frames, label, kit.fad)
    return scores


# Cutting ----------------------------------------------------------------------------------------------------------


def cut_track(kit: ScoringKit, audio: Mapping[str, np.ndarray], track: str, choose: Choose | None = None) -> Track:
    """What ``score_track`` goes over: its arguments, checked and cut into segments."""
    if unknown := audio.keys() - set(kit.labels):
        raise BadInput(f"{track}: stems {', '.join(sorted(unknown))} are none of {', '.join(kit.labels)}")
    if len({stem.shape for stem in audio.values()}) > 1:
        raise BadInput(
            f"{track}: its stems differ in shape: " + str({name: stem.shape for name, stem in audio.items()})
        )
    labels = tuple(label for label in kit.labels if label in audio)
    length = kit.options.segment_frames
    frames = next(iter(audio.values())).shape[1] if audio else 0
    segments = cut(frames, length, kit.options.most_segments)
    crops = np.array([[crop(audio[label], s, length) for s in segments] for label in labels], dtype=np.float32)
    levels = np.array([[rms_dbfs(audio[label][:, s.start : s.start + s.frames]) for s in segments] for label in labels])
    audible = levels > kit.options.silence
    read = audible
    if choose:
        read = np.array([choose(label, heard) & heard for label, heard in zip(labels, audible, strict=True)])
    return Track(track, labels, segments, crops, levels, audible, read)
