"""The benchmark corpora by size: rendered songs in three disjoint sets, the training set contaminated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from raysep.corpus import storage
from raysep.errors import BadInput


@dataclass(frozen=True)
class Size:
    train: int  # songs
    reference: int  # songs
    test: int  # songs
    seconds: float  # of every song
    sample_rate: int  # Hz
    share: float = 0.5  # of the training stems that are corrupted


BENCHMARKS = {
    "tiny": Size(train=60, reference=24, test=10, seconds=12.0, sample_rate=16_000),
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
) -> Corpora:
    """Write ``clean/``, ``train/``, ``reference/``, ``test/`` and ``truth.parquet`` under ``out_uri``.

    Depends on the size and the seed only. Can be repeated: the same files come out again. ``progress(done, total)``
    counts songs rendered and songs contaminated. Raises ``BadInput`` for an unknown size, or when a folder already
    holds other songs.
    """
    from raysep.corpus.contamination import contaminate
    from raysep.corpus.songs.synthesis import synthesise

    plan = _size(size)
    out = storage.absolute(out_uri)
    places = Corpora(*(storage.join(out, part) for part in ("clean", "train", "reference", "test", "truth.parquet")))
    # A prefix of its own for each set: the same seed then gives other songs.
    sets = (
        (places.clean, plan.train, "song"),
        (places.reference, plan.reference, "ref"),
        (places.test, plan.test, "test"),
    )
    for folder, songs, prefix in sets:
        _refuse_other_songs(folder, songs, prefix)
    total = 2 * plan.train + plan.reference + plan.test
    finished = 0

    def count(done: int, _: int) -> None:
        if progress:
            progress(finished + done, total)

    for folder, songs, prefix in sets:
        synthesise(folder, songs, plan.seconds, plan.sample_rate, seed, workers, count, prefix)
        finished += songs
    contaminate(places.clean, places.train, places.truth, plan.share, seed, workers=workers, progress=count)
    return places


def _size(size: str | Size) -> Size:
    if isinstance(size, Size):
        return size
    if size not in BENCHMARKS:
        raise BadInput(f"size {size!r}: there is no such benchmark; choose one of {', '.join(BENCHMARKS)}")
    return BENCHMARKS[size]


def _refuse_other_songs(folder: str, songs: int, prefix: str) -> None:
    """A song left over from another run would slip into the corpus unnoticed."""
    from raysep.corpus.songs.synthesis import name_of

    expected = {name_of(prefix, number) for number in range(songs)}
    for info in storage.list_files(folder):
        name = storage.uri_of(folder, info)[len(folder) + 1 :].split("/")[0]
        if name not in expected:
            raise BadInput(f"{folder}: already holds {name}, which is not of this corpus; give an empty folder")
