"""Hashes and random generators that are the same in every process, on every machine."""

from __future__ import annotations

import hashlib

import numpy as np


def stable_hash(text: str) -> int:
    """64 bits of SHA-256 (Python's own ``hash`` differs from process to process)."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def generator(seed: int, *parts: str | int) -> np.random.Generator:
    """A random generator of its own for each combination of seed and names."""
    return np.random.default_rng([seed, *(stable_hash(p) if isinstance(p, str) else p for p in parts)])
