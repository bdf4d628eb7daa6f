"""Settings of a run: frozen dataclasses, one per stage; presets and YAML in, checked, hashed.

A setting that changes a number in ``decision.parquet`` or ``results.parquet`` belongs here. How many
workers score, where the run is stored and how it is shown do not: they change nothing and are not hashed. Nor is the
section ``resources``, which stands here because a file of settings is where one writes it.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Annotated, Any

from raysep.errors import BadInput
from raysep.overrides import build, merge, parse_assignment, read_yaml
from raysep.presets import PRESETS
from raysep.ranges import NOT_HASHED, About, Range, refusals
from raysep.resources import ResourceSettings
from raysep.sections import (
    LABELS,
    SEEDS_END,
    DecisionSettings,
    NetworkSettings,
    PlantingSettings,
    ProofSettings,
    ScoringSettings,
    SearchSettings,
    TrainingSettings,
)
from raysep.training.recipe import Recipe

__all__ = [
    "LABELS",
    "PRESETS",
    "Config",
    "DecisionSettings",
    "NetworkSettings",
    "PlantingSettings",
    "ProofSettings",
    "ScoringSettings",
    "SearchSettings",
    "TrainingSettings",
    "from_dict",
    "merge",
    "parse_assignment",
    "preset",
    "preset_for",
    "read_yaml",
    "recipe_of",
    "to_dict",
]


@dataclass(frozen=True)
class Config:
    """All settings of a run. Raises ``BadInput`` for the first that is out of its range, naming it and what is allowed."""

    labels: Annotated[
        tuple[str, ...],
        Range("two or more different labels", lambda labels: len(set(labels)) == len(labels) >= 2),
        About("the stems of a track, by the names of their files"),
    ] = LABELS
    sample_rate: Annotated[
        int,
        Range("0 (the corpus's own) or 1000 Hz and more", lambda rate: rate == 0 or rate >= 1000),
        About("rate at which all is trained and scored, Hz; 0 = the commonest of the corpus"),
    ] = 0
    seed: Annotated[
        int,
        Range.least(0, below=SEEDS_END, words="from 0 to below 2^63"),
        About(
            "everything random follows from it, except the networks that are compared: those follow from proof.seeds"
        ),
    ] = 0
    rounds: Annotated[
        int,
        Range.least(1, most=5),
        About("times that the corpus is judged; each time by networks trained on what was kept the time before"),
    ] = 1
    network: NetworkSettings = field(default_factory=NetworkSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    scoring: ScoringSettings = field(default_factory=ScoringSettings)
    planting: PlantingSettings = field(default_factory=PlantingSettings)
    decision: DecisionSettings = field(default_factory=DecisionSettings)
    search: SearchSettings = field(default_factory=SearchSettings)
    proof: ProofSettings = field(default_factory=ProofSettings)
    resources: ResourceSettings = field(default_factory=ResourceSettings, metadata=NOT_HASHED)

    def __post_init__(self) -> None:
        if refusal := next(refusals(self), None):
            raise BadInput(f"{refusal.name} = {refusal.value!r}: must be {refusal.words}")
        try:
            recipe_of(self.training, self.training.steps)
        except BadInput as error:
            raise BadInput(f"training.{error}") from None


def preset(name: str, overrides: dict[str, Any] | None = None) -> Config:
    """A preset with some settings changed. Raises ``BadInput`` naming the setting."""
    if name not in PRESETS:
        raise BadInput(f"--preset {name}: there is no such preset; choose one of {', '.join(PRESETS)}")
    return from_dict(merge(PRESETS[name], overrides or {}))


def preset_for(stem_seconds: float) -> str:
    """The preset that fits a corpus by its length (all stems together, in seconds)."""
    return "tiny" if stem_seconds < 3 * 3600 else "small" if stem_seconds < 24 * 3600 else "full"


def from_dict(values: dict[str, Any]) -> Config:
    """The settings that nested ``values`` make over the defaults. Raises ``BadInput`` naming the setting."""
    return build(Config, values)


def to_dict(config: Config) -> dict[str, Any]:
    """Every setting as JSON has it: what a run records and ``raysep config`` prints."""
    plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(config)))
    return plain


def unused_seed(config: Config) -> str:
    """What to say when only a training is asked for and ``seed`` was set: it follows from ``proof.seeds``; else empty."""
    seeds = ",".join(str(seed) for seed in config.proof.seeds)
    return f"seed={config.seed} changes nothing here: a training follows proof.seeds=[{seeds}]" if config.seed else ""


def recipe_of(training: TrainingSettings, steps: int, **changes: Any) -> Recipe:
    """The recipe of a training of ``steps`` steps by these settings, with ``changes`` over them.

    Raises ``BadInput`` for a value that no training can have.
    """
    values = {f.name: getattr(training, f.name) for f in dataclasses.fields(Recipe) if hasattr(training, f.name)}
    values |= {"steps": steps, "validate_every": training.validate_every or training.save_every}
    if training.warmup is None:
        values["warmup"] = max(1, min(50, steps // 10))
    return Recipe(**values | changes)
