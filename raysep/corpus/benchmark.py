"""The benchmark corpora by size: rendered songs in three disjoint sets, the training set contaminated."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from raysep.corpus import conditions, outputs, storage
from raysep.corpus.manifest import Stem
from raysep.errors import BadInput

NOTE = "corpus.json"


@dataclass(frozen=True)
class Size:
    train: int  # songs
    reference: int  # songs
    test: int  # songs
    seconds: float  # of every song
    sample_rate: int  # Hz
    variety: str = "wide"  # of the sounds: with few of them ten songs teach a separator what sixty do


BENCHMARKS = {
    "tiny": Size(train=60, reference=24, test=20, seconds=12.0, sample_rate=16_000),
    "small": Size(train=180, reference=24, test=50, seconds=24.0, sample_rate=22_050),
}


@dataclass(frozen=True)
class Corpora:
    """Where the parts of a benchmark corpus lie. ``truth`` is for judging only: nothing that cleans may read it."""

    clean: str  # the training songs before contamination
    train: str
    reference: str
    test: str
    truth: str


def make_corpus(
    out_uri: str,
    size: str | Size,
    seed: int,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    *,
    condition: str = conditions.TEN_KINDS,
    songs: int | None = None,
    reference: int | None = None,
    overwrite: bool = False,
) -> Corpora:
    """Write ``clean/``, ``train/``, ``reference/``, ``test/``, ``truth.parquet`` and a note, ``corpus.json``.

    ``songs`` is how many training songs, ``reference`` how many reference songs (unless given: the size's, and the
    condition's). Songs are nested: more of them begin with those that fewer are, so that a curve over their number is of
    one draw. Depends on these, the condition and the seed only. Can be repeated: the same files come out again.
    ``progress(done, total)`` counts songs rendered and songs contaminated. Raises ``BadInput`` for an unknown size or
    condition, or when a folder already holds other songs; without ``overwrite`` ``RunConflict`` when files are there that were not
    made from the same.
    """
    from raysep.corpus.contamination import contaminate
    from raysep.corpus.songs.synthesis import synthesise

    faults = conditions.condition(condition)
    plan = size_of(size, songs, reference or faults.reference)
    out = storage.absolute(out_uri)
    places = places_in(out)
    # A prefix of its own for each set: the same seed then gives other songs.
    sets = (
        (places.clean, plan.train, "song"),
        (places.reference, plan.reference, "ref"),
        (places.test, plan.test, "test"),
    )
    for folder, count, prefix in sets:
        _refuse_other_songs(folder, count, prefix)
    outputs.claim(out, "raysep benchmark corpus", {"condition": condition, "seed": seed}, [NOTE], overwrite=overwrite)
    total = 2 * plan.train + plan.reference + plan.test
    finished = 0

    def advance(done: int, _: int) -> None:
        if progress:
            progress(finished + done, total)

    for folder, count, prefix in sets:
        shape = (folder, count, plan.seconds, plan.sample_rate, seed, workers, advance, prefix)
        synthesise(*shape, overwrite=overwrite, variety=plan.variety)
        finished += count
    chosen = (faults.kinds, faults.severities)
    contaminate(
        places.clean, places.train, places.truth, faults.share, seed, *chosen, workers, advance, overwrite=overwrite
    )
    about = {"size": size if isinstance(size, str) else None, **vars(plan)}
    note = {**about, **conditions.note(condition, *chosen, faults.share, seed)}
    storage.write_bytes(storage.join(out, NOTE), json.dumps(note, indent=2).encode() + b"\n")
    return places


def places_in(out_uri: str) -> Corpora:
    """The parts of the benchmark corpus in a folder, whether they are there or not."""
    root = storage.absolute(out_uri)
    return Corpora(*(storage.join(root, part) for part in ("clean", "train", "reference", "test", "truth.parquet")))


def note_of(out_uri: str) -> dict[str, Any]:
    """What ``make_corpus`` noted in this folder; empty for a corpus that came to be in another way."""
    uri = storage.join(storage.absolute(out_uri), NOTE)
    return dict(json.loads(storage.read_bytes(uri))) if storage.exists(uri) else {}


def first_songs(stems: Iterable[Stem], count: int) -> list[Stem]:
    """The stems of the first ``count`` tracks in the order of their names: what a corpus of ``count`` songs would hold.

    Raises ``BadInput`` when there are fewer.
    """
    stems = list(stems)
    tracks = sorted({stem.track for stem in stems})
    if not 0 < count <= len(tracks):
        raise BadInput(f"--songs {count}: the corpus has {len(tracks)} songs; give a number from 1 to that")
    chosen = set(tracks[:count])
    return [stem for stem in stems if stem.track in chosen]


def size_of(size: str | Size, songs: int | None = None, reference: int | None = None) -> Size:
    """The size by its name, with another number of training and reference songs where one is given."""
    if isinstance(size, str):
        if size not in BENCHMARKS:
            raise BadInput(f"size {size!r}: there is no such benchmark; choose one of {', '.join(BENCHMARKS)}")
        size = BENCHMARKS[size]
    return replace(size, train=songs or size.train, reference=reference or size.reference)


def _refuse_other_songs(folder: str, songs: int, prefix: str) -> None:
    """A song left over from another run would slip into the corpus unnoticed."""
    from raysep.corpus.songs.synthesis import name_of

    expected = {name_of(prefix, number) for number in range(songs)}
    for info in storage.list_files(folder):
        name = storage.uri_of(folder, info)[len(folder) + 1 :].split("/")[0]
        if name not in expected:
            raise BadInput(f"{folder}: already holds {name}, which is not of this corpus; give an empty folder")
