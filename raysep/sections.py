"""The sections of a run's settings, one per stage: the range and the meaning of each setting stand in its type."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

from raysep.probes.ways import WAYS
from raysep.ranges import NOT_HASHED, About, AsIn, Elsewhere, Range, Rule
from raysep.training import groups
from raysep.training.recipe import Recipe

LABELS = ("vocals", "drums", "bass", "other")

POSITIVE = Range.above(0)
COUNT = Range.least(1)
SHARE = Range.between(0, 1)
SEEDS_END = 2**63  # torch and tables hold no larger whole number


@dataclass(frozen=True)
class NetworkSettings:
    """The separator that is trained, and its size."""

    model: Annotated[
        str,
        Elsewhere("or package.module:Class, a Separator of your own", "raysep.separators.registry:MODELS"),
        About("the network that is trained"),
    ] = "openunmix-joint"
    hidden: Annotated[int, COUNT, About("units of each layer, of the two openunmix networks")] = 256
    layers: Annotated[int, COUNT, About("recurrent layers, of the two openunmix networks")] = 2
    window_seconds: Annotated[
        float, POSITIVE, About("window of the STFT, seconds; rounded up to a power of two of samples")
    ] = 0.064
    overlap: Annotated[
        int,
        Range.least(2),
        About("hops to a window, 2 = half overlapped; four at least but for the openunmix networks"),
    ] = 2
    max_hz: Annotated[
        float, POSITIVE, About("highest frequency that the network reads, Hz, of the two openunmix networks")
    ] = 16000.0
    arguments: Annotated[
        dict[str, Any],
        Elsewhere("arguments of the network's configuration by name"),
        About("the network's own arguments, over those that follow from the settings above"),
    ] = field(default_factory=dict)


def at_once(training: TrainingSettings) -> int:
    """Examples that go through a worker's network at once, at least."""
    return training.batch // max(1, training.workers * training.accumulate)


def _leaves_some_out(training: TrainingSettings) -> bool:
    return training.truncate != "stem" or training.truncate_share * at_once(training) >= 1


def _least_share(training: TrainingSettings) -> str:
    piece = at_once(training)
    return (
        f"at least {1 / max(1, piece):.3g} with training.truncate = stem, or no example is ever left out: "
        f"a worker takes {piece} at once"
    )


def _changes_nothing(training: TrainingSettings) -> bool:
    limit = 1 if training.least_workers else groups.most(training.workers, training.accumulate)
    return training.side_by_side <= limit


@dataclass(frozen=True)
class TrainingSettings:
    """One separator's training: the same for every arm that is compared."""

    steps: Annotated[int, COUNT, About("steps of the optimiser")] = 20000
    early: Annotated[
        float,
        SHARE,
        About("when the early checkpoint is taken, as a share of the steps: memorisation grows with training"),
    ] = 0.4
    reference_steps: Annotated[
        float,
        Range.above(0, most=1),
        About("steps of the network trained on the reference alone, as a share of the steps"),
    ] = 0.6
    batch: Annotated[
        int,
        AsIn(Recipe),
        Rule("at least one example per training worker", lambda t: t.batch >= t.workers),
        About("examples of a step, over all workers together"),
    ] = 16
    segment_seconds: Annotated[float, POSITIVE, About("length of an example, seconds")] = 4.0
    learning_rate: Annotated[float, AsIn(Recipe), About("highest learning rate of the schedule")] = 1e-3
    schedule: Annotated[
        str, AsIn(Recipe), About("how the learning rate falls after its rise: plateau = when validations get no better")
    ] = "cosine"
    warmup: Annotated[
        int | None, Range.least(0), About("steps in which the learning rate rises; null = a tenth of all, at most 50")
    ] = None
    plateau_patience: Annotated[
        int,
        AsIn(Recipe),
        About("validations without a better one before the learning rate falls, with schedule = plateau"),
    ] = 5
    plateau_factor: Annotated[float, AsIn(Recipe), About("what the learning rate is then multiplied by")] = 0.3
    weight_decay: Annotated[float, AsIn(Recipe), About("L2 penalty on the weights, as Adam takes it")] = 1e-5
    gradient_clip: Annotated[float, AsIn(Recipe), About("largest norm of the gradient; 0 = not clipped")] = 5.0
    eps_root: Annotated[
        float,
        AsIn(Recipe),
        About(
            "added inside the root of Adam's denominator: makes training smooth, which the metagradient asks for; 0 = Adam"
        ),
    ] = 0.0
    ema_decay: Annotated[
        float,
        AsIn(Recipe),
        About("share of the averaged weights that a step leaves as it is; the average is what is used"),
    ] = 0.999
    loss: Annotated[
        str, AsIn(Recipe), About("what is minimised; a network of waveforms needs one on waveforms, or multi-stft")
    ] = "magnitude-mse"
    truncate: Annotated[
        str,
        AsIn(Recipe),
        About(
            "leave out the highest losses: whole examples (stem, against wrong stems) or bins of time (time, against bleed)"
        ),
    ] = "none"
    truncate_share: Annotated[
        float,
        AsIn(Recipe),
        Rule(
            "with truncate = stem at least one of the examples that a worker takes at once",
            _leaves_some_out,
            _least_share,
        ),
        About("share that is left out, of what a worker takes at once: batch / workers / accumulate"),
    ] = 0.1
    augment: Annotated[
        tuple[str, ...],
        AsIn(Recipe),
        About("variations of a batch; swap = of the channels, remix = of stems between songs"),
    ] = ("gain", "swap", "polarity")
    accumulate: Annotated[
        int, AsIn(Recipe), About("pieces that each worker's share of a batch is cut into, to save memory")
    ] = 1
    precision: Annotated[
        str, AsIn(Recipe), About("number format of the network's body; transforms, losses and sums stay in float32")
    ] = "float32"
    validate_every: Annotated[
        int, AsIn(Recipe), About("steps between validations (which need --validation); 0 = save_every")
    ] = 0
    patience: Annotated[
        int, AsIn(Recipe), About("validations without a better one before the training stops; 0 = it never does")
    ] = 0
    keep_best: Annotated[int, AsIn(Recipe), About("checkpoints of the best validations that are kept")] = 1
    workers: Annotated[
        int,
        COUNT,
        About("parts of the batch, each with its share of the stems: part of the numbers; as many processes train"),
    ] = 2
    least_workers: Annotated[
        int,
        Rule("from 0 to training.workers", lambda t: 0 <= t.least_workers <= t.workers),
        About("elastic: go on with as few processes, which do the work of all; 0 = always workers"),
    ] = 0
    threads: Annotated[int, COUNT, About("torch threads of each process; part of the numbers")] = 1
    memory_gib: Annotated[
        float, POSITIVE, About("decoded audio kept for each worker, GiB; a larger corpus streams through it")
    ] = 4.0
    side_by_side: Annotated[
        int,
        Range.least(0),
        Rule(
            "at most training.workers, and 0 or 1 where the sums would be rounded otherwise: "
            "with more than two workers, with accumulate, and with least_workers",
            _changes_nothing,
        ),
        About("trainings at the same time, each by fewer processes; 0 = as many as pay and fit into memory, 1 = one"),
    ] = field(default=0, metadata=NOT_HASHED)
    save_every: Annotated[int, COUNT, About("steps between the states that a killed training goes on from")] = 500


def _read_in_its_context(scoring: ScoringSettings) -> bool:
    way = WAYS.get(scoring.unlearning)
    return way is None or scoring.unlearning_context in way.contexts


@dataclass(frozen=True)
class ScoringSettings:
    """The one pass over the audio, and the attribution that it needs."""

    segment_seconds: Annotated[float, POSITIVE, About("length of a segment, seconds")] = 4.0
    most_segments: Annotated[int, COUNT, About("segments read of a stem at most, spread evenly")] = 16
    first_segments: Annotated[
        int,
        Range.least(0, words="0 (no first look) or more"),
        About("segments read of each stem before further ones go to the doubtful; 0 = all of each stem at once"),
    ] = 0
    budget: Annotated[
        float, Range.least(0, most=1), About("share of the segments then left that is read after such a first look")
    ] = 0.5
    shards: Annotated[
        int,
        COUNT,
        About("parts of the pass at least, more for a large corpus; a part is what a killed pass does again"),
    ] = 256
    batch: Annotated[int, COUNT, About("segments that go through a network at once")] = 16
    bank_segments: Annotated[
        int, COUNT, About("clean segments of each label, from the reference, that the others are mixed with")
    ] = 128
    fisher_segments: Annotated[
        int,
        COUNT,
        About(
            "corpus segments whose gradients make the Fisher information, and as many of the reference for its gradient"
        ),
    ] = 1024
    fisher_shards: Annotated[int, COUNT, About("parts of those passes; a part is what a killed pass does again")] = 16
    rho: Annotated[
        float, Range.above(0, below=0.1), About("step of the central difference, relative to the weights' norm")
    ] = 1e-3
    direction: Annotated[
        str,
        Range.choice("adam", "fisher"),
        About(
            "what the central difference divides the gradient by: Adam's second moment (no pass) or the Fisher information"
        ),
    ] = "adam"
    unlearning: Annotated[
        str,
        Range.choice(*WAYS),
        About(
            "way of unlearning. "
            + "; ".join(f"{name}: {way.about if way else 'nothing is unlearned'}" for name, way in WAYS.items())
        ),
    ] = "joint"
    unlearning_steps: Annotated[
        int,
        COUNT,
        About(
            "steps of unlearning; those after the first take the gradient again, and the Fisher information pulls back"
        ),
    ] = 1
    unlearning_context: Annotated[
        str,
        Range.choice("own", "clean", "both", words="own, clean, both"),
        Rule(
            "own with scoring.unlearning = per-track: clean would cost a pass for each reference track and stem",
            _read_in_its_context,
        ),
        About(
            "the mixture that unlearning is read in: the track's own stems (the paper's), clean ones of others, or both"
        ),
    ] = "own"
    alpha: Annotated[
        float | None,
        Range.above(0, words="above 0, or null to have it chosen"),
        About("size of the unlearning step; null = chosen by three readings"),
    ] = None
    damping: Annotated[
        float, POSITIVE, About("added to the curvature before it divides, relative to its layer's mean")
    ] = 0.1
    embedder: Annotated[
        str,
        Elsewhere("or package.module:Class of your own", "raysep.probes.embedders.registry:EMBEDDERS"),
        About("what makes frames of audio for the distances to the reference"),
    ] = "aisfx"
    embedder_weights: Annotated[
        str, Elsewhere('a path, a URI, a hub id or ""'), About('where the embedder has its weights from; "" = its own')
    ] = ""
    probes: Annotated[
        tuple[str, ...],
        Elsewhere("each package.module:NAME of a raysep.probes.Probe"),
        About("probes of your own, scored beside raysep's"),
    ] = ()


def _leaves_some_to_plant(planting: PlantingSettings) -> bool:
    return 0 < planting.calibration < 1 - planting.unlearning


def _are_kinds(kinds: tuple[str, ...]) -> bool:
    if not kinds:
        return True
    from raysep.corpus.faults import KINDS

    return set(kinds) <= set(KINDS)


@dataclass(frozen=True)
class PlantingSettings:
    """The split of the reference: unlearning target, calibration, planted corrupted copies."""

    unlearning: Annotated[
        float,
        SHARE,
        About(
            "with planting.folds = 1, share of the reference's tracks that is unlearned, trains the reference network, and "
            "is mixed with"
        ),
    ] = 0.4
    calibration: Annotated[
        float,
        Rule("leaving a part to plant", _leaves_some_to_plant),
        About(
            "with planting.folds = 1, share of the reference's tracks that shows how clean stems score; what is left is "
            "corrupted and planted"
        ),
    ] = 0.35
    folds: Annotated[
        int,
        Rule("from 1 to planting.least_tracks", lambda p: 1 <= p.folds <= p.least_tracks),
        About(
            "1 = the reference is split in the three parts once; 2 or more = its tracks are dealt to so many folds, each of "
            "which is evidence, clean and corrupted, where the networks and distances are made of the others"
        ),
    ] = 1
    copies: Annotated[int, COUNT, About("differently corrupted copies of each planted track")] = 3
    least_tracks: Annotated[
        int,
        Range.least(5, words="5 or more: three tracks to calibrate, one for each other part"),
        About("tracks of the smallest reference that is split; a smaller one gives a ranking and no ratio"),
    ] = 9
    kinds: Annotated[
        tuple[str, ...],
        Range("kinds of fault that `raysep contaminate --help` names", _are_kinds),
        About("kinds of fault that are planted; none named = all"),
    ] = ()


@dataclass(frozen=True)
class DecisionSettings:
    """From suspicion to keep, weight and reason."""

    rule: Annotated[
        str,
        Range.choice("threshold", "fdr", "ratio"),
        About(
            "what removes a stem: its P(corrupt), a false discovery rate (fdr), or a fixed ratio of the most suspect"
        ),
    ] = "threshold"
    threshold: Annotated[float, SHARE, About("with rule = threshold, remove when P(corrupt) is above")] = 0.5
    fdr: Annotated[float, SHARE, About("with rule = fdr, share of clean stems accepted among the removed")] = 0.1
    ratio: Annotated[
        float, Range.least(0, below=1), About("with rule = ratio, share of each label's stems that is removed")
    ] = 0.3
    probe: Annotated[
        str, Elsewhere("fused, or a probe that has a direction"), About("with rule = ratio, what stems are ranked by")
    ] = "fused"
    floor: Annotated[float, Range.least(0, most=1), About("share of each label's stems that is always left")] = 0.2
    handling: Annotated[
        str,
        Elsewhere("or package.module:NAME, a Handling of your own", "raysep.decision.handling:HANDLINGS"),
        About("how the decision is acted on, in cleaned.parquet and by the arm cleaned"),
    ] = "auto"


@dataclass(frozen=True)
class SearchSettings:
    """Ray Tune over the ratio: the paper's way, and the check on the estimate."""

    ratios: Annotated[
        tuple[float, ...],
        Range("one or more ratios", lambda ratios: len(ratios) >= 1),
        Range.each(Range.least(0, below=1)),
        About("shares of each label's stems to try to leave out"),
    ] = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
    steps: Annotated[int, COUNT, About("steps of a trial, which goes on from the network that scored")] = 400
    rungs: Annotated[int, COUNT, About("validations in a trial, after each of which it may be stopped")] = 4
    learning_rate: Annotated[float, POSITIVE, About("highest learning rate of a trial")] = 3e-4


@dataclass(frozen=True)
class ProofSettings:
    """Arms retrained and compared."""

    arms: Annotated[
        tuple[str, ...],
        Range("one or more arms", lambda arms: len(arms) >= 1),
        About(
            "trainings that are compared: contaminated, cleaned, cleaned:HANDLING, weighted, random, reference, "
            "contaminated+reference, cleaned+reference, small-loss, loss-truncation, a probe that has a direction; where the "
            "faults are known, clean, oracle and oracle-ratio:PROBE"
        ),
    ] = ("contaminated", "cleaned")
    seeds: Annotated[
        tuple[int, ...],
        Range(
            "one or more different seeds from 0 to below 2^63",
            lambda seeds: len(set(seeds)) == len(seeds) >= 1 and min(seeds) >= 0 and max(seeds) < 2**63,
        ),
        About("seeds that each arm is trained with; raysep train trains one separator for each"),
    ] = (0,)
