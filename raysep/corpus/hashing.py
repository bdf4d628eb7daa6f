"""Hashes and random generators that are the same in every process, on every machine."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any

import numpy as np


def stable_hash(text: str) -> int:
    """64 bits of SHA-256 (Python's own ``hash`` differs from process to process)."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def generator(seed: int, *parts: str | int) -> np.random.Generator:
    """A random generator of its own for each combination of seed and names."""
    return np.random.default_rng([seed, *(stable_hash(p) if isinstance(p, str) else p for p in parts)])


def fingerprint(*parts: Any) -> str:
    """Twelve hex digits that change when any part does: dataclasses such as a ``Config``, dicts, strings."""
    plain = [
        dataclasses.asdict(part) if dataclasses.is_dataclass(part) and not isinstance(part, type) else part
        for part in parts
    ]
    return hashlib.sha256(json.dumps(plain, sort_keys=True, default=str).encode()).hexdigest()[:12]
