"""How good separations and detections are. Light: this imports numpy and nothing else."""

from raysep.evaluation.sdr import framewise_sdr, global_sdr, median_framewise_sdr, si_sdr

__all__ = ["framewise_sdr", "global_sdr", "median_framewise_sdr", "si_sdr"]
