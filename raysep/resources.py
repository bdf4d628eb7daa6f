"""What a cluster has and may become, and what a piece of work reserves of it: pure sums, for whoever sizes a pool or a group."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, NamedTuple

from raysep.errors import BadInput
from raysep.ranges import About, Range

Shape = dict[str, float]  # what one worker reserves, by Ray's names: CPU, GPU, memory (bytes), a cluster's own
Share = Mapping[str, float]  # the same as settings name it: cpus, gpus, memory_gib, a cluster's own

FIRST_LOOK = "first-look"  # a pass that scores, as ``score`` does
NAMES = {"cpus": "CPU", "gpus": "GPU", "memory_gib": "memory"}
ALWAYS_MORE = 64  # workers that an autoscaler is asked for beyond those that fit, where it does not say what it may add
ALWAYS = 1_000_000  # of a kind of node that a cluster may add without a limit


@dataclass(frozen=True)
class Resources:
    """What the cluster has in all, and what its autoscaler may make of it, where it has one."""

    cpus: float
    gpus: float
    nodes: int
    most_cpus: float = 0.0
    most_gpus: float = 0.0

    @property
    def reach(self) -> Resources:
        """The same with all that may still join: what sizes go by that are settled before it has joined."""
        return Resources(max(self.cpus, self.most_cpus), max(self.gpus, self.most_gpus), self.nodes)

    def cpus_each(self, workers: int) -> float:
        """CPUs of each worker of a group, so that all fit. A cluster that has none yet is asked for whole ones."""
        cpus = self.reach.cpus
        return min(1.0, math.floor(1000 * cpus / workers) / 1000) if cpus else 1.0


# The settings


def _are_amounts(share: Share) -> bool:
    def holds(name: str, value: Any) -> bool:
        number = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf
        return bool(name) and number and (name != "gpus" or value <= 1 or value == int(value))

    return all(holds(name, value) for name, value in share.items())


AMOUNTS = Range(
    "amounts from 0 by name: cpus, gpus (whole from 1 on), memory_gib, or a resource that the cluster's nodes were given",
    _are_amounts,
)


@dataclass(frozen=True)
class ResourceSettings:
    """What a worker of each stage reserves of the cluster. It changes no number: a run may go on with others."""

    train: Annotated[
        dict[str, float],
        AMOUNTS,
        About("of each training process, its reads included; without cpus or gpus, its part of what there is"),
    ] = field(default_factory=dict)
    attribute: Annotated[
        dict[str, float],
        AMOUNTS,
        About("of each worker of the attribution; without, 1 CPU, and 1 GPU where there is any"),
    ] = field(default_factory=dict)
    score: Annotated[
        dict[str, float], AMOUNTS, About("of each worker that scores; without, 1 CPU, and 1 GPU where there is any")
    ] = field(default_factory=dict)
    search: Annotated[
        dict[str, float], AMOUNTS, About("of each trial of the search; without, 1 CPU, and 1 GPU where there is any")
    ] = field(default_factory=dict)
    evaluate: Annotated[
        dict[str, float], AMOUNTS, About("of each worker that evaluates separators on test tracks; without, 1 CPU")
    ] = field(default_factory=dict)

    def of(self, stage: str) -> Share:
        """What the settings say of a stage; nothing of one that is none of these."""
        return getattr(self, "score" if stage == FIRST_LOOK else stage, {})

    def asked(self) -> dict[str, Share]:
        """Stage → its share, of those that anything is said of."""
        return {name: share for name, share in vars(self).items() if share}


def shape_of(share: Share, available: Resources, gpu: bool) -> Shape:
    """What one worker of a pool reserves: 1 CPU, a GPU if ``gpu`` and there is one, and over these the ``share``."""
    reach = available.reach
    shape: Shape = {"CPU": reach.cpus if 0 < reach.cpus < 1 else 1.0}
    if gpu and reach.gpus >= 1:
        shape["GPU"] = 1
    return overlaid(shape, share)


def overlaid(shape: Shape, share: Share) -> Shape:
    """The shape with what a share says in place of its own; nothing is reserved of what is set to 0."""
    given = {NAMES.get(name, name): amount * (2**30 if name == "memory_gib" else 1) for name, amount in share.items()}
    return {name: amount for name, amount in (shape | given).items() if amount or name == "CPU"}


# The size of a pool


class PoolSize(NamedTuple):
    """Workers of a pool: at least, and at most (None: as many as the cluster may have room for)."""

    least: int = 1
    most: int | None = None


def pool_size(given: int | str | None) -> PoolSize:
    """``--workers``: N (at most), MIN:MAX, MIN: or :MAX. Raises ``BadInput`` for anything else."""
    if given is None:
        return PoolSize()
    low, colon, high = str(given).partition(":")
    if not colon:
        low, high = "1", low
    try:
        size = PoolSize(int(low or 1), int(high) if high else None)
    except ValueError:
        size = PoolSize(0)
    if size.least < 1 or (size.most is not None and size.most < size.least):
        raise BadInput(f"--workers {given}: give the most, such as 8, or the least and the most, such as 2:8")
    return size


# The cluster, node by node


@dataclass(frozen=True)
class Node:
    """A node that is up: what it has, and what nobody holds of that."""

    total: Shape
    free: Shape


@dataclass(frozen=True)
class Kind:
    """Nodes that an autoscaler may start, those of them that are up included."""

    total: Shape
    most: int


@dataclass(frozen=True)
class Cluster:
    """The nodes that are up, and the kinds of node that may join, where that is known."""

    nodes: tuple[Node, ...]
    kinds: tuple[Kind, ...] = ()
    grows: bool = False  # whether an autoscaler adds nodes, of whatever kind

    def room(self, shape: Shape) -> int:
        """Workers of a shape that the nodes hold that are up, if nothing else ran on them."""
        return sum(fitting(shape, node.total) for node in self.nodes)

    def reach(self, shape: Shape) -> int:
        """The same with all the nodes that may join. Where nobody says how many, as many as are there, and ``ALWAYS_MORE``."""
        room = self.room(shape)
        if self.grows and not self.kinds:
            return room + max(room, ALWAYS_MORE)
        return max(room, sum(kind.most * fitting(shape, kind.total) for kind in self.kinds))

    def refusal(self, shape: Shape, workers: int = 1) -> str:
        """Why so many workers of a shape can never run at once here, in words; "" when they can, or nobody knows."""
        if self.reach(shape) >= workers or (self.grows and not self.kinds):
            return ""
        many = f"{workers} workers of {said(shape)} each" if workers > 1 else f"a worker of {said(shape)}"
        there = [node.total for node in self.nodes] + [kind.total for kind in self.kinds]
        largest = sorted({said(total, tuple(shape)) for total in there})
        may = "; its autoscaler may add no more" if self.kinds else ""
        return f"the cluster has no room for {many}: its nodes have {' or '.join(largest) or 'nothing'}{may}"


def fitting(shape: Shape, node: Shape) -> int:
    """Workers of a shape that a node of these resources holds."""
    counts = [int(node.get(name, 0.0) / amount + 1e-9) for name, amount in shape.items() if amount]
    return min(counts, default=ALWAYS)


def waiting_for(need: Shape, cluster: Cluster, workers: int = 1) -> str:
    """What ``workers`` that could start nowhere wait for, in words; "" when there is room for them."""
    if sum(fitting(need, node.free) for node in cluster.nodes) >= workers:
        return ""
    total, free = _sum(node.total for node in cluster.nodes), _sum(node.free for node in cluster.nodes)
    wanted = {name: workers * amount for name, amount in need.items()}
    short = [name for name, amount in wanted.items() if amount > free.get(name, 0.0) + 1e-9]
    if not short:  # there is enough, in pieces
        spread = {name: free[name] for name in wanted if free.get(name)}
        return f"waiting for {said(wanted)} in one place ({said(spread)} free, over {len(cluster.nodes)} nodes)"
    parts = []
    for name in short:
        there = total.get(name, 0.0)
        held = there - free.get(name, 0.0)
        told = f"{_number(name, there)} in all" + (f", {_number(name, held)} held by others" if held > 1e-9 else "")
        parts.append(f"{said({name: wanted[name]})} ({told})")
    coming = cluster.grows if not cluster.kinds else cluster.reach(need) >= workers
    return f"waiting for {' and '.join(parts)}" + ("; more nodes may join" if coming else "")


def said(shape: Shape, names: Iterable[str] = ()) -> str:
    """A shape in words: "2 CPUs, 0.5 GPU, 8 GiB of memory, 1 spot"."""
    chosen = {name: shape.get(name, 0.0) for name in names} if names else shape
    return ", ".join(_words(name, amount) for name, amount in chosen.items() if amount) or "nothing of it"


def _words(name: str, amount: float) -> str:
    if name == "memory":
        return f"{_number(name, amount)} of memory"
    number = _number(name, amount)
    plural = "s" if name in ("CPU", "GPU") and float(number) > 1 else ""
    return f"{number} {name}{plural}"


def _number(name: str, amount: float) -> str:
    if name == "memory":
        return f"{round(amount / 2**30, 2):g} GiB"
    whole = round(amount)  # but for the hundredth that a training leaves its reads
    return f"{whole if abs(amount - whole) <= 0.02 * amount else round(amount, 3):g}"


def _sum(shapes: Iterable[Shape]) -> Shape:
    added: Shape = {}
    for shape in shapes:
        for name, amount in shape.items():
            added[name] = added.get(name, 0.0) + amount
    return added
