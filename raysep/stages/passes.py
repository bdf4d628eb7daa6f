"""A pass over shards: what is missing is done by a pool of workers, shown on a bar, and marked in the run's folder.

A worker is a small picklable object. Called in its process, it gives the function that does one shard, which writes its
part and then the marker that vouches for it: so a killed pass does again only what it had not finished.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from raysep import events
from raysep.resources import Resources, Share, pool_size
from raysep.rundir import Run
from raysep.screen import Progress
from raysep.stages.context import Context

Marker = dict[str, Any]
Counts = dict[str, Any]  # numbers, and what could not be read
Fingerprints = str | Mapping[int, str]  # of all shards, or of each by its number


def of_shard(fingerprints: Fingerprints, shard: int) -> str | None:
    """What a shard's marker must bear to count; None for a shard that there is not."""
    return fingerprints if isinstance(fingerprints, str) else fingerprints.get(shard)


@dataclass(frozen=True, kw_only=True)
class Worker:
    """What every worker has: the run's folder, and what its markers bear."""

    root: str
    fingerprint: Fingerprints
    threads: int | None = None  # of torch; None: the worker computes nothing with it
    exact: ClassVar[bool] = False  # losses are compared: no TF32

    def __call__(self) -> Callable[[int, Any], Counts]:
        if self.threads is not None:
            import torch

            from raysep.probes.precision import single_precision

            torch.set_num_threads(self.threads)
            single_precision(full=self.exact)
        return self.start()

    def start(self) -> Callable[[int, Any], Counts]:
        """The function of (shard, payload); what is costly to make is made here, once a worker."""
        return self.run

    def run(self, shard: int, payload: Any) -> Counts:
        raise NotImplementedError

    @property
    def folder(self) -> Run:
        return Run(self.root)

    def finish(self, stage: str, shard: int, data: bytes, part: str, counts: Counts) -> Counts:
        """Write a shard's part, then its marker; returns the counts."""
        fingerprint = of_shard(self.fingerprint, shard)
        if fingerprint is None:
            raise KeyError(f"{stage}: no shard {shard}")
        self.folder.finish_shard(stage, shard, fingerprint, data, part, counts)
        return counts


@dataclass(frozen=True, kw_only=True)
class AudioWorker(Worker):
    """One that reads audio at the run's rate, by the run's settings."""

    sample_rate: int  # Hz
    channels: int
    config: Any

    @classmethod
    def of(cls, context: Context, **more: Any) -> Self:
        return cls(
            root=context.run.root,
            fingerprint=more.pop("fingerprint", context.fingerprint),
            threads=more.pop("threads", context.config.training.threads),
            sample_rate=context.sample_rate,
            channels=context.channels,
            config=context.config,
            **more,
        )


@dataclass(frozen=True)
class Done:
    """What a call of ``Pass.run`` did."""

    now: int  # shards that were missing
    lost: dict[int, str]  # of these, the shards that failed for good, with the reason

    @property
    def reason(self) -> str | None:
        """Of the first that failed; None when all were done."""
        return next(iter(self.lost.values()), None)


@dataclass(frozen=True)
class Pass:
    """One stage's shards, over a cluster's pool of workers."""

    folder: Run
    stage: str
    fingerprint: Fingerprints
    available: Resources
    progress: Progress
    workers: int | str | None = None  # as ``--workers`` has them
    again: bool = False  # shards in which something failed are done again: what it failed of may have passed
    share: Share = field(default_factory=dict)  # what the settings have a worker reserve
    on_event: Callable[..., None] = events.of_pool  # see ``raysep.cluster.shards.OnEvent``

    @classmethod
    def of(cls, context: Context, stage: str, again: bool = False) -> Pass:
        told = (context.run, stage, context.fingerprint, context.available, context.progress, context.workers, again)
        return cls(*told, share=context.config.resources.of(stage))

    @property
    def done(self) -> dict[int, Marker]:
        """Markers of the shards that need not be done again, by number."""
        return finished(self.folder, self.stage, self.fingerprint, self.again)

    def run(
        self,
        make: Callable[[], Callable[[int, Any], Counts]],
        work: Mapping[int, Any],
        advance: Callable[[int, int], None] = lambda done, of: None,
        *,
        gpu: bool = False,
        of: int | None = None,
    ) -> Done:
        """Do what is missing of ``work``, shard number → payload; ``advance`` moves a bar.

        ``of``: how many shards the stage has in all, where ``work`` is only some of them.
        """
        from raysep.cluster import shards

        there = self.done
        missing = {number: payload for number, payload in work.items() if number not in there}
        count = len(there) if of else len(work) - len(missing)

        def on_done(shard: int, counts: Counts) -> None:
            nonlocal count
            count += 1
            advance(count, of or len(work))

        def on_event(kind: str, **facts: Any) -> None:
            if "text" in facts:
                self.progress.say(f"{self.stage}: {facts['text']}")
            self.on_event(kind, **facts)

        advance(count, of or len(work))
        least, most = pool_size(self.workers)
        sizes: dict[str, Any] = {"least_workers": least, "most_workers": most, "gpu": gpu, "share": self.share}
        lost = shards.run_shards(make, missing, self.available, **sizes, on_done=on_done, on_event=on_event)
        return Done(len(missing), lost)


def finished(folder: Run, stage: str, fingerprint: Fingerprints, again: bool = False) -> dict[int, Marker]:
    """Markers of the shards of a stage that count as done; with ``again`` those without a failure."""
    return {
        number: marker
        for number, marker in folder.markers(stage).items()
        if marker["fingerprint"] == of_shard(fingerprint, number) and not (again and marker["counts"]["failed"])
    }
