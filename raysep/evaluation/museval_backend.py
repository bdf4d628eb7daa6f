"""museval itself as a second opinion: slow, and what published numbers were made with.

Importing the package needs ffmpeg's programs even to score two arrays, so its ``metrics.py`` is loaded alone.
"""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np

from raysep.errors import BadInput, RaysepError


@cache
def load_metrics() -> ModuleType:
    """museval's ``metrics`` module without its package. Raises ``BadInput`` when museval is not installed."""
    package = importlib.util.find_spec("museval")
    if package is None or package.origin is None:
        raise BadInput("--backend museval: museval is not installed; install it, or use --backend own")
    spec = importlib.util.spec_from_file_location("museval_metrics", Path(package.origin).with_name("metrics.py"))
    assert spec is not None
    assert spec.loader is not None  # of a .py file there is one
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def evaluate_track(references: np.ndarray, estimates: np.ndarray, sample_rate: int) -> dict[str, np.ndarray]:
    """SDR, ISR, SIR and SAR in dB, each ``(stem, frame)``, of ``(stem, sample, channel)`` arrays.

    museval's defaults for music: BSS Eval v4, frames of one second side by side, filters of 512 taps over the track.
    Raises ``ValueError`` for a stem that is silent throughout, and ``RaysepError`` when museval 0.4.1 meets a singular
    system of filters: the handler of that case names ``numpy.linalg.linalg``, which numpy has removed.
    """
    metrics = load_metrics()
    try:
        sdr, isr, sir, sar, _ = metrics.bss_eval(
            references.astype(np.float64),
            estimates.astype(np.float64),
            window=sample_rate,
            hop=sample_rate,
            compute_permutation=False,
            filters_len=512,
            framewise_filters=False,
            bsseval_sources_version=False,
        )
    except AttributeError as error:
        if not isinstance(error.__context__, np.linalg.LinAlgError):
            raise
        raise RaysepError(
            "museval: its filters have no unique solution here, as when a stem is a scaled or delayed copy of another, and "
            f"its way out fails under numpy {np.__version__} ({error}); use --backend own for this track"
        ) from error
    return {"sdr": sdr, "isr": isr, "sir": sir, "sar": sar}
