"""What a driver tells while it works, as ``doing.Doing`` gathers it."""

from __future__ import annotations

TRAINING = {
    "stages": ["retrain"],
    "stage": "retrain",
    "done": 240,
    "total": 600,
    "text": "random-seed0",
    "unit": "steps",
    "part": 3,
    "parts": 8,
    "rate": 2.1,
    "left": 300.0,
    "workers": 3,
}
