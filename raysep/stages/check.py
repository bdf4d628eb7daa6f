"""The pass that listens to every track once before anything else is done: fingerprints, and on demand measures and sound.

CHECK/rows-NNNNN.parquet           a row for each file of a shard's tracks: outcome and measures
CHECK/prints-NNNNN.safetensors     acoustic fingerprints and mean embeddings of the same tracks
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from raysep.corpus import leaks, manifest, storage
from raysep.corpus.hashing import fingerprint, stable_hash
from raysep.corpus.inputs import Inputs
from raysep.corpus.leaks import Place
from raysep.corpus.manifest import Stem
from raysep.corpus.threads import in_threads
from raysep.outcome import Outcome
from raysep.probes import checkup, flaws
from raysep.probes.flaws import Measures
from raysep.rundir import Run, table_bytes
from raysep.stages.context import Context
from raysep.stages.passes import Counts, Pass, Worker

if TYPE_CHECKING:
    from raysep.probes.embedders.base import Embedder

STAGE = "check"
MOST_SHARDS = 128
TWINS = "twins.json"
EMBEDDED_RATE = 44_100  # Hz, of an embedder that takes any
VERSION = 2  # of what is measured: parts of another one are made again
NUMBERS = (*(each.name for each in fields(Measures)), "lag", "gain_db", "residual_db")
SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("role", "track", "stem", "uri", "outcome", "message", "remark")]
    + [(name, pa.float64()) for name in NUMBERS]
)


class Located(NamedTuple):
    """A track, and where it was given."""

    role: str
    track: str
    stems: list[Stem]
    mixture: Stem | None = None  # its own file, beside its stems


@dataclass(frozen=True)
class Listening:
    """What the pass does beside taking fingerprints."""

    measures: bool = False
    embedder: str = ""  # by name; "" = no embedding


@dataclass(frozen=True, kw_only=True)
class Checker(Worker):
    """Looks over the tracks of a shard."""

    listening: Listening

    def start(self) -> Callable[[int, Sequence[Located]], Counts]:
        if not self.listening.embedder:
            return partial(self.check, None)
        from raysep.probes.embedders import registry

        return partial(self.check, registry.build(self.listening.embedder, EMBEDDED_RATE))

    def check(self, embedder: Embedder | None, shard: int, payload: Sequence[Located]) -> Counts:
        """Write what is known of the tracks, then the shard's marker. No file's failure is an error."""
        from safetensors.numpy import save

        rows, arrays = [], {}
        for role, track, stems, mixture in payload:
            found = checkup.check_track(stems, self.listening.measures, embedder, mixture)
            rows += [{"role": role, **row} for row in found.rows]
            for label, (bits, audible) in found.prints.items():
                arrays[_key("bits", role, track, label)] = bits
                arrays[_key("audible", role, track, label)] = audible
            for label, vector in found.vectors.items():
                arrays[_key("vector", role, track, label)] = vector.astype(np.float32)
        self.folder.write_bytes(save(arrays), _part("prints", shard, "safetensors"))
        counts = {"rows": len(rows), "failed": sum(row["outcome"] == Outcome.FAILED for row in rows)}
        table = pa.Table.from_pylist(rows, schema=SCHEMA)
        return self.finish(STAGE, shard, table_bytes(table), _part("rows", shard, "parquet"), counts)


@dataclass
class Heard:
    """What the pass found: a row per file, fingerprints by track and label, mean embeddings by (track, label)."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    prints: dict[Place, dict[str, tuple]] = field(default_factory=dict)
    vectors: dict[tuple[Place, str], np.ndarray] = field(default_factory=dict)


def listen(todo: Pass, parts: Mapping[str, Iterable[Stem]], listening: Listening) -> Heard:
    """Listen to every track of every role that has not been listened to; returns what is known of all.

    ``todo`` bears no fingerprint of its own: a shard counts when it was made of the same files. A file that could not be
    read is tried again.
    """
    work = _shards(parts, with_mixtures=listening.measures)
    marks = {shard: _mark(located, listening) for shard, located in work.items()}
    todo = replace(todo, stage=STAGE, fingerprint=marks)
    worker = Checker(
        root=todo.folder.root, fingerprint=marks, threads=1 if listening.embedder else None, listening=listening
    )
    with todo.folder.stage(STAGE) as record, todo.progress.bar(STAGE, "shards") as advance:
        done = todo.run(worker, work, advance)
        record.update(shards=len(work), done_now=done.now, lost=len(done.lost))
    heard = Heard()
    for shard, located in sorted(work.items()):
        if shard in done.lost:
            for each in located:
                heard.rows += [{"role": each.role, **row} for row in checkup.failed(each.stems, done.lost[shard]).rows]
        else:
            _gather(heard, todo.folder, shard)
    return heard


def look_for_twins(context: Context, inputs: Inputs, on_leak: Callable[[str], None]) -> None:
    """Before anything is computed: ``on_leak`` is told of songs that one role shares with another, or a reference holds twice.

    Songs that the corpus holds twice are said. Leaves all that was found in ``twins.json``.
    """
    run, say = context.run, context.progress.say
    if context.retry_failed or not run.has(TWINS):
        heard = listen(Pass.of(context, STAGE), vars(inputs), Listening())
        run.write_json([asdict(one) for one in leaks.find(heard.prints)], TWINS)
        readable = {place: prints for place, prints in heard.prints.items() if "" in prints}
        if few := leaks.incomparable(readable):
            say(f"too short or too silent to be compared with others: {len(few)} tracks, first {few[0].words}")
        say_integer_scale(heard.rows, say)
    found = [leaks.from_dict(one) for one in run.read_json(TWINS)]
    if again := leaks.copies(found):
        copy, of = min(again.items())
        say(f"{len(again)} tracks of the corpus are copies of another, first {copy} of {of}: `raysep check` names all")
    for message in leaks.messages(found):
        on_leak(message)


def say_integer_scale(rows: Iterable[Mapping[str, Any]], say: Callable[[str], None]) -> None:
    """Of files that hold integers as floats: they are taken as they are, and every level of theirs is."""
    loud = [row for row in rows if (row.get("peak") or 0.0) > flaws.WHOLE_NUMBERS]
    if loud:
        say(
            f"{len(loud)} files far above full scale, taken as they are, first {loud[0]['uri']}: "
            f"{flaws.integer_scale(loud[0]['peak'])}"
        )


def _shards(parts: Mapping[str, Iterable[Stem]], with_mixtures: bool) -> dict[int, list[Located]]:
    """By hash of the track, so that a track keeps its shard when others come and go."""
    tracks = [Located(r, t, list(held.values())) for r, s in parts.items() for t, held in manifest.tracks_of(s).items()]
    if with_mixtures:
        found = in_threads(checkup.mixture_beside, [track.stems for track in tracks])
        tracks = [track._replace(mixture=mixture) for track, mixture in zip(tracks, found, strict=True)]
    shards: dict[int, list[Located]] = {}
    for track in tracks:
        shards.setdefault(stable_hash(f"{track.role}/{track.track}") % MOST_SHARDS, []).append(track)
    return shards


def _mark(located: Sequence[Located], listening: Listening) -> str:
    files = [(each.role, each.track, [*each.stems, *([each.mixture] if each.mixture else [])]) for each in located]
    return fingerprint(VERSION, listening, [(role, track, manifest.digest(stems)) for role, track, stems in files])


def _part(kind: str, shard: int, ending: str) -> str:
    return f"check/{kind}-{shard:05d}.{ending}"


def _key(kind: str, role: str, track: str, label: str) -> str:
    return json.dumps([kind, role, track, label])


def _gather(heard: Heard, folder: Run, shard: int) -> None:
    from safetensors.numpy import load

    heard.rows += folder.read_table(_part("rows", shard, "parquet")).to_pylist()
    arrays = load(storage.read_bytes(folder.path(_part("prints", shard, "safetensors"))))
    for key, value in arrays.items():
        kind, role, track, label = json.loads(key)
        if kind == "bits":
            heard.prints.setdefault(Place(role, track), {})[label] = (
                value,
                arrays[_key("audible", role, track, label)],
            )
        elif kind == "vector":
            heard.vectors[Place(role, track), label] = value
