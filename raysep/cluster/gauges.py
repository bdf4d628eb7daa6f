"""What a run tells to a cluster's own metrics, which Prometheus collects from every node; deploy/grafana.json draws them.

Ray sends ``raysep_workers`` of the driver's process as ``ray_raysep_workers``. Every metric has the tags ``run``
(its folder's name) and ``stage``.
"""

from __future__ import annotations

import logging
from typing import Any

from ray.util import metrics

TAGS = ("run", "stage")
COUNTERS = {  # name → what it counts
    "raysep_shards_done_total": "shards that were finished",
    "raysep_shards_retried_total": "shards that were given to another worker",
    "raysep_stems_failed_total": "stems that could not be read or scored",
    "raysep_workers_died_total": "workers that died",
    "raysep_stage_seconds_total": "seconds of finished stages",
    "raysep_cpu_seconds_total": "CPU seconds of finished stages, all processes",
    "raysep_gpu_seconds_total": "GPU seconds of finished stages",
    "raysep_bytes_read_total": "bytes read by finished stages",
}
GAUGES = {
    "raysep_progress_done": "what the stage under way has done: shards, steps, trials",
    "raysep_progress_total": "and how many there are",
    "raysep_progress_rate": "of these, per second",
    "raysep_seconds_left": "until the stage is done, at this rate",
    "raysep_workers": "workers of the stage under way",
}
LEDGER = ("cpu_seconds", "gpu_seconds", "bytes_read")


class Gauges:
    """A listener: see ``raysep.events``. What the metrics do not take is no matter for the run."""

    def __init__(self) -> None:
        self.run = ""
        self.counters = {name: metrics.Counter(name, about, TAGS) for name, about in COUNTERS.items()}
        self.gauges = {name: metrics.Gauge(name, about, TAGS) for name, about in GAUGES.items()}

    def __call__(self, kind: str, facts: dict[str, Any]) -> None:
        stage = str(facts.get("stage", ""))
        if kind == "run-begun":
            self.run = str(facts["run"])
        if "workers" in facts:
            self._set("raysep_workers", stage, facts["workers"])
        if kind == "shard-done":
            self._add("raysep_shards_done_total", stage, 1)
            self._add("raysep_stems_failed_total", stage, facts.get("failed"))
        elif kind == "shard-retried":
            self._add("raysep_shards_retried_total", stage, 1)
        elif kind == "worker-died":
            self._add("raysep_workers_died_total", stage, 1)
        elif kind == "progress":
            self._set("raysep_progress_done", stage, facts.get("done"))
            self._set("raysep_progress_total", stage, facts.get("total"))
            self._set("raysep_progress_rate", stage, facts.get("rate"))
            self._set("raysep_seconds_left", stage, facts.get("left"))
        elif kind == "stage-ended":
            self._add("raysep_stage_seconds_total", stage, facts.get("seconds"))
            for name in LEDGER:
                self._add(f"raysep_{name}_total", stage, facts.get(name))

    def _add(self, name: str, stage: str, value: float | None) -> None:
        if value:  # a counter takes nothing that is not above zero
            _quietly(self.counters[name].inc, value, {"run": self.run, "stage": stage})

    def _set(self, name: str, stage: str, value: float | None) -> None:
        if value is not None:
            _quietly(self.gauges[name].set, value, {"run": self.run, "stage": stage})


def _quietly(action: Any, value: float, tags: dict[str, str]) -> None:
    try:
        action(float(value), tags=tags)
    except (ValueError, RuntimeError) as error:
        logging.getLogger(__name__).debug("metric not taken: %s", error)
