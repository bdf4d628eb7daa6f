"""A run's folder over songs with all ten kinds of faults, judged by all that needs no network: no training, no cluster.

songs ─ contaminate ─ score_track without networks ─ stems.parquet ─ decide
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa

import raysep
from raysep import config as settings
from raysep.corpus import manifest, truth
from raysep.corpus.benchmark import Corpora, Size, make_corpus
from raysep.corpus.contamination import contaminate
from raysep.corpus.layouts import stems_of
from raysep.corpus.manifest import Stem, stem_id
from raysep.corpus.reading import read_stem
from raysep.decision.aggregate import per_stem, with_roles
from raysep.decision.roles import Role
from raysep.probes.scoring import ScoringKit, ScoringOptions, label_references, score_track
from raysep.probes.stored import description
from raysep.rundir import Run

RATE = 8000
SIZE = Size(train=30, reference=20, test=8, seconds=8.0, sample_rate=RATE)
PLANTED = "planted-"  # before a track's name: a spoilt copy of it

Tracks = dict[str, dict[str, np.ndarray]]


def make(folder: Path, seed: int = 1) -> tuple[Run, Corpora]:
    """The run in ``folder/run``. The test songs are what is compared with, so that all of the reference can be evidence."""
    songs = make_corpus(str(folder), SIZE, seed, workers=2)
    spoilt, table = str(folder / "planted"), str(folder / "planted.parquet")
    contaminate(songs.reference, spoilt, table, 0.8, seed + 1, workers=2)
    corpus, reference = stems_of(songs.train).stems, stems_of(songs.reference).stems
    kinds = {row["stem_id"]: row["kind"] for row in truth.read(table) if row["kind"] != truth.CLEAN}
    roles = {stem.stem_id: Role("calibration", "clean", stem.track) for stem in reference}
    roles |= {PLANTED + name: Role("planted", kind, name.split("/")[0]) for name, kind in kinds.items()}
    options = ScoringOptions(segment_frames=2 * RATE, sample_rate=RATE)
    kit = ScoringKit({}, None, options, fad=label_references(audio_of(stems_of(songs.test).stems), RATE))
    rows = scored(kit, corpus) + scored(kit, reference) + scored(kit, stems_of(spoilt).stems, PLANTED)
    about = description("abc", kit.entries)
    scores = pa.Table.from_pylist(rows).replace_schema_metadata(about)
    oriented = [probe.name for probe in kit.entries if probe.oriented]
    stems = with_roles(per_stem(scores, kit.probes, oriented), {stem.stem_id for stem in corpus}, roles)
    config = settings.preset("tiny")
    run = Run(str(folder / "run"))
    run.open("t1e2n3k4i5n6", {"config": settings.to_dict(config)})
    manifest.write(run.path("manifest.parquet"), corpus)
    manifest.write(run.path("reference.parquet"), reference)
    run.write_table(scores, "scores", "part-00000.parquet")
    run.write_table(stems.replace_schema_metadata(about), "stems.parquet")
    run.write_table(raysep.decide(run.root), "decision.parquet")
    return run, songs


def audio_of(stems: Iterable[Stem], prefix: str = "") -> Tracks:
    """track → label → ``(channel, time)``."""
    found: Tracks = {}
    for stem in stems:
        found.setdefault(prefix + stem.track, {})[stem.stem] = read_stem(stem, RATE)
    return found


def scored(kit: ScoringKit, stems: Iterable[Stem], prefix: str = "") -> list[dict]:
    rows = [row for track, audio in audio_of(stems, prefix).items() for row in score_track(kit, audio, track)]
    assert all(row["stem_id"] == stem_id(row["track"], row["stem"]) for row in rows)
    return rows
