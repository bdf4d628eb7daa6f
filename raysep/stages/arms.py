"""The arms of a proof by name: what each one trains on, in what its recipe differs, and what it needs.

A new arm is one entry of ``ARMS``. A name that ends in a colon takes what follows it: ``cleaned:weight`` is the decision
acted on by the handling ``weight``. Every probe that has a direction is an arm by its own name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from raysep.config import Config
from raysep.corpus import storage, truth
from raysep.corpus.hashing import generator
from raysep.corpus.inputs import Inputs
from raysep.corpus.layouts import stems_of
from raysep.corpus.manifest import Stem
from raysep.decision import handling
from raysep.decision.aggregate import numbers
from raysep.decision.features import on_one_scale
from raysep.decision.handling.reading import rows_of
from raysep.errors import BadInput
from raysep.outcome import Outcome
from raysep.sections import TrainingSettings, at_once
from raysep.stages.context import Context
from raysep.training.entry import Entry, whole

CONTAMINATED, CLEANED, CLEAN, RANDOM = "contaminated", "cleaned", "clean", "random"
TEST, TRUTH, CLEAN_CORPUS = "test", "truth", "clean corpus"  # what an arm can need

Row = Mapping[str, Any]


class NotScored(BadInput):
    """An arm goes by a probe that this run has no scores of."""


@dataclass(frozen=True)
class Arm:
    """One training that is compared: its stems, and what its recipe changes of ``training`` in the settings."""

    name: str
    entries: list[Entry]
    recipe: Mapping[str, Any] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return sum(entry.weight > 0 for entry in self.entries)


@dataclass(frozen=True)
class Given:
    """What arms are made of: a run that is decided, its inputs, and what a benchmark knows beside."""

    context: Context
    inputs: Inputs
    benchmark: Any = None

    @cached_property
    def corpus(self) -> list[Stem]:
        return [stem for stem in self.inputs.corpus if stem.frames]

    @cached_property
    def decision(self) -> handling.Decision:
        return rows_of(self.table)

    @cached_property
    def table(self) -> pa.Table:
        return self.context.run.read_table("decision.parquet")

    @cached_property
    def clean(self) -> set[str]:
        """The stem_ids that the truth calls clean."""
        return {row["stem_id"] for row in truth.read(self.benchmark.truth) if row["kind"] == truth.CLEAN}

    def scores(self, probe: str) -> dict[str, float]:
        """stem_id → score, higher = cleaner, of the stems that have one; over folds on one scale. Raises ``NotScored``."""
        table = self.context.run.read_table("stems.parquet")
        if probe not in table.column_names:
            raise NotScored(
                f"proof.arms: the run has no scores of {probe!r}: its networks or its reference were left out"
            )
        score = on_one_scale(table, numbers(table, probe))
        return {i: float(s) for i, s in zip(table["stem_id"].to_pylist(), score, strict=True) if np.isfinite(s)}


@dataclass(frozen=True)
class Kind:
    """How arms of one name are made."""

    about: str
    entries: Callable[[Given, str], list[Entry]]  # what it trains on; with what follows the colon of its name
    needs: tuple[str, ...] = ()  # of TEST, TRUTH, CLEAN_CORPUS
    recipe: Callable[[TrainingSettings], Mapping[str, Any]] = lambda training: {}
    check: Callable[[Config, str], object] = lambda config, argument: None  # raises ``BadInput``


# What arms train on


def _handled(given: Given, name: str) -> list[Entry]:
    decision = handling.supplied(name, given.table, given.context.run)
    return handling.use(name, rows_of(decision), given.corpus)


def _cleaned(given: Given, _: str) -> list[Entry]:
    return _handled(given, given.context.config.decision.handling)


def _decided(row: Row) -> bool:
    return not row["keep"]


def _without(given: Given, scores: Mapping[str, float], is_removed: Callable[[Row], bool] = _decided) -> list[Entry]:
    """The corpus without the lowest scores: of each label as many are removed as ``is_removed`` says of its rows."""
    named = handling.named(given.decision, given.corpus)
    rows = [row for _, row in named if row["outcome"] != Outcome.FAILED]
    kept: set[str] = set()
    for label in {row["stem"] for row in rows}:
        members = [row for row in rows if row["stem"] == label]
        removed = sum(map(is_removed, members))
        # A stem without a score (silent) stays: nothing speaks against it.
        order = sorted((scores.get(row["stem_id"], np.inf), row["stem_id"]) for row in members)
        kept |= {stem_id for _, stem_id in order[removed:]}
    return whole(stem for stem in given.corpus if stem.stem_id in kept)


def _random(given: Given, _: str) -> list[Entry]:
    """As many are left out as are not kept and not used otherwise either; one that is drawn less often counts as left out."""
    used = {entry.stem.stem_id for entry in _cleaned(given, "") if entry.weight >= 1}
    seed = given.context.config.seed
    by_hash = {i: float(generator(seed, "random removal", i).random()) for i in given.decision}
    return _without(given, by_hash, lambda row: not row["keep"] and row["stem_id"] not in used)


def _by_probe(probe: str) -> Callable[[Given, str], list[Entry]]:
    return lambda given, _: _without(given, given.scores(probe))


def _at_true_ratio(given: Given, probe: str) -> list[Entry]:
    return _without(given, given.scores(probe), lambda row: row["stem_id"] not in given.clean)


def _clean(given: Given, _: str) -> list[Entry]:
    place = storage.absolute(given.benchmark.clean_corpus)
    return whole(stems_of(place, usual=given.context.config.labels).stems)


# What can be wrong with a name, and how a recipe differs


def _oriented(config: Config) -> list[str]:
    from raysep.probes.catalogue import probes_of

    return [name for name, probe in probes_of(config.scoring.probes).items() if probe.oriented]


def _check_probe(config: Config, name: str) -> None:
    if name not in (probes := _oriented(config)):
        raise BadInput(f"proof.arms: {name!r} is no probe that has a direction; probes: {', '.join(probes)}")


def _truncated(training: TrainingSettings) -> dict[str, Any]:
    """Whole examples are left out, by the share of the settings, or one of those that a worker takes at once."""
    count = at_once(training)
    share = max(training.truncate_share, 1 / count)
    if int(share * count) < 1:  # 1 / 49 * 49 is not 1
        share = math.nextafter(share, 1)
    return {"truncate": "stem", "truncate_share": share}


def _check_truncation(config: Config, _: str) -> None:
    if at_once(config.training) < 2:
        raise BadInput(
            f"proof.arms: loss-truncation leaves out some of the examples that a worker takes at once, and with "
            f"training.batch = {config.training.batch} it takes one; give --set training.batch={4 * config.training.batch}"
        )


ARMS: dict[str, Kind] = {
    CLEAN: Kind("the corpus before the faults", _clean, needs=(TRUTH, CLEAN_CORPUS)),
    CONTAMINATED: Kind("the corpus as it is", lambda given, _: whole(given.corpus)),
    CLEANED: Kind("the corpus by the decision and decision.handling", _cleaned),
    "weighted": Kind("the corpus by the decision's weights", lambda given, _: _handled(given, "weight")),
    "cleaned:": Kind(
        "the corpus by the decision and the handling after the colon",
        _handled,
        check=lambda config, name: handling.resolve(name),
    ),
    RANDOM: Kind("as many stems of each label removed as the arm cleaned leaves out, drawn by hash", _random),
    "reference": Kind("the reference alone", lambda given, _: whole(given.inputs.reference), needs=(TEST,)),
    "contaminated+reference": Kind(
        "the corpus as it is, and the reference",
        lambda given, _: whole(given.inputs.reference + given.corpus),
        needs=(TEST,),
    ),
    "cleaned+reference": Kind(
        "the corpus by the decision and decision.handling, and the reference",
        lambda given, _: _cleaned(given, "") + whole(given.inputs.reference),
        needs=(TEST,),
    ),
    "small-loss": Kind(
        "as many removed as the decision does not keep, those of highest training loss in their own mixture",
        _by_probe("own-loss"),
    ),
    "loss-truncation": Kind(
        "the corpus as it is, the highest losses of every batch left out while training",
        lambda given, _: whole(given.corpus),
        recipe=_truncated,
        check=_check_truncation,
    ),
    "oracle": Kind(
        "what the truth calls clean",
        lambda given, _: whole(stem for stem in given.corpus if stem.stem_id in given.clean),
        needs=(TRUTH,),
    ),
    "oracle-ratio:": Kind(
        "as many of each label removed as are wrong, those of lowest score by the probe after the colon",
        _at_true_ratio,
        needs=(TRUTH,),
        check=_check_probe,
    ),
}


def kind_of(name: str, config: Config) -> tuple[Kind, str]:
    """The kind of an arm, and what follows the colon of its name. Raises ``BadInput`` for a name that is none."""
    if name in ARMS and not name.endswith(":"):
        return ARMS[name], ""
    head, colon, argument = name.partition(":")
    if colon and argument and head + colon in ARMS:
        return ARMS[head + colon], argument
    probes = _oriented(config)
    if name not in probes:
        arms = [f"{each}NAME" if each.endswith(":") else each for each in ARMS]
        raise BadInput(
            f"proof.arms: {name!r} is neither an arm nor a probe; arms: {', '.join(arms)}; probes: {', '.join(probes)}"
        )
    return Kind("as many removed as the decision does not keep, those of lowest score", _by_probe(name)), ""


def check_arms(config: Config, has_test: bool, benchmark: Any = None) -> None:
    """Raise ``BadInput`` for an arm that could not be trained or judged: before hours of work, not after."""
    missing = {
        TRUTH: None if benchmark else "needs to know the faults; only `raysep demo` and the benchmark do",
        TEST: None if has_test else "trains on the reference, so it needs other tracks to test on: give --test",
        CLEAN_CORPUS: None
        if benchmark and benchmark.clean_corpus
        else "trains on the corpus without faults: give --clean",
    }
    for name in config.proof.arms:
        kind, argument = kind_of(name, config)
        for need in kind.needs:
            if missing[need]:
                raise BadInput(f"proof.arms: {name!r} {missing[need]}")
        kind.check(config, argument)


def make_arm(context: Context, inputs: Inputs, name: str, benchmark: Any = None) -> Arm | None:
    """An arm and what it trains on. None for one that needs a benchmark, where there is none.

    Raises ``NotScored`` for one that goes by a probe which the run has no scores of.
    """
    kind, argument = kind_of(name, context.config)
    if TRUTH in kind.needs and not benchmark:
        return None
    given = Given(context, inputs, benchmark)
    return Arm(name, kind.entries(given, argument), kind.recipe(context.config.training))
