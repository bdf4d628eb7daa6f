"""Settings of a run: frozen dataclasses, one per stage; YAML in, validated, hashed.

A setting that changes a number in ``decision.parquet`` or ``results.parquet`` belongs here. How many
workers score, where the run is stored and how it is shown do not: they change nothing and are not hashed.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from dataclasses import dataclass, field
from typing import Any

from raysep import limits
from raysep.errors import BadInput
from raysep.training.recipe import Recipe

LABELS = ("vocals", "drums", "bass", "other")


@dataclass(frozen=True)
class NetworkSettings:
    """The separator: a name from ``raysep.separators.registry`` and its size."""

    model: str = "openunmix-joint"  # or package.module:Class, a Separator of your own
    hidden: int = 256  # hidden, layers and max_hz: of the two openunmix networks
    layers: int = 2
    window_seconds: float = 0.064  # STFT window; the FFT size is the next power of two
    overlap: int = 2  # windows per hop: 2 = half overlapped
    max_hz: float = 16000.0  # the trunk reads no frequency above
    arguments: dict[str, Any] = field(
        default_factory=dict
    )  # the model's own, by name, over those that follow from above


@dataclass(frozen=True)
class TrainingSettings:
    """One separator's training: the same for every arm that is compared."""

    steps: int = 20000
    early: float = 0.4  # the early checkpoint, as a share of the steps: memorisation grows with training
    reference_steps: float = 0.6  # the reference-only model's steps, as a share
    batch: int = 16  # over all workers together
    segment_seconds: float = 4.0
    learning_rate: float = 1e-3  # the highest of the schedule
    schedule: str = "cosine"  # cosine | one-cycle | plateau | constant
    warmup: int | None = None  # steps in which the rate rises; None = a tenth of all, at most 50
    plateau_patience: int = 5  # validations without a better one before the rate falls
    plateau_factor: float = 0.3  # by which it falls
    weight_decay: float = 1e-5
    gradient_clip: float = 5.0  # largest norm; 0 = not clipped
    ema_decay: float = 0.999
    loss: str = "magnitude-mse"  # magnitude-mse | magnitude-l1 | waveform-mse | waveform-l1 | multi-stft
    truncate: str = "none"  # none | stem | time: leave out the highest losses, against wrong or bleeding stems
    truncate_share: float = 0.1  # of what a worker takes at once, batch / workers / accumulate
    augment: tuple[str, ...] = ("gain", "swap", "polarity")  # of these and remix, pitch, tempo
    accumulate: int = 1  # pieces that each worker's share of a batch is cut into, to save memory
    precision: str = "float32"  # or bfloat16: of the network's body
    validate_every: int = 0  # steps; 0 = save_every. Validation needs tracks: raysep train --validation
    patience: int = 0  # validations without a better one before training stops; 0 = never
    keep_best: int = 1  # checkpoints of the best validations that are kept
    workers: int = 2  # data-parallel; part of the numbers, since each has its share of the stems
    least_workers: int = 0  # elastic: go on with as few processes, which do the work of all; 0 = always workers
    threads: int = 1  # torch threads of a worker; likewise
    memory_gib: float = 4.0  # decoded 16-bit audio kept for each of workers; a larger corpus streams through it
    save_every: int = 500  # steps between the states that a killed training resumes from


@dataclass(frozen=True)
class ScoringSettings:
    """The one pass over the audio."""

    segment_seconds: float = 4.0
    most_segments: int = 16  # per stem, spread evenly
    first_segments: int = 0  # read of each stem before further ones go to the doubtful; 0 = all of each stem at once
    budget: float = 0.5  # share of the others that is read after such a first look
    shards: int = 256  # fixed for the run; a shard is what a killed pass does again
    batch: int = 16
    bank_segments: int = 128  # reference segments per label that probes are mixed with
    fisher_segments: int = 1024
    fisher_shards: int = 16
    rho: float = 1e-3  # central difference: step relative to the weights' norm
    direction: str = "adam"  # D of the central difference: adam (the checkpoint's second moment, free) | fisher
    unlearning: str = "joint"  # one of limits.UNLEARNING; docs/how-a-stem-is-scored.md says what each is
    unlearning_steps: int = 1  # further ones take the gradient again and are pulled back by the Fisher
    unlearning_context: str = "own"  # own (the paper's) | clean | both: the mixture it is read in
    alpha: float | None = None  # unlearning step; None = chosen by the three readings
    damping: float = 0.1
    embedder: str = "aisfx"  # of the distances to the reference: see raysep.probes.embedders.registry
    embedder_weights: str = ""  # where it has its weights from: a path, a URI or a hub id; "" = its own


@dataclass(frozen=True)
class PlantingSettings:
    """The split of the reference: unlearning target, calibration, planted corrupted copies."""

    unlearning: float = 0.4
    calibration: float = 0.35
    copies: int = 3  # differently corrupted copies of each planted track
    least_tracks: int = 9  # a smaller reference gives a ranking, no ratio
    kinds: tuple[str, ...] = ()  # kinds planted; empty = all the simulator knows


@dataclass(frozen=True)
class DecisionSettings:
    """From suspicion to keep, weight and reason."""

    rule: str = "threshold"  # threshold | fdr | ratio
    threshold: float = 0.5  # remove when P(corrupt) is above
    fdr: float = 0.1
    ratio: float = 0.3
    probe: str = "fused"  # what a ratio ranks by
    floor: float = 0.2  # share of a label's stems that is always left


@dataclass(frozen=True)
class SearchSettings:
    """Ray Tune over the ratio: the paper's way, and the check on the estimate."""

    ratios: tuple[float, ...] = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
    steps: int = 400  # of one warm-started trial
    rungs: int = 4  # validations in a trial, where ASHA may stop it
    learning_rate: float = 3e-4


@dataclass(frozen=True)
class ProofSettings:
    """Arms retrained and compared."""

    arms: tuple[str, ...] = ("contaminated", "cleaned")
    seeds: tuple[int, ...] = (0,)


@dataclass(frozen=True)
class Config:
    labels: tuple[str, ...] = LABELS
    sample_rate: int = 0  # Hz; 0 = the corpus's own (the commonest)
    seed: int = 0
    network: NetworkSettings = field(default_factory=NetworkSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    scoring: ScoringSettings = field(default_factory=ScoringSettings)
    planting: PlantingSettings = field(default_factory=PlantingSettings)
    decision: DecisionSettings = field(default_factory=DecisionSettings)
    search: SearchSettings = field(default_factory=SearchSettings)
    proof: ProofSettings = field(default_factory=ProofSettings)

    def __post_init__(self) -> None:
        limits.check(self)
        try:
            recipe_of(self.training, self.training.steps)
        except BadInput as error:
            raise BadInput(f"training.{error}") from None


PRESETS: dict[str, dict[str, Any]] = {
    # Seconds on two cores: what the tests run.
    "smallest": {
        "network": {"hidden": 16, "layers": 1},
        "training": {"steps": 12, "batch": 4, "segment_seconds": 1.0, "save_every": 6},
        "scoring": {
            "segment_seconds": 1.0,
            "most_segments": 3,
            "batch": 4,
            "shards": 4,
            "bank_segments": 12,
            "fisher_segments": 16,
            "fisher_shards": 2,
            "embedder": "logmel",
        },
        "planting": {"unlearning": 0.34, "calibration": 0.4, "copies": 2, "least_tracks": 6},
        "search": {"ratios": (0.0, 0.4), "steps": 4, "rungs": 2},
    },
    # Minutes on two cores: the demo.
    "tiny": {
        "network": {"hidden": 96, "layers": 1},
        "training": {"steps": 600, "batch": 8, "segment_seconds": 1.5, "learning_rate": 3e-3, "save_every": 600},
        "scoring": {
            "segment_seconds": 3.0,
            "most_segments": 4,
            "batch": 4,  # on a CPU small batches stay in the cache
            "shards": 16,
            "bank_segments": 48,
            "fisher_segments": 192,
            "fisher_shards": 4,
        },
        "search": {"ratios": (0.0, 0.2, 0.4, 0.6), "steps": 60, "rungs": 3},
    },
    # An hour or two on two cores.
    "small": {
        "network": {"hidden": 128, "layers": 2},
        "training": {"steps": 2000, "batch": 8, "segment_seconds": 3.0, "learning_rate": 3e-3},
        "scoring": {"segment_seconds": 4.0, "most_segments": 6, "batch": 4, "shards": 64, "fisher_segments": 512},
    },
    # A GPU or several, full-band stereo.
    "full": {},
}


def preset(name: str, overrides: dict[str, Any] | None = None) -> Config:
    """A preset with some settings changed. Raises ``BadInput`` naming the setting."""
    if name not in PRESETS:
        raise BadInput(f"--preset {name}: there is no such preset; choose one of {', '.join(PRESETS)}")
    return from_dict(merge(PRESETS[name], overrides or {}))


def preset_for(stem_seconds: float) -> str:
    """The preset that fits a corpus by its length (all stems together, in seconds)."""
    return "tiny" if stem_seconds < 3 * 3600 else "small" if stem_seconds < 24 * 3600 else "full"


def merge(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """``changes`` over ``base``, section by section."""
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def from_dict(values: dict[str, Any]) -> Config:
    return _build(Config, values, "")


def read_yaml(text: str, name: str) -> dict[str, Any]:
    """The overrides in a YAML file's text. Raises ``BadInput`` naming the file."""
    import yaml

    try:
        values = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise BadInput(f"{name}: not YAML ({error}); see `raysep config` for the settings and their form") from error
    if not isinstance(values, dict):
        raise BadInput(f"{name}: expected settings by name, found {type(values).__name__}; see `raysep config`")
    return values


def parse_assignment(text: str) -> dict[str, Any]:
    """``training.steps=800`` as nested overrides; the value is read as YAML."""
    import yaml

    path, equals, value = text.partition("=")
    if not equals or not path:
        raise BadInput(f"--set {text}: write it as section.name=value, for example training.steps=800")
    try:
        nested: Any = yaml.safe_load(value)
    except yaml.YAMLError:
        raise BadInput(f"--set {text}: {value!r} is not a value in YAML; quote it, or close its brackets") from None
    for key in reversed(path.strip().split(".")):
        nested = {key: nested}
    return nested


def to_dict(config: Config) -> dict[str, Any]:
    return json.loads(json.dumps(dataclasses.asdict(config)))


def _build(cls: type, values: dict[str, Any], path: str) -> Any:
    hints = typing.get_type_hints(cls)
    known = {f.name for f in dataclasses.fields(cls)}
    arguments = {}
    for key, value in values.items():
        name = f"{path}{key}"
        if key not in known:
            raise BadInput(f"{name}: there is no such setting; known here: {', '.join(sorted(known))}")
        arguments[key] = _convert(hints[key], value, name)
    return cls(**arguments)


def _convert(kind: Any, value: Any, name: str) -> Any:
    if dataclasses.is_dataclass(kind):
        if not isinstance(value, dict):
            raise BadInput(f"{name}: {value!r} is not a section; write its settings by name below it")
        return _build(kind, value, f"{name}.")
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is dict:
        if isinstance(value, dict) and all(isinstance(key, str) for key in value):
            return value
        raise BadInput(f"{name}: {value!r} is not a section; write its settings by name below it")
    if origin is tuple:
        items = value if isinstance(value, list | tuple) else [value]
        return tuple(_convert(arguments[0], item, name) for item in items)
    if origin in (typing.Union, types.UnionType):
        return None if value is None else _convert(arguments[0], value, name)
    if kind is float and isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            return float(value)
        except ValueError:
            pass
    if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    raise BadInput(f"{name}: {value!r} is not {kind.__name__}; see `raysep config` for the default")


def recipe_of(training: TrainingSettings, steps: int, **changes: Any) -> Recipe:
    """The recipe of a training of ``steps`` steps by these settings, with ``changes`` over them.

    Raises ``BadInput`` for a value that no training can have.
    """
    values = {f.name: getattr(training, f.name) for f in dataclasses.fields(Recipe) if hasattr(training, f.name)}
    values |= {"steps": steps, "validate_every": training.validate_every or training.save_every}
    if training.warmup is None:
        values["warmup"] = max(1, min(50, steps // 10))
    return Recipe(**values | changes)
