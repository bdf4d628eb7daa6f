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
    "Exported",
    "Picture",
    "Scan",
    "Scores",
    "Separation",
    "Training",
    "Tuning",
    "__version__",
    "check",
    "clean",
    "decide",
    "evaluate",
    "export",
    "fad",
    "prove",
    "read",
    "review",
    "score",
    "separate",
    "stems_of",
    "suspects",
    "train",
    "tune",
]

if TYPE_CHECKING:
    from raysep.corpus.layouts import Scan, stems_of
    from raysep.face.checking import Checkup, check
    from raysep.face.cleaning import Cleaning, Scores, clean, decide, prove, read, review, score, suspects
    from raysep.face.distances import Distances, fad
    from raysep.face.exporting import Exported, export
    from raysep.face.separating import Evaluation, Separation, Training, evaluate, separate, train
    from raysep.face.shown import Picture
    from raysep.face.tuning import Tuning, tune
else:
    _HOMES = {
        "raysep.corpus.layouts": ("Scan", "stems_of"),
        "raysep.face.checking": ("Checkup", "check"),
        "raysep.face.cleaning": (
            "Cleaning",
            "Scores",
            "clean",
            "decide",
            "prove",
            "read",
            "review",
            "score",
            "suspects",
        ),
        "raysep.face.distances": ("Distances", "fad"),
        "raysep.face.exporting": ("Exported", "export"),
        "raysep.face.separating": ("Evaluation", "Separation", "Training", "evaluate", "separate", "train"),
        "raysep.face.shown": ("Picture",),
        "raysep.face.tuning": ("Tuning", "tune"),
    }

    def __getattr__(name):
        from importlib import import_module

        for home, names in _HOMES.items():
            if name in names:
                return getattr(import_module(home), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__():
        return sorted({*globals(), *__all__})
