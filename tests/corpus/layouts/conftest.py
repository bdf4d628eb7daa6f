"""Trees of other corpora, as small as they can be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile


@pytest.fixture
def tone(tmp_path):
    """tone("a/b.wav", 3): a file below ``tmp_path`` of a tenth of a second of noise, another one for each number."""

    def write(path: str, seed: int = 0, seconds: float = 0.1, rate: int = 8000) -> Path:
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(file, 0.1 * np.random.default_rng(seed).standard_normal(round(seconds * rate)), rate)
        return file

    return write
