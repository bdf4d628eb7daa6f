"""Prepare the attribution: Fisher and reference gradient over shards, then the weight sets that the pass compares."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from raysep import failures
from raysep.audio.levels import SILENCE_DBFS
from raysep.config import ScoringSettings
from raysep.corpus.dealing import split
from raysep.corpus.folds import Fold, place
from raysep.corpus.inputs import Inputs
from raysep.corpus.manifest import Stem
from raysep.corpus.reading import read_segments
from raysep.corpus.segments import Chosen, Drawn, draw
from raysep.errors import RaysepError, StorageError
from raysep.probes.ways import WAYS, Target, Way
from raysep.stages import train
from raysep.stages.context import Context
from raysep.stages.passes import AudioWorker, Counts, Done, Pass, finished
from raysep.stages.plant import Planting
from raysep.training.network import load_network

if TYPE_CHECKING:
    from torch import Tensor

    from raysep.probes.gradients import ParameterSum, Weights
    from raysep.separators.base import Separator
    from raysep.separators.checkpoint import Checkpoint

STAGE = "attribute"
PLUS, MINUS, UNLEARNED = "plus", "minus", "unlearned"
ONE_TRACK = "unlearned-{:05d}"  # the weights after unlearning one reference track
RANKS = "ranks.safetensors"  # τ of the checked segments at each of these
CHECKED_SEGMENTS = 64  # read again at ρ/3, and used for the readings of the step size
FISHER = "fisher"  # what is summed over a shard: this, or the gradient of a ``Target``


@dataclass(frozen=True)
class Sum:
    """What a shard sums, and over which segments; of the corpus for all folds, else for one."""

    kind: str
    over: Drawn
    fold: int | None = None


@dataclass(frozen=True)
class Directions:
    """What the moved weights are made of, beside the sums of all shards."""

    judged: Drawn  # segments of the corpus, on which steps are checked
    risen: Drawn  # of what is unlearned: whose loss must rise
    ascent: list[Drawn]  # all that is unlearned
    total: int  # segments of the corpus
    shards: Mapping[str, list[int]]  # kind → those that sum it
    fold: int | None


def attribute(context: Context, inputs: Inputs, planting: Planting) -> None:
    """Leaves ``attribution/{plus,minus,unlearned}.safetensors`` and ``attribution/record.json``, for each fold.

    With a way of unlearning that takes each track by itself an ``unlearned-NNNNN`` for each instead, and ``ranks``.
    """
    run, settings = context.run, context.config.scoring
    if run.is_done(STAGE):
        return
    with run.stage(STAGE) as record, context.progress.bar(STAGE, "shards") as advance:
        every = context.segments_of(inputs.corpus)
        corpus = draw(every, settings.fisher_segments, f"{context.config.seed}/fisher")
        folds = planting.folds
        sums = _sums_over(FISHER, corpus, inputs.corpus, settings) if needs_fisher(settings) else []
        sums += [each for fold in folds for each in _of_reference(context, fold)]
        work, last = Pass.of(context, STAGE), len(sums)
        of = last + len(folds)
        _require(work.run(Summer.of(context), dict(enumerate(sums)), advance, gpu=True, of=of))
        checked = Drawn.of(draw(every, CHECKED_SEGMENTS, f"{context.config.seed}/checked"), inputs.corpus)
        total = sum(len(indices) for indices in every.values())
        directions = [_directions(context, fold, sums, checked, total) for fold in folds]
        _require(work.run(Mover.of(context), dict(enumerate(directions, last)), advance, gpu=True, of=of))
        records = [run.read_json(fold.place("attribution"), "record.json") for fold in folds]
        told = [m["counts"].get(failures.UNREAD, ()) for m in finished(run, STAGE, context.fingerprint).values()]
        record.update(records[0] if len(folds) == 1 else {"folds": records}, **failures.noted(dict(chain(*told))))
        for fold, each in zip(folds, records, strict=True):
            if each["unlearning_left_out"]:
                context.progress.say(fold.says(f"unlearning probe left out: {each['unlearning_left_out']}"))


def _of_reference(context: Context, fold: Fold) -> list[Sum]:
    """The gradients that are summed over what a fold is made of."""
    settings = context.config.scoring
    wanted = {Target.REFERENCE: (fold.target, "reference")}
    if _target(settings) is Target.PLANTED:
        wanted[Target.PLANTED] = (fold.noisy, "noisy")
    return [
        replace(each, fold=fold.number)
        for kind, (stems, name) in wanted.items()
        for each in _sums_over(kind, draw(context.segments_of(stems), settings.fisher_segments, name), stems, settings)
    ]


def _directions(context: Context, fold: Fold, sums: list[Sum], checked: Drawn, total: int) -> Directions:
    own = [number for number, each in enumerate(sums) if each.fold == fold.number or each.kind == FISHER]
    ascent = [sums[number].over for number in own if sums[number].kind == _target(context.config.scoring)]
    unlearned: Chosen = {track: indices for drawn in ascent for track, indices in drawn.chosen.items()}
    stems = [s for drawn in ascent for s in drawn.stems]
    return Directions(
        judged=checked,
        risen=Drawn.of(draw(unlearned, CHECKED_SEGMENTS, "checked"), stems),
        ascent=ascent,
        total=total,
        shards={kind: [n for n in own if sums[n].kind == kind] for kind in (FISHER, *Target)},
        fold=fold.number,
    )


def needs_fisher(settings: ScoringSettings) -> bool:
    """Whether anything reads the Fisher information: its pass costs three times the reading of a segment."""
    way = WAYS[settings.unlearning]
    return settings.direction == FISHER or (way is not None and way.reads_fisher)


def _target(settings: ScoringSettings) -> Target:
    way = WAYS[settings.unlearning]
    return way.target if way else Target.REFERENCE


def _sums_over(kind: str, chosen: Chosen, stems: list[Stem], settings: ScoringSettings) -> list[Sum]:
    return [Sum(kind, Drawn.of(part, stems)) for part in _deal(chosen, settings.fisher_shards)]


def _deal(chosen: Chosen, count: int) -> list[Chosen]:
    return [{track: chosen[track] for track in part} for part in split(chosen, count).values()]


def _require(done: Done) -> None:
    if done.lost:
        raise RaysepError(f"attribution failed ({done.reason})")


class SegmentWorker(AudioWorker):
    """Reads segments in the tracks' own context."""

    exact = True

    def load(self, drawn: Drawn, network: Separator) -> tuple[Tensor, Tensor, dict[str, str]]:
        """Mixtures ``(n, channel, time)``, targets ``(n, stem, channel, time)``, and what could not be read: stem_id → why."""
        import torch

        scoring = self.config.scoring
        length = round(scoring.segment_seconds * self.sample_rate)
        targets, unread = read_segments(
            drawn, network.stems, self.sample_rate, self.channels, length, scoring.most_segments
        )
        stacked = torch.from_numpy(targets).to(next(network.parameters()).device)
        return stacked.sum(dim=1), stacked, unread


class Summer(SegmentWorker):
    """Sums the Fisher information, or a gradient, over a shard."""

    def run(self, shard: int, payload: Sum) -> Counts:
        from raysep.probes.fisher import diagonal_fisher
        from raysep.probes.gradients import reference_gradient

        network, _ = load_network(self.folder, train.FINAL)
        mixtures, targets, unread = self.load(payload.over, network)
        if payload.kind == FISHER or not len(mixtures):  # of nothing both are zero sums
            part = diagonal_fisher(network, mixtures, targets)
        else:
            batch = self.config.scoring.batch
            part = reference_gradient(network, zip(mixtures.split(batch), targets.split(batch), strict=True))
        counts = {"segments": len(mixtures), **failures.noted(unread)}
        folder = place("attribution", payload.fold)
        return self.finish(STAGE, shard, part.to_bytes(), f"{folder}/{payload.kind}-{shard:05d}.safetensors", counts)


class Mover(SegmentWorker):
    """From the sums to the moved weight sets."""

    def run(self, shard: int, payload: Directions) -> Counts:
        from raysep.probes import influence, unlearning
        from raysep.probes.gradients import weights_of
        from raysep.separators import checkpoint

        scoring, run, folder = self.config.scoring, self.folder, place("attribution", payload.fold)
        network, trained = load_network(run, train.FINAL)
        sums = self._sums(payload.shards)
        gradient = sums[Target.REFERENCE].mean()
        fisher = sums[FISHER].mean() if FISHER in sums else None
        mixtures, targets, unread = self._load_audible(payload.judged, network, "the corpus")
        judged = mixtures, targets
        start = weights_of(network)
        curvature = fisher if scoring.direction == FISHER else trained.second_moment
        assert curvature is not None, "the Fisher was summed, and Adam trained the network"
        along = influence.direction(gradient, unlearning.damped(curvature, scoring.damping))
        agreement = influence.check_step(network, along, *judged, scoring.rho)
        plus, minus, _ = influence.perturb(start, along, scoring.rho)
        moved = {PLUS: plus, MINUS: minus}
        record: dict[str, Any] = {
            "segments": payload.total,
            "fisher_segments": sums[FISHER].count if fisher else 0,
            "direction": scoring.direction,
            "unlearning": scoring.unlearning,
            "reference_segments": sums[Target.REFERENCE].count,
            "rho": scoring.rho,
            "self_check": agreement,
            "unlearning_left_out": "",
        }
        if way := WAYS[scoring.unlearning]:
            try:
                unlearned, more = self._unlearn(way, payload, network, trained, sums, fisher, judged)
                moved, record = moved | unlearned, record | more
            except StorageError:
                raise
            except RaysepError as error:
                record["unlearning_left_out"] = str(error)
        counts = failures.noted(unread)
        for name, weights in moved.items():
            changed = {k: v.detach().cpu().contiguous() for k, v in weights.items()}
            result = replace(trained, weights={**trained.weights, **changed}, second_moment=None)
            run.write_bytes(checkpoint.to_bytes(result), folder, f"{name}.safetensors")
        return self.finish(STAGE, shard, json.dumps(record, indent=2).encode(), f"{folder}/record.json", counts)

    def _sums(self, shards: Mapping[str, list[int]]) -> dict[str, ParameterSum]:
        """Kind → ``ParameterSum`` of its shards, merged in the order of their files' names; without shards, none."""
        from raysep.probes.gradients import ParameterSum, merge_all

        markers = finished(self.folder, STAGE, self.fingerprint)
        names = {kind: [markers[number]["part"] for number in own] for kind, own in shards.items() if own}
        return {
            kind: merge_all({name: ParameterSum.from_bytes(self.folder.read_bytes(name)) for name in own})
            for kind, own in names.items()
        }

    def _load_audible(self, drawn: Drawn, network: Separator, what: str) -> tuple[Tensor, Tensor, dict[str, str]]:
        """As ``load``, of the segments in which a stem can be heard: the others carry no evidence.

        Raises ``RaysepError`` when there is none; ``what`` says in the message what they are of.
        """
        from raysep.probes.influence import audible_stems

        mixtures, targets, unread = self.load(drawn, network)
        audible = np.flatnonzero(audible_stems(targets).any(axis=1))
        if not len(audible):
            raise RaysepError(
                f"none of {len(targets)} segments drawn from {what} is audible (above {SILENCE_DBFS:g} dBFS), so "
                "attribution has nothing to measure; look at its files, and leave silent tracks out"
            )
        return mixtures[audible], targets[audible], unread

    def _unlearn(
        self,
        way: Way,
        payload: Directions,
        network: Separator,
        trained: Checkpoint,
        sums: dict[str, ParameterSum],
        fisher: Weights | None,
        judged: tuple[Tensor, Tensor],
    ) -> tuple[dict[str, Weights], dict[str, Any]]:
        """(name → weights, what goes into the record): the target unlearned by the step that was given or chosen."""
        from raysep.probes import unlearning
        from raysep.probes.gradients import weights_of
        from raysep.probes.ways import Curvatures

        scoring = self.config.scoring
        if way.target not in sums:
            raise RaysepError(
                f"scoring.unlearning = {scoring.unlearning} unlearns the planted faults of some reference tracks and learns "
                "from those of others, and fewer than two carry any; add reference tracks, or unlearn in another way"
            )
        mixtures, targets, _ = self._load_audible(
            payload.risen, network, "what is unlearned"
        )  # its sums tell of unread
        risen = mixtures, targets
        gradient = sums[way.target].mean()
        metric = way.metric(Curvatures(gradient, fisher, trained.second_moment))
        alpha = scoring.alpha
        record: dict[str, Any] = {"alpha": alpha, "alpha_satisfied": None}
        if alpha is None:
            size = unlearning.choose_step_size(
                network, gradient, metric, payload.total, risen, judged, damping=scoring.damping
            )
            alpha = size.alpha
            record = {"alpha": alpha, "alpha_satisfied": size.satisfied, "readings": size.to_dict()["readings"]}
        if way.pulled:
            record["steps"] = scoring.unlearning_steps
        start = weights_of(network)

        def moved(gradient: Weights, ascent: list[Drawn]) -> Weights:
            again = partial(self._gradient_at, network, ascent)
            return unlearning.follow(
                way, start, gradient, metric, payload.total, alpha, scoring.unlearning_steps, again, scoring.damping
            )

        if not way.each_track:
            return {UNLEARNED: moved(gradient, payload.ascent)}, record
        found: dict[str, Weights] = {}
        each = sorted((track, d.stems, indices) for d in payload.ascent for track, indices in d.chosen.items())
        for track, stems, indices in each:
            only = Drawn.of({track: indices}, stems)
            if not len(self.load(only, network)[0]):
                continue  # it cannot be read: counted when the joint gradient was taken
            found[ONE_TRACK.format(len(found))] = moved(self._gradient_at(network, [only], start), [only])
        self._leave_ranks(network, list(found.values()), judged, place("attribution", payload.fold))
        return found, record | {"unlearned_tracks": len(found)}

    def _leave_ranks(
        self, network: Separator, moved: list[Weights], judged: tuple[Tensor, Tensor], folder: str
    ) -> None:
        """The τ of corpus segments at each set of weights: the ranks that scores are read against."""
        from safetensors.numpy import save

        from raysep.probes.gradients import with_weights
        from raysep.probes.influence import audible_stems
        from raysep.probes.losses import losses_of
        from raysep.probes.per_track import known_of
        from raysep.probes.unlearning import tau

        before = losses_of(network, *judged).cpu().numpy()
        found = [tau(before, losses_of(with_weights(network, weights), *judged).cpu().numpy()) for weights in moved]
        known = known_of(np.stack(found), audible_stems(judged[1]), network.stems)
        self.folder.write_bytes(save(known), folder, RANKS)

    def _gradient_at(self, network: Separator, ascent: list[Drawn], weights: Weights) -> Weights:
        """The mean gradient of the segments that are unlearned at other weights, a part of them in memory at a time."""
        from raysep.probes.gradients import merge_all, reference_gradient, with_weights

        moved, batch, parts = with_weights(network, weights), self.config.scoring.batch, {}
        for number, drawn in enumerate(ascent):
            mixtures, targets, _ = self.load(drawn, network)
            if len(mixtures):
                batches = zip(mixtures.split(batch), targets.split(batch), strict=True)
                parts[f"{number:05d}"] = reference_gradient(moved, batches)
        return merge_all(parts).mean()
