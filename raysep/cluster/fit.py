"""Ray Train fits separators: one worker group trains one plan after another.

Starting a group costs many seconds, a small separator's training little more, so the plans of a stage share
a group. Each rank holds its own part of the stems (``deal``), reads it by Ray Data, and draws its share of
every batch; gradients are averaged by DDP (gloo on CPU, NCCL on GPU).
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import ray
import ray.train
from ray.train.torch import TorchConfig, TorchTrainer

from raysep.cluster import stream
from raysep.cluster.board import board
from raysep.cluster.session import Resources
from raysep.config import fingerprint
from raysep.corpus import storage
from raysep.corpus.hashing import stable_hash
from raysep.corpus.manifest import Stem
from raysep.errors import RaysepError
from raysep.training.recipe import Recipe

REFRESH_STEPS = 4  # a corpus larger than the pool: steps between two batches of new pieces
ROWS_PER_READ = 32
STATISTICS_BATCHES = 4  # mixtures, in batches, that the input's mean and scale are taken from


@dataclass(frozen=True)
class Plan:
    """One training: stems with their sampling weights, a network, a recipe, and where the result goes."""

    name: str
    stems: tuple[tuple[Stem, float], ...]
    model: str
    arguments: dict[str, Any]
    recipe: Recipe
    out: str  # URI of the checkpoint
    early_out: str | None = None  # URI of the checkpoint at ``early_step``
    early_step: int = 0
    labels: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        """Changes when anything does that the trained weights depend on."""
        return fingerprint(asdict(self))

    def is_trained(self) -> bool:
        """Whether the checkpoint is there and came from this very plan."""
        note = sidecar_of(self.out)
        return storage.exists(note) and json.loads(storage.read_bytes(note)).get("fingerprint") == self.fingerprint


def sidecar_of(uri: str) -> str:
    """The note beside a checkpoint, written after it: which plan it came from."""
    return uri.removesuffix(".safetensors") + ".json"


@dataclass(frozen=True)
class Group:
    """How the workers of a group are laid out."""

    workers: int
    threads: int
    memory_gib: float
    storage_path: str  # where Ray Train keeps the states it resumes from
    name: str  # carries the configuration's hash: Ray resumes a run of the same name by itself


def fit(plans: list[Plan], group: Group, available: Resources, on_progress: Callable[[str, int, int], None]) -> None:
    """Train every plan; returns when all checkpoints are written.

    A dead worker is replaced and the group goes on from its last state; a killed driver goes on when ``fit``
    is called again with the same plans. Raises ``RaysepError`` with the worker's own words when training fails.
    """
    use_gpu = available.gpus >= 1
    own_gpu = available.gpus >= group.workers  # else the workers share one, which NCCL does not allow
    filesystem, path = storage.filesystem(group.storage_path)
    cpus = available.cpus_each(group.workers)
    with board(on_progress) as progress:
        trainer = TorchTrainer(
            _train_worker,
            train_loop_config={
                "plans": [replace(plan, stems=()) for plan in plans],
                "fingerprints": {plan.name: plan.fingerprint for plan in plans},
                "threads": group.threads,
                "memory_gib": group.memory_gib,
                "board": progress,
            },
            datasets={
                dataset_name(number, rank): stream.stream_pieces(
                    part,
                    2 * plan.recipe.segment_seconds,
                    plan.arguments["sample_rate"],
                    plan.arguments.get("channels", 2),
                    cpus=max(0.1, min(1.0, available.cpus - group.workers * cpus)),
                )
                for number, plan in enumerate(plans)
                for rank, part in enumerate(deal(plan.stems, group.workers))
            },
            dataset_config=ray.train.DataConfig(
                datasets_to_split=[], execution_options=stream.execution_options(), enable_shard_locality=False
            ),
            torch_config=TorchConfig(backend="nccl" if own_gpu and use_gpu else "gloo"),
            scaling_config=ray.train.ScalingConfig(
                num_workers=group.workers,
                use_gpu=use_gpu,
                resources_per_worker={"CPU": cpus}
                | ({"GPU": min(1.0, available.gpus / group.workers)} if use_gpu else {}),
            ),
            run_config=ray.train.RunConfig(
                name=group.name,
                storage_path=path,
                storage_filesystem=filesystem,
                failure_config=ray.train.FailureConfig(max_failures=3),
                checkpoint_config=ray.train.CheckpointConfig(num_to_keep=1),
            ),
        )
        try:
            trainer.fit()
        except ray.train.TrainingFailedError as error:
            raise RaysepError(f"training failed ({_reason(error)}); start the same command again to go on") from error


def dataset_name(plan: int, rank: int) -> str:
    """Ray Data names a log file after it, so it holds no slash."""
    return f"plan{plan}-rank{rank}"


def deal(stems: Iterable[tuple[Stem, float]], ranks: int) -> list[list[tuple[Stem, float]]]:
    """Each rank's stems: of every label an equal share, dealt in an order that hashes decide.

    A label with fewer stems than ranks goes to all of them, so that no rank lacks it.
    """
    by_label: dict[str, list[tuple[Stem, float]]] = {}
    for entry in stems:
        by_label.setdefault(entry[0].stem, []).append(entry)
    parts: list[list[tuple[Stem, float]]] = [[] for _ in range(ranks)]
    for label in sorted(by_label):
        entries = sorted(by_label[label], key=lambda e: (stable_hash(e[0].stem_id), e[0].stem_id))
        for rank, part in enumerate(parts):
            part.extend(entries[rank::ranks] if len(entries) >= ranks else entries)
    return parts


def _train_worker(config: dict[str, Any]) -> None:
    """What each rank runs: the plans in order, from the state of the group's last checkpoint."""
    import torch

    torch.set_num_threads(config["threads"])
    plans: list[Plan] = config["plans"]
    first, state = _resume()
    for number in range(first, len(plans)):
        _train_plan(plans[number], number, state if number == first else None, config)
        _report({"plan": plans[number].name}, {"next": number + 1})


def _train_plan(plan: Plan, number: int, state: dict | None, config: dict[str, Any]) -> None:
    import torch

    from raysep.separators import checkpoint, registry
    from raysep.training import loop
    from raysep.training.pool import SegmentPool

    context = ray.train.get_context()
    rank, world = context.get_world_rank(), context.get_world_size()
    recipe = plan.recipe
    torch.manual_seed(recipe.seed)
    network = registry.build(plan.model, **plan.arguments)
    pool = SegmentPool(plan.labels, capacity_bytes=int(config["memory_gib"] * 2**30))
    begin = time.perf_counter()
    source = _Source(ray.train.get_dataset_shard(dataset_name(number, rank)), pool)
    source.fill()
    filled = time.perf_counter()
    frames = round(recipe.segment_seconds * plan.arguments["sample_rate"])
    share = recipe.batch // world + (rank < recipe.batch % world)

    def draw(step: int) -> np.ndarray:
        if step and step % REFRESH_STEPS == 0:
            source.refresh()
        return pool.draw(share, frames, step, recipe.seed, rank)

    # Steps after the last are nobody else's: the statistics come from mixtures that training does not see. Ranks
    # differ in them until DDP sends rank 0's parameters to the others.
    first = np.concatenate(
        [pool.draw(share, frames, recipe.steps + k, recipe.seed, rank) for k in range(STATISTICS_BATCHES)]
    )
    network.set_input_statistics(torch.from_numpy(first.sum(axis=1)))
    device = ray.train.torch.get_device()
    model = ray.train.torch.prepare_model(network.to(device))

    def on_step(step: int, loss: float) -> None:
        if rank == 0 and (step % 10 == 0 or step == recipe.steps):
            config["board"].post.remote(plan.name, step, recipe.steps)

    def export(current: loop.TrainingState, uri: str) -> None:
        if rank == 0:
            result = loop.to_checkpoint(current, network)
            result.metadata |= {"plan": plan.name, "seed": recipe.seed, "unreadable": sorted(source.unreadable)}
            result.metadata |= {"seconds": {"reading": filled - begin, "training": time.perf_counter() - filled}}
            storage.write_bytes(uri, checkpoint.to_bytes(result))

    def on_save(step: int, current: loop.TrainingState) -> None:
        if plan.early_out and step == plan.early_step:
            export(current, plan.early_out)
        if step < recipe.steps:
            _report({"plan": plan.name, "step": step}, {"next": number, "state": current.state_dict()})

    training = loop.TrainingState(network, recipe)
    if state is not None:
        training.load_state_dict(state)
    export(loop.train(network, draw, recipe, model=model, state=training, on_step=on_step, on_save=on_save), plan.out)
    if rank == 0:
        storage.write_bytes(
            sidecar_of(plan.out), json.dumps({"fingerprint": config["fingerprints"][plan.name]}).encode()
        )


class _Source:
    """Fills a rank's pool from its stream, and goes on refreshing it when the corpus is larger than the pool."""

    def __init__(self, shard: Any, pool: Any) -> None:
        self.shard, self.pool = shard, pool
        self.unreadable: set[str] = set()
        self.batches = self._read()
        self.resident = False

    def _read(self) -> Iterable[dict[str, Any]]:
        return iter(self.shard.iter_batches(batch_size=ROWS_PER_READ, batch_format="numpy", prefetch_batches=1))

    def fill(self) -> None:
        for batch in self.batches:
            self._add(batch)
            if self.pool.full:
                return
        self.resident = True
        self.pool.ready()

    def refresh(self) -> None:
        if self.resident:
            return
        batch = next(self.batches, None)
        if batch is None:
            self.batches = self._read()
            batch = next(self.batches)
        self._add(batch)

    def _add(self, batch: dict[str, Any]) -> None:
        for i, error in enumerate(batch["error"]):
            if error:
                self.unreadable.add(str(error))
            else:
                self.pool.add(
                    str(batch["stem_id"][i]),
                    int(batch["start"][i]),
                    str(batch["stem"][i]),
                    batch["audio"][i],
                    weight=float(batch["weight"][i]),
                )


def _report(metrics: dict[str, Any], content: dict[str, Any]) -> None:
    """Hand a state to Ray Train: every rank reports, rank 0 attaches the folder."""
    import torch

    if ray.train.get_context().get_world_rank() != 0:
        ray.train.report(metrics)
        return
    with tempfile.TemporaryDirectory() as folder:
        torch.save(content, os.path.join(folder, "state.pt"))
        ray.train.report(metrics, checkpoint=ray.train.Checkpoint.from_directory(folder))


def _resume() -> tuple[int, dict | None]:
    """The plan to go on with and the state inside it, as the group's last checkpoint says."""
    import torch

    last = ray.train.get_checkpoint()
    if last is None:
        return 0, None
    with last.as_directory() as folder:
        content = torch.load(Path(folder) / "state.pt", weights_only=True, map_location="cpu")
    return content["next"], content.get("state")


def _reason(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
