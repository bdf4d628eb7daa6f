"""Connecting to Ray: a private runtime on this machine, or the cluster a job was submitted to."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ray

from raysep import events, stopping
from raysep.cluster import capacity, noise
from raysep.cluster.gauges import Gauges
from raysep.corpus import storage
from raysep.errors import BadInput, RaysepError
from raysep.resources import Resources, ResourceSettings, pool_size

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_TRAIN_ENABLE_CONTROLLER_STRUCTURED_LOGGING": "0",
    "RAY_WARN_BLOCKING_GET_INSIDE_ASYNC": "0",  # Ray Train's own controller does that
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",  # a checkpoint counts only once it has been polled
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
# Workers keep freed memory instead of handing it back: a spectrogram's pages would be faulted in anew at every step
# (measured: 12 % of a training step on CPU). Read by the C library when a process starts. What is free at the end of a
# backward pass can be more than 1 GiB: with that as the threshold, some runs trained 20 % slower than others.
ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": str(2**30), "MALLOC_TRIM_THRESHOLD_": str(2**40)}


def connect(address: str | None = None, cpus: int | None = None) -> Resources:
    """Join the cluster at ``address`` (or ``RAY_ADDRESS``), else start a runtime on this machine.

    A local runtime dies with this process. Raises ``BadInput`` when the address does not answer.
    """
    for name, value in (QUIET | ALLOCATOR).items():
        os.environ.setdefault(name, value)
    if not ray.is_initialized():
        address = address or os.environ.get("RAY_ADDRESS")
        _name_paths_in_full()
        level = logging.WARNING if noise.asked() else logging.ERROR  # until there is a file for what is said
        options: dict[str, Any] = {"log_to_driver": noise.asked(), "logging_level": level}
        try:
            with _code_of_this_process(), stopping.kept():  # Ray's own handler ends with code 15
                if address and address != "local":
                    joined = ray.init(address=address, **options)
                else:
                    # Nobody announces that this machine is to go: the process that would listen for it is saved.
                    os.environ.setdefault("RAY_TRAIN_ENABLE_PREEMPTION_WATCHER", "0")
                    joined = ray.init(address="local", num_cpus=cpus, include_dashboard=False, **options)
        except ConnectionError as error:
            raise BadInput(
                f"Ray at {address}: {error}; start it with `ray start --head`, or unset RAY_ADDRESS"
            ) from None
        except Exception as error:
            if "timed out during startup" in str(error):  # Ray's own kind of error for it is none
                raise RaysepError(
                    "Ray did not start on this machine in time, which is busy or short of memory; give the same command again"
                ) from None
            raise
        noise.into_file(getattr(joined, "address_info", {}).get("session_dir"))  # that of a Ray client has none
    return capacity.resources()


@contextlib.contextmanager
def _code_of_this_process() -> Iterator[None]:
    """Workers import what this process does: Ray puts the folder in which it is started before all others on their path.

    Unless this process looks there itself, it is started in the folder that holds this raysep instead: an older clone, or
    a file of a library's name, where the command happens to be given would else be what the workers run.
    """
    here = os.getcwd()
    if here in map(os.path.abspath, sys.path):
        yield
        return
    os.chdir(Path(__file__).resolve().parents[2])
    try:
        yield
    finally:
        os.chdir(here)


def _name_paths_in_full() -> None:
    """Workers begin in another folder: what PYTHONPATH names from here must be found from there."""
    if paths := os.environ.get("PYTHONPATH"):
        os.environ["PYTHONPATH"] = os.pathsep.join(os.path.abspath(path) for path in paths.split(os.pathsep))


def refuse_unfit(
    address: str | None, asked: ResourceSettings, processes: int, workers: int | str | None = None
) -> None:
    """Where something was asked of the cluster, look whether it can be had, before anything is read.

    ``processes``: how many a training needs at least. Raises ``BadInput`` for what the cluster can never give, be it empty and all that may join there.
    """
    least = pool_size(workers).least
    if least > 1 or asked.asked():
        with session(address):
            capacity.refuse_unfit(asked, processes, least)


def check_reachable(uri: str, available: Resources) -> None:
    """Refuse a local folder on several nodes: the workers elsewhere would not see it."""
    if available.nodes > 1 and not storage.is_remote(uri) and not os.environ.get("RAYSEP_SHARED_FOLDERS"):
        raise BadInput(
            f"{uri}: a local path on a cluster of {available.nodes} nodes; use s3://…, "
            "or set RAYSEP_SHARED_FOLDERS=1 when every node mounts it at the same place"
        )


@contextlib.contextmanager
def session(address: str | None = None, cpus: int | None = None) -> Iterator[Resources]:
    """Connect, and shut down again what this call started."""
    started = not ray.is_initialized()
    try:
        available = connect(address, cpus)
        with events.listening(Gauges()):
            yield available
    finally:
        if started:
            ray.shutdown()
