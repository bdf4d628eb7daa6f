"""Hashes and random generators that are the same in every process, on every machine."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable
from typing import Any

import numpy as np

HERE = "\0"  # no text of ours holds it


def stable_hash(text: str) -> int:
    """64 bits of SHA-256 (Python's own ``hash`` differs from process to process)."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def generator(seed: int, *parts: str | int) -> np.random.Generator:
    """A random generator of its own for each combination of seed and names."""
    return np.random.default_rng([seed, *(stable_hash(p) if isinstance(p, str) else p for p in parts)])


def fingerprint(*parts: Any) -> str:
    """Twelve hex digits that change when any part does: dataclasses such as a ``Config``, dicts, strings."""
    plain = [_plain(part) if dataclasses.is_dataclass(part) and not isinstance(part, type) else part for part in parts]
    return hashlib.sha256(_json(plain).encode()).hexdigest()[:12]


def fingerprint_of_many(about: dict[str, Any], name: str, items: Iterable[dict[str, Any]]) -> str:
    """``fingerprint(about | {name: list(items)})``, of which no more than one item is held at a time."""
    before, _, after = _json([about | {name: HERE}]).partition(_json(HERE))
    found = hashlib.sha256((before + "[").encode())
    for number, item in enumerate(items):
        found.update(((", " if number else "") + _json(item)).encode())
    found.update(("]" + after).encode())
    return found.hexdigest()[:12]


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _plain(part: Any) -> dict[str, Any]:
    """The values of a dataclass, and of those it holds, but for fields that say that they change no result (``NOT_HASHED``)."""
    values = dataclasses.asdict(part)
    for field in dataclasses.fields(part):
        if not field.metadata.get("hashed", True):
            del values[field.name]
        elif dataclasses.is_dataclass(within := getattr(part, field.name)) and not isinstance(within, type):
            values[field.name] = _plain(within)
    return values
