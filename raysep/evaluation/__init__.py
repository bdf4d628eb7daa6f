"""How good separations and detections are. Light: this imports numpy and nothing else."""

from raysep.evaluation.bss_eval import bss_eval
from raysep.evaluation.sdr import framewise_sdr, global_sdr, median_framewise_sdr, si_sdr
from raysep.evaluation.silence import audible_sdr, residue, silent_stems
from raysep.evaluation.spectral import bleedless_fullness

__all__ = [
    "audible_sdr",
    "bleedless_fullness",
    "bss_eval",
    "framewise_sdr",
    "global_sdr",
    "median_framewise_sdr",
    "residue",
    "si_sdr",
    "silent_stems",
]
