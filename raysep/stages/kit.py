"""The kit of the scoring pass, made once and written into the run: networks, clean partners, references."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from raysep.corpus.folds import Fold
from raysep.corpus.partners import LazyTracks, fill_bank
from raysep.corpus.segments import Drawn
from raysep.errors import AudioError, BadInput, RaysepError
from raysep.probes.ways import WAYS
from raysep.rundir import Run
from raysep.stages import attribute, train
from raysep.stages.context import Context
from raysep.stages.passes import AudioWorker, Counts, Pass
from raysep.stages.plant import Planting
from raysep.training.network import load_network


def check_embedder(scoring: Any, sample_rate: int) -> None:
    """Load the embedder once where the command was given: missing weights must not come out after the training.

    Raises ``BadInput``. A separator's bottleneck without weights is the run's own network, which is yet to be trained.
    """
    from raysep.probes.embedders import registry, weight_files

    if (scoring.embedder, scoring.embedder_weights) != ("separator", ""):
        registry.build(scoring.embedder, sample_rate, weight_files.absolute(scoring.embedder_weights))


def make_kit(context: Context, planting: Planting) -> None:
    """Networks, clean partners and references for each fold, written once; workers read them from the run's folder."""
    run, folds = context.run, planting.folds
    missing = {fold.number or 0: fold for fold in folds if not run.has(fold.place("kit"), "made.json")}
    if missing:
        work = {shard: Drawn(fold.target, context.segments_of(fold.target)) for shard, fold in missing.items()}
        done = Pass.of(context, "kit").run(KitMaker.of(context, rotates=folds[0].number is not None), work)
        if done.lost:
            raise RaysepError(f"preparing the scoring pass failed ({done.reason})")
    for fold in missing.values():
        if left_out := run.read_json(fold.place("kit"), "made.json")["distances_left_out"]:
            context.progress.say(fold.says(f"distances to the reference left out: {left_out}"))
    if len(folds) > 1:
        _agree(run, [fold.place("kit") for fold in folds])


def _agree(run: Run, places: list[str]) -> None:
    """Leave in the kits of several folds what all have; a start that was killed before is made up for by the next."""
    made = [run.read_json(place, "made.json") for place in places]
    for place, before, after in zip(places, made, in_common(made), strict=True):
        if before != after:
            run.write_json(after, place, "made.json")


def in_common(made: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The records of kits without what some kit lacks: a probe that one fold has and another has not tells folds apart.

    Of the distances and of the networks for each track, whose files differ in number, whether there are any.
    """
    shared = set.intersection(*({_part(name) for name in each["files"]} for each in made))
    fewest = min(made, key=lambda each: each["passes"])
    return [
        each
        | {
            "files": [name for name in each["files"] if _part(name) in shared],
            "probes": [name for name in each["probes"] if all(name in other["probes"] for other in made)],
            "passes": fewest["passes"],
        }
        for each in made
    ]


def _part(file: str) -> str:
    folder = file.partition("/")[0]
    return folder if folder in ("fad", "per-track") else file


@dataclass(frozen=True, kw_only=True)
class KitMaker(AudioWorker):
    """Makes the kit of a fold, whose number is the shard's, from all that it is derived from."""

    rotates: bool = False  # whether there are others

    def run(self, shard: int, payload: Drawn) -> Counts:
        from raysep.probes.embedders import weight_files
        from raysep.probes.scoring import ScoringKit, ScoringOptions, label_references, try_out

        run, scoring = self.folder, self.config.scoring
        fold = Fold(shard if self.rotates else None, payload.stems, [])
        moved = fold.place("attribution")
        frames = round(scoring.segment_seconds * self.sample_rate)
        tracks = LazyTracks(payload.stems, self.sample_rate, self.channels)
        bank = fill_bank(
            tracks, payload.chosen, self.config.labels, frames, scoring.bank_segments, scoring.most_segments
        )
        networks = {
            "final": load_network(run, train.FINAL)[0],
            "early": load_network(run, train.EARLY)[0],
            "reference": load_network(run, fold.named(train.REFERENCE))[0],
            "plus": load_network(run, attribute.PLUS, moved)[0],
            "minus": load_network(run, attribute.MINUS, moved)[0],
        }
        if run.has(moved, f"{attribute.UNLEARNED}.safetensors"):
            unlearned = load_network(run, attribute.UNLEARNED, moved)[0]
            names = {"own": ["unlearned"], "clean": ["unlearned-clean"], "both": ["unlearned", "unlearned-clean"]}
            networks |= dict.fromkeys(names[scoring.unlearning_context], unlearned)
        per_track, way = self._per_track(run, moved), WAYS[scoring.unlearning]
        options = ScoringOptions(
            segment_frames=frames,
            sample_rate=self.sample_rate,
            most_segments=scoring.most_segments,
            seed=self.config.seed,
            rho=scoring.rho,
            unlearning_sign=way.sign if way else 1.0,
            batch=scoring.batch,
            embedder=scoring.embedder,
            embedder_weights=weight_files.absolute(scoring.embedder_weights),
            probes=scoring.probes,
        )
        kit, left_out = ScoringKit(networks, bank, options, per_track=per_track), ""
        embedder = kit.embedder
        kit.options = replace(options, embedder_digest=embedder.weights_digest)
        try:
            kit.fad = label_references(tracks, self.sample_rate, embedder, seed=self.config.seed)
        except AudioError:  # a trusted file that was whole when it was scanned: put right, and nothing is left out
            raise
        except BadInput as error:
            left_out = str(error)
        if scoring.probes:
            track = min(tracks)
            try_out(kit, tracks[track], track)
        files = kit.to_files()
        for name, data in files.items():
            run.write_bytes(data, fold.place("kit"), name)
        made = {
            "files": sorted(files),
            "probes": kit.probes,
            "passes": kit.forward_passes,
            "embedder": {"name": embedder.name, "weights_digest": embedder.weights_digest},
            "distances_left_out": left_out,
        }
        run.write_json(made, fold.place("kit"), "made.json")
        return {}

    def _per_track(self, run: Run, moved: str) -> Any:
        from safetensors.numpy import load

        from raysep.probes.per_track import PerTrack

        way = WAYS[self.config.scoring.unlearning]
        if way is None or not way.each_track or not run.has(moved, attribute.RANKS):
            return None
        count = run.read_json(moved, "record.json")["unlearned_tracks"]
        names = [attribute.ONE_TRACK.format(number) for number in range(count)]
        networks = tuple(load_network(run, name, moved)[0] for name in names)
        return PerTrack(networks, load(run.read_bytes(moved, attribute.RANKS)))
