"""``TRACK/{vocals,drums,bass,other,mixture}.wav`` as MUSDB18-HQ: every track complete, its mixture the sum of its stems."""

from __future__ import annotations

from collections.abc import Sequence

from raysep.commands.export.plan import File, Form, Options, Plan, Shape, name_in, other_rates, unsaid
from raysep.corpus.layouts.naming import MIXTURE
from raysep.errors import BadInput
from raysep.training.entry import Entry


def plan(entries: Sequence[Entry], options: Options) -> Plan:
    """Stems that go by one label in one track are added up. A track that lacks a label is left out, or gets silence for it."""
    tracks: dict[str, list[Entry]] = {}
    for entry in sorted(entries, key=lambda e: (e.stem.track, e.stem.stem_id)):
        tracks.setdefault(entry.stem.track, []).append(entry)
    lacking = {track: lacks for track, members in tracks.items() if (lacks := _lacking(members, options.labels))}
    uneven = [track for track, members in tracks.items() if not _agree(members)]
    out = {*uneven, *(lacking if options.missing == "leave-out" else ())}
    kept = {track: members for track, members in tracks.items() if track not in out}
    if not kept:
        raise BadInput(_none(tracks, lacking))
    used = [entry for members in kept.values() for entry in members]
    least = min(2, max(entry.stem.channels for entry in used))  # a mono track among stereo ones is stereo too
    files = [file for members in kept.values() for file in _track(members, options.labels, least)]
    return Plan(files, unsaid(entries, audio=True) + _told(tracks, lacking, uneven, options) + other_rates(used))


def _track(members: list[Entry], labels: Sequence[str], least_channels: int) -> list[File]:
    rate, channels = members[0].stem.sample_rate, max(least_channels, *(e.stem.channels for e in members))
    shape = Shape(rate, channels, max(e.stem.frames for e in members))
    folder = name_in(members[0], members[0].stem.track)
    stems = [
        File(f"{folder}/{label}.wav", tuple(e for e in members if e.label == label), wav=True, shape=shape)
        for label in labels
    ]
    return [*stems, File(f"{folder}/{MIXTURE}.wav", wav=True, shape=shape, mixed=tuple(stems))]


def _lacking(members: list[Entry], labels: Sequence[str]) -> list[str]:
    return [label for label in labels if label not in {entry.label for entry in members}]


def _agree(members: list[Entry]) -> bool:
    """Whether they can be added up: one rate; one number of channels, or mono."""
    channels = {entry.stem.channels for entry in members}
    return len({entry.stem.sample_rate for entry in members}) == 1 and channels <= {1, max(channels)}


def _told(
    tracks: dict[str, list[Entry]], lacking: dict[str, list[str]], uneven: list[str], options: Options
) -> list[str]:
    notes = []
    if lacking:
        first, lacks = next(iter(lacking.items()))
        done = "are left out" if options.missing == "leave-out" else "get silence for it"
        notes.append(
            f"{len(lacking)} of {len(tracks)} tracks lack a label and {done}, first {first} (no {', '.join(lacks)})"
            + ("; --missing silence keeps them, --form msst needs no complete tracks" if done == "are left out" else "")
        )
    if uneven:
        notes.append(f"{len(uneven)} tracks whose stems differ in rate or channels are left out, first {uneven[0]}")
    return notes


def _none(tracks: dict[str, list[Entry]], lacking: dict[str, list[str]]) -> str:
    first = next(iter(lacking.items()), None)
    why = f", first {first[0]} (no {', '.join(first[1])})" if first else ""
    return (
        f"--form musdb: none of {len(tracks)} tracks is complete{why}; --missing silence fills them up, --form msst needs no "
        "complete tracks"
    )


MUSDB = Form("musdb", "TRACK/LABEL.wav and mixture.wav, their sum (MUSDB18-HQ, demucs, open-unmix)", "", plan)
