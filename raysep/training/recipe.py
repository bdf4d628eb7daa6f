"""How to train: the settings of one training, checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from raysep.errors import BadInput
from raysep.ranges import Range, Refusal, refusals

LOSSES = ("magnitude-mse", "magnitude-l1", "waveform-mse", "waveform-l1", "multi-stft")
AUGMENTATIONS = ("gain", "swap", "polarity", "remix", "pitch", "tempo")

POSITIVE = Range.above(0, words="more than 0")
SHARE = Range.between(0, 1)


@dataclass(frozen=True)
class Recipe:
    """How to train. Counts are of optimiser steps; ``batch`` is of all processes together.

    Raises ``BadInput`` naming a value that no training can have.
    """

    steps: Annotated[int, POSITIVE]
    batch: Annotated[int, POSITIVE] = 8
    segment_seconds: Annotated[float, POSITIVE] = 3.0
    learning_rate: Annotated[float, POSITIVE] = 1e-3  # the highest of the schedule
    weight_decay: Annotated[float, Range.least(0)] = 1e-5
    warmup: Annotated[int, Range.least(0)] = 20  # steps over which the rate rises (one-cycle has a rise of its own)
    gradient_clip: Annotated[float, Range.least(0)] = 5.0  # largest norm of the gradient; 0 does not clip
    # Inside the root of Adam's denominator; above 0 training depends smoothly on its data.
    eps_root: Annotated[float, Range.least(0)] = 0.0
    ema_decay: Annotated[float, Range.least(0, below=1, words="in [0, 1)")] = 0.99
    save_steps: tuple[int, ...] = ()  # steps after which to save, beside the last
    seed: int = 0
    accumulate: Annotated[int, POSITIVE] = 1  # micro-batches that each part of the batch is cut into
    # Of the network's body; transforms and losses are always float32.
    precision: Annotated[str, Range.choice("float32", "bfloat16")] = "float32"
    loss: Annotated[str, Range.choice(*LOSSES)] = "magnitude-mse"
    # Drop the highest losses: of whole "stem"s of examples, or of single "time" bins.
    truncate: Annotated[str, Range.choice("none", "stem", "time")] = "none"
    truncate_share: Annotated[float, SHARE] = 0.1
    schedule: Annotated[str, Range.choice("cosine", "one-cycle", "plateau", "constant")] = "cosine"
    # Validations without a better one before the learning rate drops.
    plateau_patience: Annotated[int, Range.least(0)] = 5
    plateau_factor: Annotated[float, SHARE] = 0.3
    validate_every: Annotated[int, Range.least(0)] = 0  # steps; 0 never validates
    # Validations without a better one before training stops; 0 never stops early.
    patience: Annotated[int, Range.least(0)] = 0
    keep_best: Annotated[int, POSITIVE] = 1  # validations that are remembered as the best
    augment: Annotated[tuple[str, ...], Range.choices(*AUGMENTATIONS)] = ("gain", "swap", "polarity")

    def __post_init__(self) -> None:
        if refusal := next(refusals(self), None):
            raise BadInput(_say(refusal))
        if not self.validate_every and (self.patience or self.schedule == "plateau"):
            asking = "patience" if self.patience else "schedule plateau"
            raise BadInput(f"validate_every 0: {asking} goes by validations; say after how many steps to validate")


def _say(refusal: Refusal) -> str:
    name, value, words, names = refusal
    if isinstance(value, tuple):
        return f"{name} {list(value)}: choose {words}"
    if names:
        return f"{name} {value!r}: not known; choose one of {', '.join(names)}"
    return f"{name} {value}: must be {words}"
