"""Fréchet Audio Distance of one stem to a clean reference, and its cheap relatives. Light: numpy only."""

from raysep.probes.fad.distance import frechet_distance, frechet_distances
from raysep.probes.fad.statistics import ReferenceStatistics

__all__ = ["ReferenceStatistics", "frechet_distance", "frechet_distances"]
