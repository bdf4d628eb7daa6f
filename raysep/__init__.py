"""raysep: blind cleaning of music source separation training data, on one machine or a Ray cluster.

What a notebook needs is offered here, and imported when it is first asked for: ``import raysep`` itself loads nothing.
"""

from typing import TYPE_CHECKING

from raysep.version import __version__

__all__ = [
    "Checkup",
    "Cleaning",
    "Distances",
    "Evaluation",
    "Scan",
    "Scores",
    "Separation",
    "Training",
    "__version__",
    "check",
    "clean",
    "decide",
    "evaluate",
    "fad",
    "read",
    "score",
    "separate",
    "stems_of",
    "train",
]

if TYPE_CHECKING:
    from raysep.corpus.layouts import Scan, stems_of
    from raysep.face.checking import Checkup, check
    from raysep.face.cleaning import Cleaning, Scores, clean, decide, read, score
    from raysep.face.distances import Distances, fad
    from raysep.face.separating import Evaluation, Separation, Training, evaluate, separate, train
else:
    _HOMES = {
        "raysep.corpus.layouts": ("Scan", "stems_of"),
        "raysep.face.checking": ("Checkup", "check"),
        "raysep.face.cleaning": ("Cleaning", "Scores", "clean", "decide", "read", "score"),
        "raysep.face.distances": ("Distances", "fad"),
        "raysep.face.separating": ("Evaluation", "Separation", "Training", "evaluate", "separate", "train"),
    }

    def __getattr__(name):
        from importlib import import_module

        for home, names in _HOMES.items():
            if name in names:
                return getattr(import_module(home), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__():
        return sorted({*globals(), *__all__})
