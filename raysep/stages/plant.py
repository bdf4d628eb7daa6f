"""Split the reference and plant part of it in the training.

Calibration tracks and corrupted copies go through the same training as the corpus, so that their scores are
exchangeable with the corpus's own. Held-out calibration would be easier, and ruins the estimate.

What is planted is written in the samples' own format: in a coarser one its rounding noise would tell it from the
calibration stems, whatever the fault.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

import pyarrow as pa

from raysep.audio.writer import encode_like
from raysep.config import Config
from raysep.corpus import contamination, manifest, storage
from raysep.corpus.folds import Fold, deal
from raysep.corpus.hashing import generator, stable_hash
from raysep.corpus.inputs import Inputs, size_of
from raysep.corpus.manifest import Stem
from raysep.corpus.names import fitting
from raysep.corpus.pools import mixes_of, read_mix
from raysep.decision.fusion import FEWEST_TRACKS
from raysep.decision.roles import CALIBRATION, NOISY, PLANTED, Role, Roles
from raysep.probes.ways import WAYS, Target
from raysep.rundir import Run
from raysep.screen import Advance
from raysep.stages.context import Context

PLANTED_SHARE = 0.9  # of a copy's stems: the copies exist to carry faults, but a plan needs some room
ROLES = pa.schema([("stem_id", pa.string()), ("role", pa.string()), ("kind", pa.string()), ("origin", pa.string())])


@dataclass(frozen=True)
class Planting:
    """The reference split by track, and what was planted.

    ``unlearning``: target of unlearning, training set of the reference model, Fréchet reference, and
    validation. ``calibration`` and ``planted`` are trained on and scored as if they were corpus.
    Where folds rotate, all of the reference is each of these, in one fold or the other: see ``folds``.
    """

    unlearning: list[Stem]
    calibration: list[Stem]
    planted: list[Stem]  # whole tracks
    roles: Roles  # only what the fusion may use
    noisy: frozenset[str] = frozenset()  # stem_ids of the planted ones that are unlearned, and are then no evidence
    fold_of: Mapping[str, int] = field(default_factory=dict)  # of every track that is scored; empty: nothing rotates

    @property
    def trained(self) -> list[Stem]:
        """What joins the corpus in training: calibration stems and planted corrupted ones."""
        corrupted = self.noisy | {stem_id for stem_id, role in self.roles.items() if role.role == PLANTED}
        return self.calibration + [s for s in self.planted if s.stem_id in corrupted]

    @property
    def noisy_tracks(self) -> list[Stem]:
        """What is unlearned instead of the reference, if anything: whole planted tracks, of other songs than the evidence."""
        return _whole(self.planted, self.noisy)

    @property
    def folds(self) -> list[Fold]:
        """What each judgement is derived from: of no track that is judged by it, or is its evidence."""
        if not self.fold_of:
            return [Fold(None, self.unlearning, self.noisy_tracks)]
        faulty = _whole(self.planted, self.roles)
        return [
            Fold(number, *([s for s in part if self.fold_of[s.track] != number] for part in (self.unlearning, faulty)))
            for number in sorted(set(self.fold_of.values()))
        ]


def plant(context: Context, inputs: Inputs) -> Planting:
    """Done once per run; afterwards read back from ``planted.parquet`` and ``roles.parquet``."""
    run = context.run
    unlearning, calibration, injected = split(inputs.reference, context.config)
    fold_of = folds_of(inputs, context.config)
    if not run.is_done("plant"):
        if context.config.planting.folds > 1 and injected and not fold_of:
            context.progress.say(
                "note: the reference holds single stems, so its folds do not rotate: planting.folds counts as 1"
            )
        with run.stage("plant") as record, context.progress.bar("plant", "tracks") as advance:
            planted, roles = _corrupt(context, injected, advance)
            noisy = set() if fold_of else noisy_origins(set(mixes_of(injected)), context.config)
            roles = {i: role._replace(role=NOISY) if role.origin in noisy else role for i, role in roles.items()}
            roles |= {s.stem_id: Role(CALIBRATION, "clean", s.track) for s in calibration}
            manifest.write(run.path("planted.parquet"), planted)
            rows = [{"stem_id": stem_id, **role._asdict()} for stem_id, role in roles.items()]
            run.write_table(pa.Table.from_pylist(rows, schema=ROLES), "roles.parquet")
            parts = {"unlearning": unlearning, "calibration": calibration, "planted": injected}
            record.update(
                tracks={name: len(manifest.tracks_of(part)) for name, part in parts.items()},
                **{name: sum(role.role == name for role in roles.values()) for name in (PLANTED, NOISY)},
                folds=len(set(fold_of.values())) or 1,
            )
    roles = {row.pop("stem_id"): Role(**row) for row in run.read_table("roles.parquet").to_pylist()}
    unlearned = frozenset(stem_id for stem_id, role in roles.items() if role.role == NOISY)
    evidence = {stem_id: role for stem_id, role in roles.items() if stem_id not in unlearned}
    # The folder may have been moved, or copied to another place, since they were written.
    planted = [replace(s, uri=_place(run, s.track, s.stem)) for s in manifest.read(run.path("planted.parquet"))]
    return Planting(unlearning, calibration, planted, evidence, unlearned, fold_of)


def split(reference: list[Stem], config: Config) -> tuple[list[Stem], list[Stem], list[Stem]]:
    """Unlearning target, calibration, to be corrupted: by track, drawn once under the seed.

    Below ``planting.least_tracks`` everything is unlearning target: nothing can be calibrated. Where folds rotate, every
    part is the whole.
    """
    tracks = manifest.tracks_of(reference)
    if size_of(reference) < config.planting.least_tracks:
        return reference, [], []
    if rotates(reference, config):
        return reference, reference, reference
    order = _in_order(tracks, config.seed)
    # No track in two parts, one at least to plant, and calibration of no fewer tracks than the fusion accepts.
    second = len(order) - max(1, round((1 - config.planting.unlearning - config.planting.calibration) * len(order)))
    second = max(second, 1 + FEWEST_TRACKS)
    first = min(max(1, round(config.planting.unlearning * len(order))), second - FEWEST_TRACKS)

    def stems_of(part: list[str]) -> list[Stem]:
        return [stem for name in part for stem in tracks[name].values()]

    return stems_of(order[:first]), stems_of(order[first:second]), stems_of(order[second:])


def _in_order(tracks: Mapping[str, Mapping[str, Stem]], seed: int) -> list[str]:
    """The tracks, drawn; those with the same labels spread evenly, so that each part of a pool of single stems has them all."""
    names = sorted(tracks)
    drawn = [names[i] for i in generator(seed, "plant").permutation(len(names))]
    kinds: dict[tuple[str, ...], list[str]] = {}
    for name in drawn:
        kinds.setdefault(tuple(sorted(tracks[name])), []).append(name)
    place = {name: (k + 0.5) / len(each) for each in kinds.values() for k, name in enumerate(each)}
    return sorted(drawn, key=lambda name: place[name])  # stable: where all have the same labels nothing moves


def rotates(reference: list[Stem], config: Config) -> bool:
    """Whether folds rotate: not where nothing can be calibrated, nor with single stems, whose mixtures would join two folds."""
    enough = size_of(reference) >= config.planting.least_tracks
    return config.planting.folds > 1 and enough and set(mixes_of(reference)) == set(manifest.tracks_of(reference))


def folds_of(inputs: Inputs, config: Config) -> dict[str, int]:
    """Track → the fold that judges it, of corpus, reference and planted copies; empty where nothing rotates."""
    count, seed, names = config.planting.folds, config.seed, manifest.tracks_of(inputs.reference)
    if not rotates(inputs.reference, config):
        return {}
    reference = deal(names, count, f"{seed}/reference fold")
    copies = {copy_name(k, track): fold for track, fold in reference.items() for k in range(config.planting.copies)}
    return deal((s.track for s in inputs.corpus), count, f"{seed}/fold") | copies | reference


def copy_name(number: int, track: str) -> str:
    return f"planted-{number}-{track}"


def _whole(stems: list[Stem], chosen: Collection[str]) -> list[Stem]:
    """All stems of the tracks of which one, by its stem_id, is chosen."""
    tracks = {s.track for s in stems if s.stem_id in chosen}
    return [s for s in stems if s.track in tracks]


def noisy_origins(injected: set[str], config: Config) -> set[str]:
    """The tracks whose corrupted copies are unlearned, where the way does that: half, rounded down; none otherwise.

    A network that forgot a stem singles it out whatever its fault. As evidence it would promise of that probe what no
    corpus stem keeps; so it goes by song, since copies of a song are alike too.
    """
    way = WAYS[config.scoring.unlearning]
    if way is None or way.target is not Target.PLANTED:
        return set()
    order = sorted(injected, key=lambda track: stable_hash(f"{config.seed}/noisy/{track}"))
    return set(order[: len(order) // 2])


def _place(run: Run, track: str, label: str) -> str:
    """Where a planted stem lies."""
    return run.path("planted", fitting(track), f"{label}.wav")


def _corrupt(context: Context, injected: list[Stem], advance: Advance) -> tuple[list[Stem], Roles]:
    """Write the corrupted copies into the run's folder; returns their stems and roles."""
    config, run = context.config, context.run
    every, count = mixes_of(injected), config.planting.copies
    # A single stem that is left over has no other beside it, which half of the faults need.
    mixes = {name: mix for name, mix in every.items() if len(mix) > 1} or every
    copies = {copy_name(copy, name): mix for copy in range(count) for name, mix in mixes.items()}
    origin = {copy_name(copy, name): name for copy in range(count) for name in mixes}
    labels = {name: tuple(stems) for name, stems in copies.items()}
    wanted = config.planting.kinds or contamination.KINDS
    planned = contamination.plan(labels, share=PLANTED_SHARE, seed=config.seed, kinds=wanted)
    written: list[Stem] = []
    roles: Roles = {}
    for done, (name, stems) in enumerate(copies.items()):
        advance(done, len(copies))
        first = next(iter(stems.values()))
        channels = max(s.channels for s in stems.values())
        audio = read_mix(stems, first.sample_rate, channels)
        faults = [fault for fault in planned if fault.track == name]
        loudest = contamination.may_peak_at(audio, (stem.format for stem in stems.values()))
        changed, truth = contamination.corrupt_track(name, audio, faults, first.sample_rate, config.seed, loudest)
        audio |= changed
        kinds = {row["stem"]: row["kind"] for row in truth if row["stem"] in changed}
        for label, stem in stems.items():
            track = f"{name.partition(origin[name])[0]}{stem.track}"  # of a mix of single stems each is a track again
            copy_id = manifest.stem_id(track, label)
            if label in kinds:
                roles[copy_id] = Role(PLANTED, kinds[label], origin[name])
            data, written_as = encode_like(audio[label], first.sample_rate, stem.format)
            place = _place(run, track, label)
            storage.write_bytes(place, data)
            written.append(
                replace(
                    stem,
                    stem_id=copy_id,
                    track=track,
                    uri=place,
                    sample_rate=first.sample_rate,
                    channels=channels,
                    frames=audio[label].shape[1],
                    format=written_as,
                    bytes=len(data),
                    etag="",
                    split="planted",
                    parts=(),
                    padding=0,
                )
            )
    return written, roles
