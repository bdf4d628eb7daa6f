"""Weights of a decided run's stems by descent on the loss of the reference, a round after the other.

RUN/
  descent.parquet    a row for each stem: the weight that was found, which the handling ``descend`` draws by
  descent.json       the rounds, which was chosen, what it cost
  descent/  done/descent/  a part and a marker for each training: what is there is not done again

The reference is in two halves by track: one is descended on, by trainings that have a seed of their own in each round; the
other judges, by trainings that have the same seeds in every round, so that rounds differ by their weights alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from raysep import lease, pipeline
from raysep.commands.worth import training
from raysep.commands.worth.tables import beside_others
from raysep.commands.worth.worker import ALL, ToTrace, Tracer
from raysep.commands.worth.worth import trained
from raysep.corpus.hashing import fingerprint
from raysep.corpus.manifest import Stem
from raysep.decision.descent import RATE, FromScores, Parameters, PerStem, Round, Trial, around_one, best, descend
from raysep.errors import BadInput, RaysepError
from raysep.resources import pool_size
from raysep.rundir import Run, existing
from raysep.screen import Progress
from raysep.stages.context import Context
from raysep.stages.passes import Pass
from raysep.training.entry import Entry, whole

STAGE, TABLE, RECORD = "descent", "descent.parquet", "descent.json"
STEMS, PROBES = "stems", "probes"  # what is descended on
FIRST, JUDGES = 1000, 2000  # seeds that nothing else is trained with
PATIENCE = 2  # rounds without a better one


@dataclass(frozen=True)
class DescendRequest:
    """What `raysep descend` was asked."""

    run: str
    rounds: int = 2
    seeds: int = 1  # of each round, and as many that judge
    by: str = STEMS
    memory_gib: float = 4.0
    overrides: dict[str, Any] = field(default_factory=dict)
    workers: int | str | None = None  # as ``--workers`` has them
    address: str | None = None
    quiet: bool = False


@dataclass(frozen=True)
class Descent:
    """The trainings of the rounds, as passes over the cluster."""

    context: Context
    request: DescendRequest
    entries: list[Entry]
    halves: tuple[list[Stem], list[Stem]]
    own: str  # fingerprint
    advance: Any
    counts: list[dict[str, Any]] = field(default_factory=list)  # of the trainings so far

    @property
    def labels(self) -> np.ndarray:
        return np.array([entry.label for entry in self.entries])

    @property
    def trainings(self) -> int:
        """In all: the last round is only judged."""
        return self.request.seeds * (2 * self.request.rounds + 1)

    def __call__(self, number: int, weights: np.ndarray) -> Trial:
        """One round. Raises ``RaysepError`` when a training failed, and when the first derivative cannot be trusted."""
        work, seeds = self.work(number, weights), self.request.seeds
        prints = {shard: fingerprint(self.own, shard, weights.tolist()) for shard in work}
        todo = replace(Pass.of(self.context, STAGE), fingerprint=prints)
        tracer = Tracer.of(self.context, fingerprint=prints, stage=STAGE, memory_gib=self.request.memory_gib)
        before = 2 * seeds * number

        def advance(done: int, of: int) -> None:
            self.advance(before + done, self.trainings)

        trained(todo, tracer, work, advance)
        markers = todo.done
        self.counts.extend(markers[shard]["counts"] for shard in work)
        if number == 0 and not (gate := markers[0]["counts"]["gate"])["trusted"]:
            raise RaysepError(gate["words"] + " (--set changes a setting)")
        traced = [shard for shard, payload in work.items() if payload.traced]
        parts = [self.context.run.read_table(markers[shard]["part"]) for shard in traced]
        gradients = [
            # What no seed drew stays as it is.
            np.nan_to_num(beside_others(part[ALL].to_numpy(), self.labels, part["drawn"].to_numpy()))
            for part in parts
        ]
        judged = [markers[shard]["counts"]["judged"] for shard, payload in work.items() if payload.judges]
        nothing = np.zeros(len(weights))
        return Trial(np.mean(gradients, axis=0) if gradients else nothing, float(np.mean(judged)))

    def work(self, number: int, weights: np.ndarray) -> dict[int, ToTrace]:
        """The trainings of a round by shard: those that are traced back, then those that judge."""
        seeds = self.request.seeds
        descended, judging = (training.asked(self.context, half) for half in self.halves)
        given, first = tuple(map(float, weights)), 2 * seeds * number
        work: dict[int, ToTrace] = {}
        for k in range(seeds):
            if number < self.request.rounds:  # what the last one would say is not asked any more
                plan = training.planned(self.context, STAGE, self.entries, FIRST + seeds * number + k)
                work[first + k] = ToTrace(plan, (descended,), given, gated=not (number or k))
            plan = training.planned(self.context, STAGE, self.entries, JUDGES + k)
            work[first + seeds + k] = ToTrace(plan, (descended,), given, judges=judging, traced=False)
        return work


def descended(request: DescendRequest) -> Run:
    """Descend, write ``descent.parquet`` and print what was found. Returns the run, whose decision is as it was.

    Raises ``BadInput`` for a run that is not decided, for a reference of one track, and for a network or a recipe without a
    derivative, ``RaysepError`` when the derivative cannot be trusted or a training failed.
    """
    from raysep.cluster import session, shards

    if request.by not in (STEMS, PROBES):
        raise BadInput(f"--by {request.by}: must be {STEMS} or {PROBES}")
    run, progress = existing(request.run, "decision.parquet", "stems.parquet"), Progress(request.quiet)
    with lease.held(run), session.session(request.address) as available:
        context, inputs = pipeline.reopened(run, available, progress, request.workers)
        config, told = training.smoothed(context.config, request.overrides)
        context, halves = replace(context, config=config), training.halves(inputs.reference)
        plan = training.planned(context, STAGE, whole(inputs.corpus), FIRST)
        needs = training.checked(plan, request.memory_gib)
        entries = list(plan.stems)
        start, names = start_of(run, entries, request.by)
        say(context, needs, told, request)
        own = fingerprint(context.fingerprint, config, request.seeds, request.by, RATE)
        with run.stage(STAGE) as record, shards.kept_workers(), progress.bar(STAGE) as advance:
            trial = Descent(context, request, entries, halves, own, advance)
            rounds = descend(start, trial, request.rounds, PATIENCE)
            _write(run, request, entries, rounds, coefficients(start, rounds, names), trial.counts)
            record.update({key: run.read_json(RECORD)[key] for key in ("chosen", "trainings")})
    if not request.quiet:
        for line in run.read_json(RECORD)["found"]:
            print(line)
        print(f"weights: {run.path(TABLE)}")
    return run


def start_of(run: Run, entries: Sequence[Entry], by: str) -> tuple[Parameters, list[str]]:
    """Where the descent begins, all weights 1; and the probes by whose scores it goes, if by any."""
    from raysep.decision.aggregate import numbers, probe_names
    from raysep.decision.features import on_one_scale
    from raysep.probes.stored import oriented_in

    labels = np.array([entry.label for entry in entries])
    if by == STEMS:
        return PerStem.start(labels), []
    table = run.read_table("stems.parquet")
    oriented = oriented_in(table)
    names = [name for name in probe_names(table) if name in oriented]
    if not names:
        raise BadInput(f"--by {PROBES}: {run.root} has no scores that have a direction; give --by {STEMS}")
    place = {stem_id: number for number, stem_id in enumerate(table["stem_id"].to_pylist())}
    scores = np.stack([on_one_scale(table, numbers(table, name)) for name in names], axis=1)
    none = np.full((1, len(names)), np.nan)
    rows = np.concatenate([scores, none])[[place.get(entry.stem.stem_id, -1) for entry in entries]]
    return FromScores.start(rows, labels), names


def coefficients(start: Parameters, rounds: Sequence[Round], names: Sequence[str]) -> dict[str, float]:
    """What the chosen round makes of each probe, where there are probes: by the log-odds of the weights."""
    if not isinstance(start, FromScores):
        return {}
    from raysep.decision.descent import MOST

    share = np.clip(best(rounds).weights / MOST, 1e-9, 1 - 1e-9)
    found, *_ = np.linalg.lstsq(start.features, np.log(share / (1 - share)), rcond=None)
    return dict(zip(names, found.tolist(), strict=True))


def say(context: Context, needs: training.Needs, told: str, request: DescendRequest) -> None:
    """What it takes, before it is taken."""
    if told:
        context.progress.say(f"note: {told}")
    if needs.left_out:
        context.progress.say(f"note: not in the derivative: {', '.join(needs.left_out)}")
    trainings = request.seeds * (request.rounds * (needs.trainings + 1) + 1) + 2
    at_once = max(
        1, min(2 * request.seeds, pool_size(request.workers).most or 2 * request.seeds, int(context.available.cpus))
    )
    context.progress.say(
        f"{request.rounds} rounds, about {trainings:g} trainings of {context.config.training.steps} steps in all; "
        f"{needs.words(at_once)}; less than {1 + request.rounds} MiB on disk"
    )


def _write(
    run: Run,
    request: DescendRequest,
    entries: Sequence[Entry],
    rounds: Sequence[Round],
    by_probe: dict[str, float],
    counts: Sequence[dict[str, Any]],
) -> None:
    chosen, stems = best(rounds), [entry.stem for entry in entries]
    columns = {name: [getattr(stem, name) for stem in stems] for name in ("stem_id", "track", "stem")}
    # Drawing within a label takes no notice of its mean, which what was cut at 0 has moved.
    weights = around_one(chosen.weights, np.array([entry.label for entry in entries]))
    run.write_table(pa.table({**columns, "weight": weights}), TABLE)
    gains = [10 * math.log10(rounds[0].judged / one.judged) for one in rounds]
    number = next(k for k, one in enumerate(rounds) if one is chosen)
    trainings = sum(each.get("cost", 1.0) for each in counts) + 2
    told = {
        "by": request.by,
        "seeds": request.seeds,
        "rounds": [
            {"judged": one.judged, "db": gain, "unlike": float(np.abs(one.weights - 1).mean())}
            for one, gain in zip(rounds, gains, strict=True)
        ],
        "chosen": number,
        "coefficients": by_probe,
        "gate": next(each["gate"] for each in counts if "gate" in each),
        "trainings": round(trainings, 1),
        "found": sentences(run, gains, number, weights, trainings),
    }
    run.write_json(told, RECORD)


def sentences(run: Run, gains: Sequence[float], number: int, weights: np.ndarray, trainings: float) -> list[str]:
    """What was found, and the commands that go by it."""
    judged = ", ".join(f"{gain:+.3f}" for gain in gains[1:])
    cost = f"it cost {trainings:.0f} trainings"
    if not number:
        return [f"no round is better on the half that judges ({judged} dB): the weights stay 1; {cost}"]
    never = int((weights == 0).sum())
    return [
        f"round {number} of {len(gains) - 1} is the best on the half that judges ({judged} dB less loss than with weights "
        f"of 1); {cost}",
        f"weights {weights.min():.2f} to {weights.max():.2f}, {never} stems are never drawn",
        "to use it:",
        f"  raysep decide {run.root} --handling descend --out descended.parquet",
        f"  raysep train {run.path('manifest.parquet')} --decision descended.parquet --out separator",
        f"  raysep prove {run.root} --arms contaminated,cleaned,cleaned:descend",
    ]
