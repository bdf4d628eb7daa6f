"""Folds that rotate: what judges a stem is made of other reference tracks than those that are its evidence.

The reference's tracks are dealt to the folds. A fold's tracks, clean and in corrupted copies, are evidence under it; what
is derived from the reference (its network, the moved weights, partners, distances) is made of the tracks of the other
folds. So every reference stem is clean evidence once, and every reference track is planted.

Corpus tracks are dealt likewise. Under a fold, corpus stems and evidence are read by the same networks and compared with the
same tracks, none of which is among them: they stay exchangeable.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from raysep.corpus.hashing import stable_hash
from raysep.corpus.manifest import Stem


@dataclass(frozen=True)
class Fold:
    """What the judgement under one fold is derived from, and where that lies in the run's folder."""

    number: int | None  # None: the reference is split once, and there is no other fold
    target: list[Stem]  # unlearned, trains the reference network, mixed with, compared with
    noisy: list[Stem]  # planted tracks that are unlearned instead, where the way of unlearning does that

    def place(self, name: str) -> str:
        """A folder of the run: ``name``, or where folds rotate ``name/fold-N``."""
        return place(name, self.number)

    def named(self, name: str) -> str:
        """A network of the run: ``name``, or where folds rotate ``name-N``."""
        return name if self.number is None else f"{name}-{self.number}"

    def says(self, text: str) -> str:
        """A message of what is left out, with the fold that lacks it: then no fold has it."""
        return text if self.number is None else f"fold {self.number}, and so of all: {text}"


def place(name: str, fold: int | None) -> str:
    return name if fold is None else f"{name}/fold-{fold}"


def deal(tracks: Iterable[str], folds: int, salt: str) -> dict[str, int]:
    """Track → fold, of folds that differ by one track at most; by hash: the order of the tracks plays no part."""
    order = sorted(set(tracks), key=lambda track: (stable_hash(f"{salt}/{track}"), track))
    return {track: number % folds for number, track in enumerate(order)}
