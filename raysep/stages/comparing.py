"""What workers of `raysep fad` do with frames: make a label's reference, score stems against it, measure whole sets."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from raysep.corpus.manifest import Stem
from raysep.probes.fad.reference_file import SUFFIX, About, ReferenceFile
from raysep.probes.fad.set_level import set_distances
from raysep.rundir import Run, table_bytes
from raysep.stages.framing import FAILED, SCORED, read_rows, read_vectors

REFERENCE, SCORE, SETS = "reference", "score", "sets"  # the stages
REFERENCE_FILE = f"reference{SUFFIX}"
COLUMNS = [
    ("track", pa.string()),
    ("stem", pa.string()),
    ("outcome", pa.string()),  # scored | silent | failed
    ("frames", pa.int32()),  # audible ones
    ("seconds", pa.float64()),
    ("in_reference", pa.bool_()),  # then it was left out of what it was compared with
]
ENDINGS = {"raw": "", "z": "-z", "p": "-p"}  # of the columns of a measure


@dataclass(frozen=True)
class Located:
    """A stem, and the shard that its frames are in."""

    stem: dict[str, Any]
    shard: int


def schema_of(measures: Sequence[str]) -> pa.Schema:
    numbers = [(name + ending, pa.float64()) for name in measures for ending in ENDINGS.values()]
    return pa.schema([*COLUMNS, *numbers, ("uri", pa.string()), ("message", pa.string())])


def reference_part(number: int) -> str:
    return f"reference/part-{number:05d}{SUFFIX}"


def score_part(shard: int) -> str:
    return f"scores/part-{shard:05d}.parquet"


def set_part(number: int) -> str:
    return f"sets/part-{number:05d}.json"


def failed_row(stem: Stem, message: str) -> dict[str, Any]:
    return _row(stem, FAILED, message, in_reference=False)


def _row(stem: Stem, outcome: str, message: str, **found: Any) -> dict[str, Any]:
    about = {"track": stem.track, "stem": stem.stem, "uri": stem.uri, "outcome": outcome, "message": message}
    return about | {"frames": 0, "seconds": None} | found


@dataclass(frozen=True)
class ReferenceBuilder:
    """Makes the function that builds the reference of a label. Picklable, as the others here."""

    root: str
    fingerprint: str
    about: About
    least_spread: float

    def __call__(self) -> Callable[[int, Any], dict]:
        return self.run

    def run(self, shard: int, payload: Sequence[Located]) -> dict[str, int]:
        """From all stems of one label, in their order."""
        run = Run(self.root)
        stems = [Stem(**located.stem) for located in payload]
        frames = frames_of(run, payload)
        tracks = [(stem.track, stem.etag, frames[stem.uri]) for stem in stems]
        made = ReferenceFile.from_tracks(stems[0].stem, tracks, self.about, self.least_spread)
        counts = {"rows": len(tracks), "failed": 0}
        run.finish_shard(REFERENCE, shard, self.fingerprint, made.to_bytes(), reference_part(shard), counts)
        return counts


@dataclass(frozen=True)
class StemScorer:
    """Makes the function that scores the stems of a shard."""

    root: str
    fingerprint: str
    measures: tuple[str, ...]

    def __call__(self) -> Callable[[int, Any], dict]:
        reference = load_reference(Run(self.root))
        return lambda shard, payload: self.run(reference, shard, payload)

    def run(self, reference: ReferenceFile, shard: int, payload: Iterable[dict]) -> dict[str, int]:
        run = Run(self.root)
        told, frames = read_rows(run, shard), read_vectors(run, shard)
        rows = []
        for stem in (Stem(**values) for values in payload):
            try:
                rows.append(score(stem, told[stem.uri], frames[stem.uri], reference, self.measures))
            except Exception as error:  # one odd stem must not end the pass: it is reported with the reason
                rows.append(failed_row(stem, f"{type(error).__name__}: {error}"))
        counts = {"rows": len(rows), "failed": sum(row["outcome"] == FAILED for row in rows)}
        table = pa.Table.from_pylist(rows, schema=schema_of(self.measures))
        run.finish_shard(SCORE, shard, self.fingerprint, table_bytes(table), score_part(shard), counts)
        return counts


@dataclass(frozen=True)
class SetMeasurer:
    """Makes the function that measures all stems of a label together."""

    root: str
    fingerprint: str
    seed: int

    def __call__(self) -> Callable[[int, Any], dict]:
        reference = load_reference(Run(self.root))
        return lambda shard, payload: self.run(reference, shard, payload)

    def run(self, reference: ReferenceFile, shard: int, payload: tuple[str, list[Located], int]) -> dict[str, int]:
        """Of a label, its stems, and the number of those whose shard was lost.

        Measured are those scored that are not in the reference: a part of the reference is no distance away from it.
        """
        run, (label, located, lost) = Run(self.root), payload
        stems = [Stem(**each.stem) for each in located]
        frames, failed = frames_of(run, located), lost + _unreadable(run, located)
        heard = [stem for stem in stems if len(frames[stem.uri]) > 1]
        others = [stem for stem in heard if not reference.member(label, stem.etag, frames[stem.uri])]
        together = np.concatenate([frames[s.uri] for s in others] or [np.zeros((0, reference.about.dimension))])
        found = {
            "label": label,
            "stems": len(others),
            "frames": len(together),
            "in_reference": len(heard) - len(others),
            **set_distances(together, reference.labels[label], self.seed),
        }
        counts = {"rows": len(stems) + lost, "failed": failed}
        run.finish_shard(SETS, shard, self.fingerprint, json.dumps(found).encode(), set_part(shard), counts)
        return counts


def score(
    stem: Stem, told: dict[str, Any], frames: np.ndarray, reference: ReferenceFile, measures: Sequence[str]
) -> dict[str, Any]:
    """The row of a stem: ``told`` is what its embedding said, ``frames`` its raw ``(n, dimension)`` frames."""
    about = {"frames": told["frames"], "seconds": told["seconds"], "in_reference": False}
    if told["outcome"] != SCORED:
        return _row(stem, told["outcome"], told["message"], **about)
    member = reference.member(stem.stem, stem.etag, frames)
    found = member.scores if member else reference.labels[stem.stem].measure(frames, measures)
    numbers = {name + ending: found[name][kind] for name in measures for kind, ending in ENDINGS.items()}
    return _row(stem, SCORED, "", **about | {"in_reference": member is not None}, **numbers)


def load_reference(run: Run) -> ReferenceFile:
    return ReferenceFile.from_bytes(run.read_bytes(REFERENCE_FILE), run.path(REFERENCE_FILE))


def frames_of(run: Run, payload: Iterable[Located]) -> dict[str, np.ndarray]:
    """URI → frames, each shard's file read once."""
    by_shard: dict[int, list[str]] = {}
    for located in payload:
        by_shard.setdefault(located.shard, []).append(located.stem["uri"])
    found = {}
    for shard, uris in sorted(by_shard.items()):
        vectors = read_vectors(run, shard)
        found |= {uri: vectors[uri] for uri in uris}
    return found


def _unreadable(run: Run, payload: Iterable[Located]) -> int:
    told = {}
    for shard in sorted({located.shard for located in payload}):
        told |= read_rows(run, shard)
    return sum(told[located.stem["uri"]]["outcome"] == FAILED for located in payload)
