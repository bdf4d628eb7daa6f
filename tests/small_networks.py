"""Arguments of networks that step in milliseconds, one of every registered kind."""

from __future__ import annotations

SMALL: dict[str, dict] = {
    "openunmix": {"sample_rate": 8000, "n_fft": 128, "hop": 64, "hidden": 8, "layers": 2},
    "openunmix-joint": {"sample_rate": 8000, "n_fft": 128, "hop": 64, "hidden": 8, "layers": 2},
}
