"""Split the reference and plant part of it in the training.

Calibration tracks and corrupted copies go through the same training as the corpus, so that their scores are
exchangeable with the corpus's own. Held-out calibration would be easier, and ruins the estimate.

What is planted is written in the samples' own format: in a coarser one its rounding noise would tell it from the
calibration stems, whatever the fault.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from raysep.audio.writer import ENCODINGS, AudioWriter
from raysep.config import Config
from raysep.corpus import contamination, manifest
from raysep.corpus.hashing import generator, stable_hash
from raysep.corpus.manifest import Stem
from raysep.corpus.reading import read_stem
from raysep.decision.fusion import FEWEST_TRACKS
from raysep.decision.roles import CALIBRATION, NOISY, PLANTED, Role, Roles
from raysep.probes.ways import WAYS, Target
from raysep.screen import Advance
from raysep.stages.context import Context
from raysep.stages.inputs import Inputs

PLANTED_SHARE = 0.9  # of a copy's stems: the copies exist to carry faults, but a plan needs some room
BITS = {"PCM_16": 16, "ALAC_16": 16, "PCM_24": 24, "ALAC_24": 24}  # a sample's, by libsndfile's names; else float
ROLES = pa.schema([("stem_id", pa.string()), ("role", pa.string()), ("kind", pa.string()), ("origin", pa.string())])


@dataclass(frozen=True)
class Planting:
    """The reference split by track, and what was planted.

    ``unlearning``: target of unlearning, training set of the reference model, Fréchet reference, and
    validation. ``calibration`` and ``planted`` are trained on and scored as if they were corpus.
    """

    unlearning: list[Stem]
    calibration: list[Stem]
    planted: list[Stem]  # whole tracks
    roles: Roles  # only what the fusion may use
    noisy: frozenset[str] = frozenset()  # stem_ids of the planted ones that are unlearned, and are then no evidence

    @property
    def trained(self) -> list[Stem]:
        """What joins the corpus in training: calibration stems and planted corrupted ones."""
        corrupted = self.noisy | {stem_id for stem_id, role in self.roles.items() if role.role == PLANTED}
        return self.calibration + [s for s in self.planted if s.stem_id in corrupted]

    @property
    def noisy_tracks(self) -> list[Stem]:
        """What is unlearned instead of the reference, if anything: whole planted tracks, of other songs than the evidence."""
        tracks = {s.track for s in self.planted if s.stem_id in self.noisy}
        return [s for s in self.planted if s.track in tracks]


def plant(context: Context, inputs: Inputs) -> Planting:
    """Done once per run; afterwards read back from ``planted.parquet`` and ``roles.parquet``."""
    run = context.run
    unlearning, calibration, injected = split(inputs.reference, context.config)
    if not run.is_done("plant"):
        with run.stage("plant") as record, context.progress.bar("plant") as advance:
            planted, roles = _corrupt(context, injected, advance)
            noisy = noisy_origins({s.track for s in injected}, context.config)
            roles = {i: role._replace(role=NOISY) if role.origin in noisy else role for i, role in roles.items()}
            roles |= {s.stem_id: Role(CALIBRATION, "clean", s.track) for s in calibration}
            manifest.write(run.path("planted.parquet"), planted)
            rows = [{"stem_id": stem_id, **role._asdict()} for stem_id, role in roles.items()]
            run.write_table(pa.Table.from_pylist(rows, schema=ROLES), "roles.parquet")
            parts = {"unlearning": unlearning, "calibration": calibration, "planted": injected}
            record.update(
                tracks={name: len(manifest.tracks_of(part)) for name, part in parts.items()},
                **{name: sum(role.role == name for role in roles.values()) for name in (PLANTED, NOISY)},
            )
    roles = {row.pop("stem_id"): Role(**row) for row in run.read_table("roles.parquet").to_pylist()}
    unlearned = frozenset(stem_id for stem_id, role in roles.items() if role.role == NOISY)
    evidence = {stem_id: role for stem_id, role in roles.items() if stem_id not in unlearned}
    return Planting(unlearning, calibration, manifest.read(run.path("planted.parquet")), evidence, unlearned)


def split(reference: list[Stem], config: Config) -> tuple[list[Stem], list[Stem], list[Stem]]:
    """Unlearning target, calibration, to be corrupted: by track, drawn once under the seed.

    Below ``planting.least_tracks`` everything is unlearning target: nothing can be calibrated.
    """
    tracks = manifest.tracks_of(reference)
    names = sorted(tracks)
    if len(names) < config.planting.least_tracks:
        return reference, [], []
    order = [names[i] for i in generator(config.seed, "plant").permutation(len(names))]
    # No track in two parts, one at least to plant, and calibration of no fewer tracks than the fusion accepts.
    second = len(order) - max(1, round((1 - config.planting.unlearning - config.planting.calibration) * len(order)))
    second = max(second, 1 + FEWEST_TRACKS)
    first = min(max(1, round(config.planting.unlearning * len(order))), second - FEWEST_TRACKS)

    def stems_of(part: list[str]) -> list[Stem]:
        return [stem for name in part for stem in tracks[name].values()]

    return stems_of(order[:first]), stems_of(order[first:second]), stems_of(order[second:])


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


def _corrupt(context: Context, injected: list[Stem], advance: Advance) -> tuple[list[Stem], Roles]:
    """Write the corrupted copies into the run's folder; returns their stems and roles."""
    config, run = context.config, context.run
    tracks = manifest.tracks_of(injected)
    copies = {
        f"planted-{copy}-{track}": stems for copy in range(config.planting.copies) for track, stems in tracks.items()
    }
    labels = {name: tuple(stems) for name, stems in copies.items()}
    kinds = config.planting.kinds or contamination.KINDS
    planned = contamination.plan(labels, share=PLANTED_SHARE, seed=config.seed, kinds=kinds)
    written: list[Stem] = []
    roles: Roles = {}
    for done, (name, stems) in enumerate(copies.items()):
        advance(done, len(copies))
        first = next(iter(stems.values()))
        channels = max(s.channels for s in stems.values())
        audio = {label: read_stem(stem, first.sample_rate, channels) for label, stem in stems.items()}
        faults = [fault for fault in planned if fault.track == name]
        loudest = contamination.may_peak_at(audio, (stem.format for stem in stems.values()))
        changed, truth = contamination.corrupt_track(name, audio, faults, first.sample_rate, config.seed, loudest)
        audio |= changed
        roles |= {row["stem_id"]: Role(PLANTED, row["kind"], first.track) for row in truth if row["stem"] in changed}
        for label, stem in stems.items():
            uri = run.path("planted", name, f"{label}.wav")
            data, written_as = encode_like(audio[label], first.sample_rate, stem.format)
            run.write_bytes(data, "planted", name, f"{label}.wav")
            written.append(
                replace(
                    stem,
                    stem_id=manifest.stem_id(name, label),
                    track=name,
                    uri=uri,
                    channels=channels,
                    format=written_as,
                    bytes=len(data),
                    etag="",
                    split="planted",
                )
            )
    return written, roles


def encode_like(audio: np.ndarray, sample_rate: int, format: str) -> tuple[bytes, str]:
    """A WAV's bytes of ``(channel, time)`` with the samples of ``format``, and its own format: "WAV/PCM_24", ….

    Rounded to the nearest step of 16 or 24 bits. Everything else becomes floating point, which holds whatever ``decode``
    gives: a lossy codec's output was never rounded, and may leave [-1, 1], as resampled audio may.
    """
    bits = BITS.get(format.partition("/")[2], 32) if np.abs(audio).max(initial=0.0) <= 1.0 else 32
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "stem.wav"
        with AudioWriter(path, sample_rate, len(audio), "wav", bits, audio.shape[1]) as writer:
            writer.write(audio)
        data = path.read_bytes()
    if bits == 32 and (peak := data[:256].find(b"PEAK")) >= 0:
        # libsndfile puts the time of writing there: the same copy would have other bytes each time.
        data = data[: peak + 12] + bytes(4) + data[peak + 16 :]
    return data, "/".join(ENCODINGS["wav", bits])
