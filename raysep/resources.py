"""What a cluster has in all, for whoever sizes a pool or a group by it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Resources:
    """What the cluster has in all."""

    cpus: float
    gpus: float
    nodes: int

    def cpus_each(self, workers: int) -> float:
        """CPUs a worker of a group may reserve while one CPU is left for Ray Data's reads.

        A group that takes every CPU starves the reads that feed it, and the run hangs without an error.
        A cluster that has none yet is one whose autoscaler waits to be asked for whole ones.
        """
        if not self.cpus:
            return 1.0
        return min(1.0, round((self.cpus - min(1.0, self.cpus / 2)) / workers, 3))
