"""Fréchet Audio Distance of one stem to a clean reference, and its cheap relatives. Light: numpy only."""

from raysep.probes.fad.distance import frechet_distance, frechet_distances
from raysep.probes.fad.infinity import Extrapolation, frechet_distance_infinity
from raysep.probes.fad.kernel import KernelReference, kernel_distances
from raysep.probes.fad.statistics import ReferenceStatistics

__all__ = [
    "Extrapolation",
    "KernelReference",
    "ReferenceStatistics",
    "frechet_distance",
    "frechet_distance_infinity",
    "frechet_distances",
    "kernel_distances",
]
