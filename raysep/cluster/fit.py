"""Ray Train fits separators: one worker group trains one plan after another.

Starting a group costs many seconds, a small separator's training little more, so the plans of a stage share
a group. The batch has a fixed number of parts, each with stems of its own (``deal``) that are read by Ray Data; a
process draws the parts that its rank gives it, and gradients are averaged by DDP (gloo on CPU, NCCL on GPU). How many
processes there are may change while a training runs: what it computes does not.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import ray.train
from ray.train.torch import TorchConfig

from raysep import events, ledger
from raysep.cluster import capacity, stream
from raysep.cluster.board import board
from raysep.cluster.callbacks import Stops
from raysep.cluster.causes import last_line, storage_error
from raysep.cluster.trainer import Ended, Trainer
from raysep.corpus import storage
from raysep.errors import RaysepError, StorageError
from raysep.resources import Resources, Shape, Share, overlaid
from raysep.training.best import Best, write
from raysep.training.curves import Curves
from raysep.training.plan import Measure, Plan, deal, share_of
from raysep.training.source import Source
from raysep.training.validate import gathered, validate

if TYPE_CHECKING:
    from raysep.separators.base import Separator
    from raysep.training.loop import TrainingState

STATISTICS_BATCHES = 4  # mixtures, in batches, that the input's mean and scale are taken from
RESIZE_SECONDS = 60.0  # how often an elastic group looks whether more workers would fit
MOST_FAILURES = 3  # of workers, before a training gives up; a node that was announced to go away is none
GPU_UNITS = 10_000  # of which Ray counts a GPU; a share is rounded down to whole ones, so that all of them fit
READ_CPUS = 0.001  # what Ray counts of a read; the rest of what it takes is in what its worker reserves
MOST_READS = 8  # at once, of one part of the batch
ROOM = 0.01  # CPUs that a worker leaves for its reads: whole CPUs, which is what others take, do not fit into that


@dataclass(frozen=True)
class Group:
    """How the workers of a group are laid out.

    The batch always has ``workers`` parts, each with stems and random numbers of its own. There are as many processes,
    or ``processes``, each with several parts. An elastic group has ``workers``, or fewer, but ``least_workers`` at least.
    """

    workers: int
    threads: int
    memory_gib: float  # of decoded audio, for each part
    storage_path: str  # where Ray Train keeps the states it resumes from
    name: str  # carries the configuration's hash: Ray resumes a run of the same name by itself
    least_workers: int = 0  # 0 = always ``workers``
    measure: Measure | None = None  # what validation goes by; picklable
    events: str = ""  # URI of a folder for TensorBoard; empty = none
    share: Share = field(default_factory=dict)  # what the settings have each process reserve
    processes: int = 0  # of a group that is not elastic; 0 = ``workers``
    abreast: int = 1  # groups like this one that train at the same time, itself among them

    @property
    def most(self) -> int:
        return self.processes or self.workers

    @property
    def fewest(self) -> int:
        return self.least_workers or self.most

    def resources(self, available: Resources) -> tuple[Shape, int]:
        """What each worker reserves, and how many reads of its data there are at once. Less than a whole GPU counts as none.

        A read is counted as next to nothing, so that those of a group that runs find a place whatever else takes the
        cluster: their worker has reserved it for them, but for a hundredth that it leaves them.
        """
        workers = self.abreast * self.fewest
        each: Shape = {"CPU": available.cpus_each(workers)}
        if devices := int(available.reach.gpus):
            sharing = -(-workers // devices)  # workers of one GPU, at most: a share cannot lie across two
            each["GPU"] = GPU_UNITS // sharing / GPU_UNITS
        each = overlaid(each, self.share)
        taken = self.most * each["CPU"]
        spare = taken - self.most if "cpus" in self.share else available.reach.cpus / self.abreast - taken
        return leaving_room(each), max(1, min(MOST_READS, int(spare / self.workers)))

    def has_own_gpus(self, available: Resources) -> bool:
        """Whether no two workers share one, which NCCL does not allow."""
        each, _ = self.resources(available)
        return each.get("GPU", 0.0) >= 1


def fit(
    plans: list[Plan],
    group: Group,
    available: Resources,
    on_progress: Callable[[str, int, int], None],
    on_wait: Callable[[str], None] = lambda text: None,
    on_resize: Callable[[int], None] = events.resized,
    is_over: Callable[[], bool] = lambda: False,
) -> None:
    """Train every plan that is not trained; returns when all checkpoints are written.

    ``on_wait`` is told what is waited for when there is no room for the group, at its start or after a loss of workers,
    ``on_resize`` how many workers there are. When ``is_over`` says so the group is ended, and ``Ended`` raised.
    A dead worker is replaced and the group goes on from its last state; a killed driver goes on when ``fit``
    is called again with the same plans. Raises ``RaysepError`` with the worker's own words when training fails, and the
    ``StorageError`` that ended it.
    """
    if any(plan.validation for plan in plans) and group.measure is None:
        raise ValueError("a plan with validation tracks needs the group's measure")
    filesystem, path = storage.filesystem(group.storage_path)
    each, reads = group.resources(available)
    waits_for = lambda: capacity.words_for(each, group.fewest, group.fewest)  # noqa: E731
    with board(on_progress, waits_for, on_wait, on_resize=on_resize) as progress:
        trainer = Trainer(
            _train_worker,
            train_loop_config={
                "plans": [replace(plan, stems=()) for plan in plans],
                "notes": {plan.name: {"fingerprint": plan.fingerprint, "manifest": plan.digest} for plan in plans},
                "trained": [plan.name for plan in plans if plan.is_trained()],
                "group": group,
                "board": progress,
            },
            datasets=_datasets(plans, group, reads, is_over),
            dataset_config=ray.train.DataConfig(
                datasets_to_split=[], execution_options=stream.execution_options(), enable_shard_locality=False
            ),
            torch_config=TorchConfig(backend="nccl" if group.has_own_gpus(available) else "gloo"),
            scaling_config=scaling(group, each),
            run_config=ray.train.RunConfig(
                name=group.name,
                storage_path=path,
                storage_filesystem=filesystem,
                failure_config=ray.train.FailureConfig(max_failures=MOST_FAILURES),
                checkpoint_config=ray.train.CheckpointConfig(num_to_keep=1),
                callbacks=cast(Any, [Stops(progress)]),  # typed as those of the trainer before this one
            ),
            is_over=is_over,
        )
        try:
            trainer.fit()
            costs: Any = ray.get(progress.added.remote())
            for cost in costs:
                events.tell("training-used", **cost)
            ended: Any = ray.get(progress.why.remote())
        except ray.train.TrainingFailedError as error:
            if found := storage_error(error):
                raise found from error
            raise RaysepError(f"training failed ({_reason(error)}); start the same command again to go on") from error
    if ended:
        raise ended


def _datasets(plans: list[Plan], group: Group, reads: int, is_over: Callable[[], bool]) -> dict[str, Any]:
    """The pieces of each part of each plan, by name. Raises ``Ended`` when it is over: a large corpus takes a while."""
    datasets: dict[str, Any] = {}
    for number, plan in enumerate(plans):
        rate, channels = plan.arguments["sample_rate"], plan.arguments.get("channels", 2)
        for part, entries in enumerate(deal(plan.stems, group.workers)):
            if is_over():
                raise Ended
            datasets[dataset_name(number, part)] = stream.stream_pieces(
                entries, 2 * plan.recipe.segment_seconds, rate, channels, reads=reads, cpus=READ_CPUS
            )
    return datasets


def leaving_room(each: Shape) -> Shape:
    """What is reserved for a worker, without what its reads are counted as."""
    return each | {"CPU": round(each["CPU"] - min(ROOM, each["CPU"] / 10), 4)}


def scaling(group: Group, each: dict[str, float]) -> ray.train.ScalingConfig:
    """How many processes: all of them, or as many as there is room for when the group is elastic."""
    elastic: dict[str, Any] = {  # what a type checker sees of Ray is the class before this one, which is not elastic
        "num_workers": (group.least_workers, group.workers) if group.least_workers else group.most,
        "elastic_resize_monitor_interval_s": RESIZE_SECONDS,
    }
    return ray.train.ScalingConfig(use_gpu="GPU" in each, resources_per_worker=each, **elastic)


def dataset_name(plan: int, part: int) -> str:
    """Ray Data names a log file after it, so it holds no slash."""
    return f"plan{plan}-part{part}"


def _train_worker(config: dict[str, Any]) -> None:
    """What each process runs. When the storage is away, the group that Ray starts next does nothing, and so ends."""
    if ray.get(config["board"].why.remote()):
        return
    config["board"].run.remote(True)
    gpus = ray.get_runtime_context().get_assigned_resources().get("GPU", 0.0)
    try:
        with ledger.measured(gpus) as cost:
            _train_plans(config)
        ray.get(config["board"].add.remote(cost))
    except StorageError as error:
        ray.get(config["board"].end.remote(error))
        raise


def _train_plans(config: dict[str, Any]) -> None:
    """The plans in order, from the state of the group's last checkpoint."""
    import torch

    torch.set_num_threads(config["group"].threads)
    plans: list[Plan] = config["plans"]
    saved = _resume()
    for number in range(saved.get("next", 0), len(plans)):
        if plans[number].name not in config["trained"]:
            _train_plan(plans[number], number, saved, config)
        saved = {}
        _report({"plan": plans[number].name}, {"next": number + 1})


def _train_plan(plan: Plan, number: int, saved: dict[str, Any], config: dict[str, Any]) -> None:
    import torch

    from raysep.separators import checkpoint, registry
    from raysep.training import loop

    context = ray.train.get_context()
    rank, world = context.get_world_rank(), context.get_world_size()
    group, recipe = config["group"], plan.recipe
    torch.manual_seed(recipe.seed)
    network = registry.build(plan.model, **plan.arguments)
    begin = time.perf_counter()
    state = saved.get("state")
    step = state["step"] if state else 0
    parts = range(rank, group.workers, world)
    sources = [_source(plan, number, part, group) for part in parts]
    for source in sources:
        source.fill(step)
    filled = time.perf_counter()
    if state is None:
        # Steps after the last are nobody else's: the statistics come from mixtures that training does not see. Ranks
        # differ in them until DDP sends rank 0's parameters to the others; rank 0 has part 0, whatever else it has.
        first = np.concatenate([sources[0].draw_only(recipe.steps + k) for k in range(STATISTICS_BATCHES)])
        network.set_input_statistics(torch.from_numpy(first.sum(axis=1)))
    model = ray.train.torch.prepare_model(network.to(ray.train.torch.get_device()))
    training = loop.TrainingState(network, recipe)
    if state is not None:
        training.load_state_dict(state)
    best = Best(plan.out, recipe.keep_best, saved.get("best") if rank == 0 else None, write=write)
    curves = Curves(plan, group.events, step, training, config["board"], world) if rank == 0 else None

    def notes(metrics: dict[str, float]) -> dict[str, Any]:
        """What a checkpoint says about itself. Every rank calls it, since each knows only what its own parts read."""
        of_parts = gathered({stem: told for source in sources for stem, told in source.unreadable.items()})
        unreadable = {stem: told for part in of_parts for stem, told in part.items()}
        return {
            "plan": plan.name,
            "seed": recipe.seed,
            "manifest": config["notes"][plan.name]["manifest"],
            "versions": checkpoint.versions(),
            "metrics": metrics,
            "unreadable": dict(sorted(unreadable.items())),
            **({"silent_in_validation": list(silent)} if metrics and silent else {}),
            "seconds": {"reading": filled - begin, "training": time.perf_counter() - filled},
        }

    def encoded(metadata: dict[str, Any]) -> bytes:
        return checkpoint.to_bytes(loop.to_checkpoint(training, network, metadata=metadata))

    def on_step(step: int, loss: float) -> None:
        if curves:
            curves.on_step(step, loss)

    latest: dict[str, float] = {}  # what the last validation found
    silent: list[str] = []  # stems that it left out

    def judge(network: Separator) -> float:
        begin = time.perf_counter()
        found = validate(network, plan.validation, group.measure, rank, world)
        latest.clear()
        latest.update(found.figures())
        silent[:] = found.silent
        if curves:
            curves.on_validate(training.step, latest, time.perf_counter() - begin)
        return found.value

    def on_validate(step: int, value: float, current: loop.TrainingState) -> None:
        metadata = notes(dict(latest))
        if rank == 0:
            best.note(_ranking(current), step, lambda: encoded(metadata))

    def on_save(step: int, current: loop.TrainingState) -> None:
        if plan.early_out and step == plan.early_step:
            metadata = notes({})
            if rank == 0:
                write(plan.early_out, encoded(metadata))
        if curves:
            curves.save()
        if step < recipe.steps and not current.finished:
            metrics = {"plan": plan.name, "step": step}
            _report(metrics, {"next": number, "state": current.state_dict(), "best": best.held})

    loop.train(
        network,
        lambda step: [source.draw(step) for source in sources],
        recipe,
        model=model,
        state=training,
        parts=list(parts),
        world=world,
        validate=judge if plan.validation else None,
        on_step=on_step,
        on_validate=on_validate,
        on_save=on_save,
    )
    metadata = notes({})
    if rank == 0:
        if ranking := _ranking(training):
            best.finish(ranking)
            data = best.held[ranking[0]]
        else:
            data = encoded(metadata)
        assert curves is not None  # rank 0 has them
        curves.close()
        # The fingerprint says that the plan is done: nothing is written after it.
        history = [list(entry) for entry in training.validation.history]
        facts = {"fingerprint": config["notes"][plan.name]["fingerprint"], "validations": history}
        write(plan.out, data, **facts, unread=metadata["unreadable"])  # the best checkpoint may know of less


def _source(plan: Plan, number: int, part: int, group: Group) -> Source:
    from raysep.training.pool import SegmentPool

    return Source(
        ray.train.get_dataset_shard(dataset_name(number, part)),
        SegmentPool(plan.labels, capacity_bytes=int(group.memory_gib * 2**30)),
        share=share_of(plan.recipe.batch, part, group.workers),
        frames=round(plan.recipe.segment_seconds * plan.arguments["sample_rate"]),
        seed=plan.recipe.seed,
        part=part,
    )


def _ranking(state: TrainingState) -> list[int]:
    """The best steps so far, the best first."""
    return [step for _, step in state.validation.best]


def _report(metrics: dict[str, Any], content: dict[str, Any]) -> None:
    """Hand a state to Ray Train: every rank reports, rank 0 attaches the folder."""
    import torch

    if ray.train.get_context().get_world_rank() != 0:
        ray.train.report(metrics)
        return
    with tempfile.TemporaryDirectory() as folder:
        torch.save(content, os.path.join(folder, "state.pt"))
        ray.train.report(metrics, checkpoint=ray.train.Checkpoint.from_directory(folder))


def _resume() -> dict[str, Any]:
    """What the group's last checkpoint holds: ``next``, the plan to go on with, and, inside it, ``state`` and ``best``."""
    import torch

    last = ray.train.get_checkpoint()
    if last is None:
        return {}
    with last.as_directory() as folder:
        return torch.load(Path(folder) / "state.pt", weights_only=True, map_location="cpu")


def _reason(error: BaseException) -> str:
    return last_line(error) or type(error).__name__
