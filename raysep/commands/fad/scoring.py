"""What workers of `raysep fad` do with frames: make a label's reference, score stems against it, measure whole sets."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from raysep.commands.fad.embedding import LEAST_FRAMES, Located, read_rows, read_vectors
from raysep.corpus.manifest import Stem
from raysep.errors import BadInput, RaysepError, StorageError
from raysep.outcome import Outcome
from raysep.probes.fad.null import FEWEST_TRACKS
from raysep.probes.fad.reference_file import SUFFIX, MadeWith, ReferenceFile
from raysep.probes.fad.set_level import set_distances
from raysep.rundir import Run, table_bytes
from raysep.stages.passes import Counts, Worker

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
    return _row(stem, Outcome.FAILED, message, in_reference=False)


def _row(stem: Stem, outcome: str, message: str, **found: Any) -> dict[str, Any]:
    about = {"track": stem.track, "stem": stem.stem, "uri": stem.uri, "outcome": outcome, "message": message}
    return about | {"frames": 0, "seconds": None} | found


@dataclass(frozen=True, kw_only=True)
class ReferenceBuilder(Worker):
    """Builds the reference of a label."""

    about: MadeWith
    least_spread: float

    def run(self, shard: int, payload: Sequence[Located]) -> Counts:
        """From all stems of one label, in their order."""
        frames = frames_of(self.folder, payload)
        tracks = [(each.stem.track, each.stem.etag, frames[each.name]) for each in payload]
        made = ReferenceFile.from_tracks(payload[0].stem.stem, tracks, self.about, self.least_spread)
        counts = {"rows": len(tracks), "failed": 0}
        return self.finish(REFERENCE, shard, made.to_bytes(), reference_part(shard), counts)


@dataclass(frozen=True, kw_only=True)
class StemScorer(Worker):
    """Scores the stems of a shard."""

    measures: tuple[str, ...]

    def start(self) -> Callable[[int, Any], Counts]:
        return partial(self.measure, load_reference(self.folder))

    def measure(self, reference: ReferenceFile, shard: int, payload: Iterable[Located]) -> Counts:
        told, frames = read_rows(self.folder, shard), read_vectors(self.folder, shard)
        rows = []
        for each in payload:
            try:
                rows.append(score(each.stem, told[each.name], frames[each.name], reference, self.measures))
            except StorageError:
                raise
            except Exception as error:  # one odd stem must not end the pass: it is reported with the reason
                rows.append(failed_row(each.stem, f"{type(error).__name__}: {error}"))
        counts = {"rows": len(rows), "failed": sum(row["outcome"] == Outcome.FAILED for row in rows)}
        table = pa.Table.from_pylist(rows, schema=schema_of(self.measures))
        return self.finish(SCORE, shard, table_bytes(table), score_part(shard), counts)


@dataclass(frozen=True)
class LabelSet:
    """All stems of a label whose frames there are, and the number of those whose shard was lost."""

    label: str
    located: list[Located]
    lost: int


@dataclass(frozen=True, kw_only=True)
class SetMeasurer(Worker):
    """Measures all stems of a label together."""

    seed: int

    def start(self) -> Callable[[int, Any], Counts]:
        return partial(self.measure, load_reference(self.folder))

    def measure(self, reference: ReferenceFile, shard: int, payload: LabelSet) -> Counts:
        """Measured are those scored that are not in the reference: a part of the reference is no distance away from it."""
        run, label, located = self.folder, payload.label, payload.located
        frames, failed = frames_of(run, located), payload.lost + _unreadable(run, located)
        compared = [each for each in located if len(frames[each.name]) > 1]
        others = [each for each in compared if not reference.member(label, each.stem.etag, frames[each.name])]
        together = np.concatenate([frames[each.name] for each in others] or [np.zeros((0, reference.about.dimension))])
        found = {
            "label": label,
            "stems": len(others),
            "frames": len(together),
            "in_reference": len(compared) - len(others),
            **set_distances(together, reference.labels[label], self.seed),
        }
        counts = {"rows": len(located) + payload.lost, "failed": failed}
        return self.finish(SETS, shard, json.dumps(found).encode(), set_part(shard), counts)


def score(
    stem: Stem, told: dict[str, Any], frames: np.ndarray, reference: ReferenceFile, measures: Sequence[str]
) -> dict[str, Any]:
    """The row of a stem: ``told`` is what its embedding said, ``frames`` its raw ``(n, dimension)`` frames."""
    about = {"frames": told["frames"], "seconds": told["seconds"], "in_reference": False}
    if told["outcome"] != Outcome.SCORED:
        return _row(stem, told["outcome"], told["message"], **about)
    member = reference.member(stem.stem, stem.etag, frames)
    found = member.scores if member else reference.labels[stem.stem].measure(frames, measures)
    numbers = {name + ending: found[name][kind] for name in measures for kind, ending in ENDINGS.items()}
    return _row(stem, Outcome.SCORED, told["message"], **about | {"in_reference": member is not None}, **numbers)


def check_reference(run: Run, pieces: Iterable[Sequence[Located]], lost: dict[int, str]) -> None:
    """Raise ``BadInput`` when a stem of the reference, which is trusted, cannot be read, or a label has too few.

    ``pieces`` are the stems of each label.
    """
    for located in pieces:
        told: dict[str, dict[str, Any]] = {}
        for shard in sorted({each.shard for each in located}):
            if shard in lost:
                raise RaysepError(f"{run.root}: embedding the reference failed ({lost[shard]})")
            told |= read_rows(run, shard)
        own, label = [told[each.name] for each in located], located[0].stem.stem
        if broken := [row for row in own if row["outcome"] == Outcome.FAILED]:
            raise BadInput(
                f"--reference: {len(broken)} of its stems cannot be used, first: {broken[0]['message']}; put them right or "
                "leave them out, since a reference is trusted; the same command goes on from here"
            )
        audible = sum(row["frames"] >= LEAST_FRAMES for row in own)
        if audible < FEWEST_TRACKS:
            raise BadInput(
                f"--reference: {label} is audible in {audible} of {len(own)} tracks, and at least {FEWEST_TRACKS} are "
                "needed; add clean tracks that contain it, or leave the label out with --labels and choose another --out"
            )


def load_reference(run: Run) -> ReferenceFile:
    return ReferenceFile.from_bytes(run.read_bytes(REFERENCE_FILE), run.path(REFERENCE_FILE))


def frames_of(run: Run, payload: Iterable[Located]) -> dict[str, np.ndarray]:
    """Name → frames, each shard's file read once."""
    by_shard: dict[int, list[str]] = {}
    for located in payload:
        by_shard.setdefault(located.shard, []).append(located.name)
    found: dict[str, np.ndarray] = {}
    for shard, names in sorted(by_shard.items()):
        vectors = read_vectors(run, shard)
        found |= {name: vectors[name] for name in names}
    return found


def _unreadable(run: Run, payload: Iterable[Located]) -> int:
    told: dict[str, dict[str, Any]] = {}
    for shard in sorted({located.shard for located in payload}):
        told |= read_rows(run, shard)
    return sum(told[located.name]["outcome"] == Outcome.FAILED for located in payload)
