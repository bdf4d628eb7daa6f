"""What is to be trained, and by how many: plans, the group that trains them, and how stems are dealt to its parts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np

from raysep.corpus import manifest, storage
from raysep.corpus.hashing import fingerprint_of_many, stable_hash
from raysep.corpus.manifest import Stem
from raysep.training.entry import Entry
from raysep.training.recipe import Recipe

# References and estimates ``(stem, channel, time)`` of a track -> a figure for each stem, higher = better; NaN = none.
Measure = Callable[[np.ndarray, np.ndarray], Iterable[float]]


@dataclass(frozen=True)
class Plan:
    """One training: stems and how they are used, a network, a recipe, and where the result goes."""

    name: str
    stems: tuple[Entry, ...]
    model: str
    arguments: dict[str, Any]
    recipe: Recipe
    out: str  # URI of the checkpoint: the best validated one, or the last when nothing is validated
    early_out: str | None = None  # URI of the checkpoint at ``early_step``
    early_step: int = 0
    labels: tuple[str, ...] = ()
    validation: tuple[Stem, ...] = ()  # whole tracks

    @cached_property
    def fingerprint(self) -> str:
        """Changes when anything does that the trained weights depend on."""
        return fingerprint_of_many(asdict(replace(self, stems=())), "stems", map(_plain, self.stems))

    @cached_property
    def digest(self) -> str:
        """Of the manifest of the stems that are trained on."""
        return manifest.digest([entry.stem for entry in self.stems])

    def is_trained(self) -> bool:
        """Whether the checkpoint is there and came from this very plan."""
        note = sidecar_of(self.out)
        return storage.exists(note) and json.loads(storage.read_bytes(note)).get("fingerprint") == self.fingerprint


def _plain(entry: Entry) -> dict[str, Any]:
    """What ``asdict`` gives, in a tenth of the time."""
    stem = {each.name: getattr(entry.stem, each.name) for each in fields(entry.stem)}
    return {each.name: getattr(entry, each.name) for each in fields(entry)} | {"stem": stem}


def sidecar_of(uri: str) -> str:
    """The note beside a checkpoint, written after it: which plan it came from."""
    return uri.removesuffix(".safetensors") + ".json"


def deal(entries: Iterable[Entry], parts: int) -> list[list[Entry]]:
    """Each part's stems: of every label an equal share, dealt in an order that hashes decide.

    A label with fewer stems than there are parts goes to all of them, so that no part lacks it. Labels alternate within
    a part: what a pool holds of a corpus that is larger than itself is a part of this order, and needs all of them.
    """
    by_label: dict[str, list[Entry]] = {}
    for entry in entries:
        by_label.setdefault(entry.label, []).append(entry)
    dealt: list[list[tuple[float, str, Entry]]] = [[] for _ in range(parts)]
    for label in sorted(by_label):
        members = sorted(by_label[label], key=lambda e: (stable_hash(e.stem.stem_id), e.stem.stem_id))
        for number, part in enumerate(dealt):
            own = members[number::parts] if len(members) >= parts else members
            part.extend(((place + 0.5) / len(own), label, entry) for place, entry in enumerate(own))
    return [[entry for *_, entry in sorted(part, key=lambda item: item[:2])] for part in dealt]


def share_of(batch: int, part: int, parts: int) -> int:
    """How many of a batch's examples a part draws."""
    return batch // parts + (part < batch % parts)
