from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from raysep.corpus.hashing import generator, stable_hash


@given(st.text())
def test_the_hash_is_the_first_eight_bytes_of_sha256(text):
    assert stable_hash(text) == int(hashlib.sha256(text.encode()).hexdigest()[:16], 16)


def test_the_hash_and_the_draws_are_the_same_in_another_process():
    script = (
        "from raysep.corpus.hashing import generator, stable_hash\n"
        "print(stable_hash('song/vocals'), generator(3, 'plant', 7).integers(2**62))"
    )
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert shown == [str(stable_hash("song/vocals")), str(generator(3, "plant", 7).integers(2**62))]


def test_hashes_are_spread_evenly():
    counts = np.bincount([stable_hash(f"song{k:05d}/vocals") % 16 for k in range(16_000)])
    # Chi-square with 15 degrees of freedom: 37.7 is its 99.9 % quantile.
    assert ((counts - 1000.0) ** 2 / 1000.0).sum() < 37.7


def test_every_combination_of_seed_and_names_draws_its_own_numbers():
    parts = [(0, "a"), (1, "a"), (0, "b"), (0, "a", "b"), (0, "b", "a"), (0, "ab"), (0, "a", 1), (0, "a", 2), (0,)]
    draws = [float(generator(*part).random()) for part in parts]
    assert len(set(draws)) == len(draws)
    assert draws == [float(generator(*part).random()) for part in parts]
