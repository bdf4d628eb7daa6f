"""The presets: what each changes of the default settings."""

from __future__ import annotations

from typing import Any

# For references of ten or twenty tracks: split in three, too few stems would calibrate.
ROTATED = {"folds": 2, "copies": 1}

PRESETS: dict[str, dict[str, Any]] = {
    # Seconds on two cores: what the tests run.
    "smallest": {
        "network": {"hidden": 16, "layers": 1},
        "training": {"steps": 12, "batch": 4, "segment_seconds": 1.0, "save_every": 6},
        "scoring": {
            "segment_seconds": 1.0,
            "most_segments": 3,
            "batch": 4,
            "shards": 4,
            "bank_segments": 12,
            "fisher_segments": 16,
            "fisher_shards": 2,
            "embedder": "logmel",
        },
        "planting": {"unlearning": 0.34, "calibration": 0.4, "copies": 2, "least_tracks": 6},
        "search": {"ratios": (0.0, 0.4), "steps": 4, "rungs": 2},
    },
    # Minutes on two cores: the demo.
    "tiny": {
        "network": {"hidden": 96, "layers": 1},
        "training": {"steps": 600, "batch": 8, "segment_seconds": 1.5, "learning_rate": 3e-3, "save_every": 600},
        "scoring": {
            "segment_seconds": 3.0,
            "most_segments": 4,
            "batch": 4,  # on a CPU small batches stay in the cache
            "shards": 16,
            "bank_segments": 48,
            "fisher_segments": 192,
            "fisher_shards": 4,
        },
        "planting": ROTATED,
        "search": {"ratios": (0.0, 0.2, 0.4, 0.6), "steps": 60, "rungs": 3},
    },
    # An hour or two on two cores.
    "small": {
        "network": {"hidden": 128, "layers": 2},
        "training": {"steps": 2000, "batch": 8, "segment_seconds": 3.0, "learning_rate": 3e-3},
        "scoring": {"segment_seconds": 4.0, "most_segments": 6, "batch": 4, "shards": 64, "fisher_segments": 512},
        "planting": ROTATED,
    },
    # A GPU or several, full-band stereo.
    "full": {},
}
