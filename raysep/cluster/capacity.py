"""What the cluster has at this moment, what of it is free, and what waits for room: the one place that asks Ray."""

from __future__ import annotations

import math
from typing import Any

import ray
import ray._private.state  # the only way to what an autoscaler may add, as Ray Train has it
from ray.autoscaler.v2.sdk import get_cluster_status
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from raysep.errors import BadInput
from raysep.resources import ALWAYS, Cluster, Kind, Node, Resources, ResourceSettings, Shape, shape_of, waiting_for

UNANSWERED = (RayError, RuntimeError)  # what Ray raises when its head does not answer in time


def look() -> Cluster:
    """The nodes that are up, with what is free on them, whether an autoscaler is at work, and what it may add.

    Few autoscalers say what they may add: those of ``ray up`` and of KubeRay do not. One of the first version does not
    even say that it is there.
    """
    status = _status()
    return Cluster(
        tuple(_node(node) for node in (*status.active_nodes, *status.idle_nodes)),
        _kinds(),
        grows=status.stats.autoscaler_version not in (None, "", "0"),
    )


def resources() -> Resources:
    """What there is in all, and what the autoscaler may make of it."""
    total, kinds = ray.cluster_resources(), _kinds()
    cpus, gpus = (sum(kind.most * kind.total.get(name, 0.0) for kind in kinds) for name in ("CPU", "GPU"))
    alive = sum(node["Alive"] for node in ray.nodes())
    return Resources(total.get("CPU", 0.0), total.get("GPU", 0.0), alive, cpus, gpus)


def here() -> NodeAffinitySchedulingStrategy:
    """On the node of whoever calls this, or not at all: what lies beside a driver is not lost with another node."""
    return NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)


def words_for(shape: Shape, asked: int, workers: int = 1) -> str:
    """What ``workers`` of a shape wait for, in words; "" when they do not: of the ``asked`` some have their place, and start.

    Nothing either from a head that is too busy to answer: it is asked again.
    """
    try:
        return waiting_for(shape, look(), workers) if unplaced(shape) >= asked else ""
    except UNANSWERED:
        return ""


def unplaced(shape: Shape) -> int:
    """Workers of just this shape, of whatever job, that have found no place."""
    demands = _status().resource_demands
    pending = [group for group in demands.placement_group_demand if group.state == "PENDING"]
    counts = [each for demand in (*pending, *demands.ray_task_actor_demand) for each in demand.bundles_by_count]
    return sum(each.count for each in counts if _same(each.bundle, shape))


def refuse_unfit(asked: ResourceSettings, processes: int, least: int = 1) -> None:
    """Raise ``BadInput`` for a share that this cluster can never give: of a stage, ``least`` workers of it, or a training's processes."""
    cluster, available = look(), resources()
    for stage, share in asked.asked().items():
        trains = stage == "train"
        least_cpus = {"cpus": available.cpus_each(processes)} if trains else {}
        shape = shape_of(least_cpus | dict(share), available, gpu=stage in ("attribute", "score", "search"))
        if why := cluster.refusal(shape, processes if trains else 1 if stage == "search" else least):
            raise BadInput(f"resources.{stage}: {why}; ask for less, or use another cluster")
    if least > 1 and not asked.score and (why := cluster.refusal(shape_of({}, available, gpu=True), least)):
        raise BadInput(f"--workers {least}: is the least, and {why}; ask for fewer, or use another cluster")


def _status() -> Any:
    return get_cluster_status(ray.get_runtime_context().gcs_address)


def _node(node: Any) -> Node:
    usage = node.resource_usage.usage if node.resource_usage else []
    return Node({u.resource_name: u.total for u in usage}, {u.resource_name: u.total - u.used for u in usage})


def _kinds() -> tuple[Kind, ...]:
    config = ray._private.state.state.get_cluster_config()
    if config is None:
        return ()
    return tuple(
        Kind(dict(group.resources), ALWAYS if group.max_count == -1 else group.max_count)
        for group in config.node_group_configs
        if group.max_count
    )


def _same(bundle: dict[str, float], shape: Shape) -> bool:
    there = {name: amount for name, amount in bundle.items() if amount}
    wanted = {name: amount for name, amount in shape.items() if amount}
    return there.keys() == wanted.keys() and all(math.isclose(there[k], wanted[k], rel_tol=1e-3) for k in wanted)
