"""The one pass: every probe of every segment of a track, while its audio is in memory.

What a row holds depends on the kit and on this track alone: not on other tracks, nor on who scores them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import torch

from raysep.audio.levels import rms_dbfs
from raysep.corpus.manifest import stem_id
from raysep.corpus.segments import crop, cut
from raysep.errors import BadInput, RaysepError
from raysep.outcome import Outcome
from raysep.probes.catalogue import PROBES
from raysep.probes.contexts import Track, take
from raysep.probes.likeness import Likeness
from raysep.probes.probe import PER_TRACK, Probe
from raysep.probes.readings import Readings
from raysep.probes.scoring_kit import ScoringKit, ScoringOptions, label_references
from raysep.probes.seconds import GAPS, by_second, owned
from raysep.probes.whole_stem import WholeStem, WholeTrack

__all__ = ["PROBES", "Probe", "ScoringKit", "ScoringOptions", "label_references", "score_track"]

Choose = Callable[[str, np.ndarray], np.ndarray]  # label, which segments are audible → which of them are read


@torch.inference_mode()
def score_track(
    kit: ScoringKit,
    audio: Mapping[str, np.ndarray],
    track: str,
    choose: Choose | None = None,
    by_stem: Mapping[str, Mapping[str, Any]] | None = None,
) -> list[dict]:
    """A row per stem and segment of one track: label → float32 ``(channel, time)`` at the kit's rate, all of one shape.

    Keys: ``track, stem, stem_id, segment`` (index), ``start`` and ``seconds`` (of the segment, in seconds),
    ``outcome`` ("scored", "silent", or "unread" for an audible one that was not chosen), ``level_dbfs``, and a value per
    name in ``kit.probes``: NaN where not scored or where a probe does not apply; and a list over ``kit.labels`` for each of
    ``kit.likenesses``, None where not scored; and the lists ``seconds.BY_SECOND``, which the rows of a stem hold in turn.
    Probes and likenesses of the whole stem repeat on each of its scored rows; given ``by_stem`` (label → probe → value) they
    are taken from there and not measured again. A row is the same whichever others are chosen. Raises ``BadInput`` for a
    label that the kit cannot score, shapes that differ, or a formula that asks for what its probe does not declare.
    """
    cut_up, probes, likenesses = cut_track(kit, audio, track, choose), kit.entries, kit.likenesses
    by_segment = segment_scores(kit, cut_up, probes, likenesses)
    if by_stem is None:
        by_stem = stem_scores(kit, audio, cut_up, probes, likenesses)
    rows, rate = [], kit.options.sample_rate
    for row, label in enumerate(cut_up.labels):
        seconds = by_second(audio[label], rate)
        its = owned([segment.start / rate for segment in cut_up.segments], len(seconds[GAPS]))
        for column, segment in enumerate(cut_up.segments):
            scored = bool(cut_up.read[row, column])
            values = {**by_stem[label], **{name: v[row, column] for name, v in by_segment.items()}} if scored else {}
            unheard = Outcome.UNREAD if cut_up.audible[row, column] else Outcome.SILENT
            rows.append(
                {
                    "track": track,
                    "stem": label,
                    "stem_id": stem_id(track, label),
                    "segment": segment.index,
                    "start": segment.start / rate,
                    "seconds": segment.frames / rate,
                    "outcome": Outcome.SCORED if scored else unheard,
                    "level_dbfs": float(cut_up.levels[row, column]),
                    **{p.name: float(np.float32(values[p.name])) if scored else float("nan") for p in probes},
                    **{each.name: _float32(values.get(each.name)) for each in likenesses},
                    **{name: _float32(shares[its[column]]) for name, shares in seconds.items()},
                }
            )
    return rows


def _float32(values: Any) -> list[float] | None:
    return None if values is None else np.asarray(values, dtype=np.float32).tolist()


def segment_scores(
    kit: ScoringKit, track: Track, probes: Iterable[Probe], likenesses: Iterable[Likeness] = ()
) -> dict[str, np.ndarray]:
    """name → ``(label, segment)`` scores of the probes that read networks, NaN where a segment is not read.

    Of the likenesses that do, ``(label, segment, label)``: the last dimension is the kit's labels.
    """
    probes = [probe for probe in probes if probe.context != "stem"]
    likenesses = [each for each in likenesses if each.context != "stem"]
    taken, options, scores = take(kit, track, [*probes, *likenesses]), kit.options, {}
    for probe in probes:
        per_track = kit.per_track if PER_TRACK in probe.networks else None
        given = Readings(probe, taken, track.labels, options.rho, options.unlearning_sign, per_track)
        values = np.asarray(_by_formula(probe, given), dtype=np.float64)
        if values.shape != track.read.shape:
            raise BadInput(f"probe {probe.name!r}: its formula gives shape {values.shape}, not {track.read.shape}")
        scores[probe.name] = values
    return scores | {each.name: taken[each.context, each.networks[0], each.reading] for each in likenesses}


def stem_scores(
    kit: ScoringKit,
    audio: Mapping[str, np.ndarray],
    track: Track,
    probes: Iterable[Probe],
    likenesses: Iterable[Likeness] = (),
) -> dict[str, dict[str, Any]]:
    """label → name → score of the probes of the whole stem, for the stems of which a segment is read.

    NaN for the distances of a label that the reference does not have. A likeness has a number for each of the kit's labels.
    """
    probes, whole = [probe for probe in probes if probe.context == "stem"], WholeTrack(kit, audio)
    of_frames = [each.name for each in likenesses if each.context == "stem"]

    def score(probe: Probe, label: str) -> float:
        if probe.distances and label not in kit.fad:
            return float("nan")
        return float(_by_formula(probe, WholeStem(probe, whole, label)))

    def like(label: str) -> list[float]:
        found = whole.likelihoods(label)
        return [found.get(name, float("nan")) for name in kit.labels]

    heard = [label for label, read in zip(track.labels, track.read, strict=True) if read.any()]
    return {
        label: {probe.name: score(probe, label) for probe in probes} | {name: like(label) for name in of_frames}
        for label in heard
    }


def try_out(kit: ScoringKit, audio: Mapping[str, np.ndarray], track: str) -> None:
    """Take the probes of your own of one track, so that a formula that fails does so before the pass and not in each row."""
    own = [probe for probe in kit.entries if probe.name not in PROBES]
    cut_up = cut_track(kit, audio, track)
    with torch.inference_mode():
        segment_scores(kit, cut_up, own)
        stem_scores(kit, audio, cut_up, own)


def _by_formula(probe: Probe, given: Readings | WholeStem) -> Any:
    """The formula's value. What another's formula raises is said with the probe's name."""
    try:
        return probe.formula(given)
    except Exception as error:
        if probe.name in PROBES or isinstance(error, RaysepError):
            raise
        raise RaysepError(f"probe {probe.name!r}: its formula failed ({type(error).__name__}: {error})") from error


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
