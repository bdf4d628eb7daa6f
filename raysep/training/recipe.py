"""How to train: the settings of one training, checked."""

from __future__ import annotations

from dataclasses import dataclass

from raysep.errors import BadInput

PRECISIONS = ("float32", "bfloat16")
LOSSES = ("magnitude-mse", "magnitude-l1", "waveform-mse", "waveform-l1", "multi-stft")
TRUNCATIONS = ("none", "stem", "time")
SCHEDULES = ("cosine", "one-cycle", "plateau", "constant")
AUGMENTATIONS = ("gain", "swap", "polarity", "remix", "pitch", "tempo")


@dataclass(frozen=True)
class Recipe:
    """How to train. Counts are of optimiser steps; ``batch`` is of all processes together."""

    steps: int
    batch: int = 8
    segment_seconds: float = 3.0
    learning_rate: float = 1e-3  # the highest of the schedule
    weight_decay: float = 1e-5
    warmup: int = 20  # steps over which the learning rate rises (one-cycle has a rise of its own)
    gradient_clip: float = 5.0  # largest norm of the gradient; 0 does not clip
    ema_decay: float = 0.99
    save_steps: tuple[int, ...] = ()  # steps after which to save, beside the last
    seed: int = 0
    accumulate: int = 1  # micro-batches that each part of the batch is cut into
    precision: str = "float32"  # of the network's body; transforms and losses are always float32
    loss: str = "magnitude-mse"
    truncate: str = "none"  # drop the highest losses: of whole "stem"s of examples, or of single "time" bins
    truncate_share: float = 0.1
    schedule: str = "cosine"
    plateau_patience: int = 5  # validations without a better one before the learning rate drops
    plateau_factor: float = 0.3
    validate_every: int = 0  # steps; 0 never validates
    patience: int = 0  # validations without a better one before training stops; 0 never stops early
    keep_best: int = 1  # validations that are remembered as the best
    augment: tuple[str, ...] = ("gain", "swap", "polarity")

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "segment_seconds", "learning_rate", "accumulate", "keep_best"):
            if not getattr(self, name) > 0:
                raise BadInput(f"{name} {getattr(self, name)}: must be more than 0")
        for name in ("weight_decay", "warmup", "gradient_clip", "validate_every", "patience", "plateau_patience"):
            if not getattr(self, name) >= 0:
                raise BadInput(f"{name} {getattr(self, name)}: must be 0 or more")
        for name in ("plateau_factor", "truncate_share"):
            if not 0 < getattr(self, name) < 1:
                raise BadInput(f"{name} {getattr(self, name)}: must be between 0 and 1")
        if not 0 <= self.ema_decay < 1:
            raise BadInput(f"ema_decay {self.ema_decay}: must be in [0, 1)")
        for name, known in (
            ("precision", PRECISIONS),
            ("loss", LOSSES),
            ("truncate", TRUNCATIONS),
            ("schedule", SCHEDULES),
        ):
            if getattr(self, name) not in known:
                raise BadInput(f"{name} {getattr(self, name)!r}: not known; choose one of {', '.join(known)}")
        unknown = sorted(set(self.augment) - set(AUGMENTATIONS))
        if unknown or len(set(self.augment)) < len(self.augment):
            raise BadInput(f"augment {list(self.augment)}: choose from {', '.join(AUGMENTATIONS)}, each at most once")
        if not self.validate_every and (self.patience or self.schedule == "plateau"):
            asking = "patience" if self.patience else "schedule plateau"
            raise BadInput(f"validate_every 0: {asking} goes by validations; say after how many steps to validate")
