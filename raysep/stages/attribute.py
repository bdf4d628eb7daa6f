"""Prepare the attribution: Fisher and reference gradient over shards, then the weight sets that the pass compares."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from raysep.audio.levels import SILENCE_DBFS
from raysep.cluster import shards
from raysep.config import ScoringSettings
from raysep.corpus.manifest import Stem
from raysep.corpus.reading import read_segments
from raysep.corpus.segments import Chosen, draw
from raysep.errors import RaysepError
from raysep.rundir import Run
from raysep.stages import train
from raysep.stages.context import Context
from raysep.stages.inputs import Inputs
from raysep.stages.plant import Planting
from raysep.stages.train import load_network

PLUS, MINUS, UNLEARNED = "plus", "minus", "unlearned"
ONE_TRACK = "unlearned-{:05d}"  # the weights after unlearning one reference track
RANKS = "ranks.safetensors"  # τ of the checked segments at each of these
CHECKED_SEGMENTS = 64  # read again at ρ/3, and used for the readings of the step size
FISHER, GRADIENT, NOISY = "fisher", "gradient", "noisy"


def attribute(context: Context, inputs: Inputs, planting: Planting) -> None:
    """Leaves ``attribution/{plus,minus,unlearned}.safetensors`` and ``attribution/record.json``.

    With ``scoring.unlearning = per-track`` an ``unlearned-NNNNN`` for each reference track instead, and ``ranks``.
    """
    run, settings = context.run, context.config.scoring
    if run.is_done("attribute"):
        return
    with run.stage("attribute") as record, context.progress.bar("attribute") as advance:
        every = context.segments_of(inputs.corpus)
        corpus = draw(every, settings.fisher_segments, f"{context.config.seed}/fisher")
        target = draw(context.segments_of(planting.unlearning), settings.fisher_segments, "reference")
        worker = _Worker(run.root, context.fingerprint, context.sample_rate, context.channels, context.config)
        wanted = {FISHER: (inputs.corpus, corpus)} if needs_fisher(settings) else {}
        wanted[GRADIENT] = (planting.unlearning, target)
        if settings.unlearning == "noisy":
            noisy = draw(context.segments_of(planting.noisy_tracks), settings.fisher_segments, "noisy")
            wanted[NOISY] = (planting.noisy_tracks, noisy)
        payloads = [
            (kind, _of(part, stems), part)
            for kind, (stems, chosen) in wanted.items()
            for part in _deal(chosen, settings.fisher_shards)
        ]
        done = run.shards_done("attribute", context.fingerprint)
        finished = len(done)

        def on_done(shard: int, counts: dict) -> None:
            nonlocal finished
            finished += 1
            advance(finished, len(payloads) + 1)

        def execute(work: dict[int, Any]) -> None:
            failed = shards.run_shards(
                worker, work, context.available, most_workers=context.workers, gpu=True, on_done=on_done
            )
            if failed:
                raise RaysepError(f"attribution failed ({next(iter(failed.values()))})")

        execute({number: payload for number, payload in enumerate(payloads) if number not in done})
        checked = draw(every, CHECKED_SEGMENTS, f"{context.config.seed}/checked")
        check = (_of(checked, inputs.corpus), checked)
        last = len(payloads)
        if last not in done:
            total = sum(len(indices) for indices in every.values())
            kind = _unlearned_kind(settings)
            stems, unlearned = wanted[kind]
            ascent = [payload[1:] for payload in payloads if payload[0] == kind]
            risen = draw(unlearned, CHECKED_SEGMENTS, "checked")  # whose loss must rise
            known = (_of(risen, stems), risen)
            execute({last: ("directions", check, known, ascent, total, len(payloads))})
        record.update(run.read_json("attribution", "record.json"))
        if record["unlearning_left_out"]:
            context.progress.say(f"unlearning probe left out: {record['unlearning_left_out']}")


def needs_fisher(settings: ScoringSettings) -> bool:
    """Whether anything reads the Fisher information: its pass costs three times the reading of a segment."""
    return settings.direction == "fisher" or settings.unlearning in ("joint", "per-track", "noisy")


def _unlearned_kind(settings: ScoringSettings) -> str:
    return NOISY if settings.unlearning == "noisy" else GRADIENT


def _deal(chosen: Chosen, count: int) -> list[Chosen]:
    return [{track: chosen[track] for track in part} for part in shards.split(chosen, count).values()]


def _of(chosen: Chosen, stems: Iterable[Stem]) -> list[Stem]:
    return [s for s in stems if s.track in chosen]


@dataclass(frozen=True)
class _Worker:
    """Makes, in a worker, the function that computes one part of the attribution."""

    root: str
    fingerprint: str
    sample_rate: int
    channels: int
    config: Any

    def __call__(self) -> Callable[[int, Any], dict]:
        import torch

        from raysep.probes.precision import full_single_precision

        full_single_precision()
        torch.set_num_threads(self.config.training.threads)
        return self.run

    def run(self, shard: int, payload: Any) -> dict:
        if payload[0] == "directions":
            return self._directions(shard, *payload[1:])
        from raysep.probes.fisher import diagonal_fisher
        from raysep.probes.gradients import reference_gradient

        kind, stems, chosen = payload
        run = Run(self.root)
        network, _ = load_network(run, train.FINAL)
        mixtures, targets, skipped = self._load(stems, chosen, network)
        if kind == FISHER or not len(mixtures):  # of nothing both are zero sums
            part = diagonal_fisher(network, mixtures, targets)
        else:
            batch = self.config.scoring.batch
            part = reference_gradient(network, zip(mixtures.split(batch), targets.split(batch), strict=True))
        counts = {"segments": len(mixtures), "skipped_tracks": skipped}
        run.finish_shard(
            "attribute", shard, self.fingerprint, part.to_bytes(), f"attribution/{kind}-{shard:05d}.safetensors", counts
        )
        return counts

    def _load(self, stems: list[Stem], chosen: Chosen, network: Any):
        """Mixtures ``(n, channel, time)`` and targets ``(n, stem, channel, time)`` in the tracks' own context."""
        import torch

        scoring = self.config.scoring
        length = round(scoring.segment_seconds * self.sample_rate)
        targets, skipped = read_segments(
            stems, chosen, network.stems, self.sample_rate, self.channels, length, scoring.most_segments
        )
        device = next(network.parameters()).device
        stacked = torch.from_numpy(targets).to(device)
        return stacked.sum(dim=1), stacked, skipped

    def _load_audible(self, stems: list[Stem], chosen: Chosen, network: Any, what: str):
        """(mixtures, targets) of the segments in which a stem can be heard: the others carry no evidence.

        Raises ``RaysepError`` when there is none; ``what`` says in the message what they are of.
        """
        from raysep.probes.influence import audible_stems

        mixtures, targets, _ = self._load(stems, chosen, network)
        heard = audible_stems(targets).any(axis=1)
        if not heard.any():
            raise RaysepError(
                f"none of {len(heard)} segments drawn from {what} is audible (above {SILENCE_DBFS:g} dBFS), so "
                "attribution has nothing to measure; look at its files, and leave silent tracks out"
            )
        return mixtures[heard], targets[heard]

    def _directions(self, shard: int, check: tuple, known: tuple, ascent: list, total: int, parts: int) -> dict:
        """From Fisher and gradients to the moved weight sets.

        ``check`` and ``known`` are segments of the corpus and of what is unlearned; ``ascent`` is all that is unlearned.
        """
        from raysep.probes import influence, unlearning
        from raysep.probes.gradients import ParameterSum, merge_all, weights_of
        from raysep.separators import checkpoint

        run, scoring = Run(self.root), self.config.scoring
        network, trained = load_network(run, train.FINAL)
        markers = run.shards_done("attribute", self.fingerprint)
        names = [markers[number]["part"] for number in range(parts)]
        sums = {
            kind: merge_all({n: ParameterSum.from_bytes(run.read_bytes(n)) for n in names if f"/{kind}-" in n})
            for kind in (FISHER, GRADIENT, NOISY)
            if any(f"/{kind}-" in n for n in names)
        }
        gradient = sums[GRADIENT].mean()
        fisher = sums[FISHER].mean() if FISHER in sums else None
        judged = self._load_audible(*check, network, "the corpus")
        start = weights_of(network)
        curvature = fisher if scoring.direction == "fisher" else trained.second_moment
        along = influence.direction(gradient, unlearning.damped(curvature, scoring.damping))
        agreement = influence.check_step(network, along, *judged, scoring.rho)
        plus, minus, _ = influence.perturb(start, along, scoring.rho)
        moved = {PLUS: plus, MINUS: minus}
        record: dict[str, Any] = {
            "segments": total,
            "fisher_segments": sums[FISHER].count if fisher else 0,
            "direction": scoring.direction,
            "unlearning": scoring.unlearning,
            "reference_segments": sums[GRADIENT].count,
            "rho": scoring.rho,
            "self_check": agreement,
            "unlearning_left_out": "",
        }
        if scoring.unlearning != "none":
            try:
                kind = _unlearned_kind(scoring)
                if kind not in sums:
                    raise RaysepError(
                        "scoring.unlearning = noisy unlearns the planted faults of some reference tracks and learns from "
                        "those of others, and fewer than two carry any; add reference tracks, or unlearn in another way"
                    )
                risen = self._load_audible(*known, network, "what is unlearned")
                unlearned = sums[kind].mean()
                again = partial(self._gradient_at, network, ascent)
                metric = trained.second_moment if scoring.unlearning == "adam" else fisher
                joint, chosen = self._unlearn(network, start, unlearned, metric, total, risen, judged, again)
                record |= chosen
                if scoring.unlearning == "per-track":
                    moved |= self._unlearn_each(network, start, fisher, total, chosen["alpha"], ascent, judged)
                    record["unlearned_tracks"] = len(moved) - 2
                else:
                    moved[UNLEARNED] = joint
            except RaysepError as error:
                record["unlearning_left_out"] = str(error)
        for name, weights in moved.items():
            changed = {k: v.detach().cpu().contiguous() for k, v in weights.items()}
            result = replace(trained, weights={**trained.weights, **changed}, second_moment=None)
            run.write_bytes(checkpoint.to_bytes(result), "attribution", f"{name}.safetensors")
        import json

        run.finish_shard(
            "attribute", shard, self.fingerprint, json.dumps(record, indent=2).encode(), "attribution/record.json", {}
        )
        return {}

    def _unlearn(self, network, start, gradient, fisher, total: int, known: tuple, judged: tuple, gradient_at):
        """(moved weights, what goes into the record): ascent on the gradient with the step that was given or chosen."""
        import torch

        from raysep.probes import unlearning

        scoring = self.config.scoring
        plain = scoring.unlearning == "plain"
        curvature = {name: torch.ones_like(value) for name, value in gradient.items()} if plain else fisher
        alpha, record = scoring.alpha, {"alpha": scoring.alpha, "alpha_satisfied": None}
        if alpha is None:
            size = unlearning.choose_step_size(
                network, gradient, curvature, total, known, judged, damping=scoring.damping
            )
            alpha = size.alpha
            record = {"alpha": alpha, "alpha_satisfied": size.satisfied, "readings": size.to_dict()["readings"]}
        if plain:  # the same step as with a Fisher of ones, without the pull back
            step = alpha / total / (1.0 + scoring.damping)
            weights = start
            for number in range(scoring.unlearning_steps):
                weights = unlearning.plain(weights, gradient_at(weights) if number else gradient, step)
            return weights, record
        steps = scoring.unlearning_steps
        return (
            unlearning.unlearn(start, gradient, fisher, total, alpha, steps, gradient_at, scoring.damping),
            record | {"steps": steps},
        )

    def _unlearn_each(self, network, start, fisher, total: int, alpha: float, ascent: list, judged: tuple) -> dict:
        """name → weights after unlearning one reference track; leaves the ranks that their scores are read against."""
        from safetensors.numpy import save

        from raysep.probes import unlearning
        from raysep.probes.gradients import with_weights
        from raysep.probes.influence import audible_stems
        from raysep.probes.losses import losses_of
        from raysep.probes.per_track import known_of

        scoring, moved, found = self.config.scoring, {}, []
        mixtures, targets = judged
        before = losses_of(network, mixtures, targets).cpu().numpy()
        each = sorted((track, stems, indices) for stems, chosen in ascent for track, indices in chosen.items())
        for track, stems, indices in each:
            only = [([s for s in stems if s.track == track], {track: indices})]
            if not len(self._load(*only[0], network)[0]):
                continue  # it cannot be read: counted when the joint gradient was taken
            gradient_at = partial(self._gradient_at, network, only)
            weights = unlearning.unlearn(
                start, gradient_at(start), fisher, total, alpha, scoring.unlearning_steps, gradient_at, scoring.damping
            )
            moved[ONE_TRACK.format(len(moved))] = weights
            after = losses_of(with_weights(network, weights), mixtures, targets).cpu().numpy()
            found.append(unlearning.tau(before, after))
        known = known_of(np.stack(found), audible_stems(targets), network.stems)
        Run(self.root).write_bytes(save(known), "attribution", RANKS)
        return moved

    def _gradient_at(self, network, ascent: list, weights) -> Any:
        """The mean gradient of the segments that are unlearned at other weights, a part of them in memory at a time."""
        from raysep.probes.gradients import merge_all, reference_gradient, with_weights

        moved, batch, parts = with_weights(network, weights), self.config.scoring.batch, {}
        for number, (stems, chosen) in enumerate(ascent):
            mixtures, targets, _ = self._load(stems, chosen, network)
            if len(mixtures):
                batches = zip(mixtures.split(batch), targets.split(batch), strict=True)
                parts[f"{number:05d}"] = reference_gradient(moved, batches)
        return merge_all(parts).mean()
