"""What a user asks of the pipeline, and what only a benchmark knows beside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from raysep.errors import BadInput


@dataclass(frozen=True)
class Benchmark:
    """What only a benchmark knows: the truth table, and the same corpus without faults, where there is one."""

    truth: str
    clean_corpus: str | None
    condition: str | None = None  # of raysep.corpus.conditions, for the record


@dataclass(frozen=True)
class Request:
    """What the user asked for: where things are, and how to go about it. None of it changes a number but ``overrides``."""

    corpus: str
    reference: str | None
    out: str
    test: str | None = None
    preset: str = "auto"
    overrides: dict[str, Any] | None = None
    search: bool = False
    workers: int | str | None = None  # of a pool, as ``resources.pool_size`` reads it
    retry_failed: bool = False
    address: str | None = None
    quiet: bool = False  # no progress
    before: dict[str, float] | None = None  # name → seconds of work that went before, for the record
    validation: str | None = None  # tracks that ``train`` validates on
    layout: str | None = None  # of ``corpus.layouts``, for all of these; None: whichever matches
    until: str | None = None  # "decide" ends ``clean`` there; None: to the end
    labels: tuple[str, ...] | None = None  # as ``corpus.labels`` reads them; None: those of the settings
    limit: int | None = None  # tracks of the corpus, in the order of their names; None: all
    after: str | None = None  # a decided run: only tracks that it has not judged as they are now, ``joining`` says why
    verdicts: str | None = None  # a CSV of a person's own, which the decision obeys
    refit: bool = False  # and the fusion learns from
    allow_twins: bool = False  # songs that are in two of these are said, not refused

    def on_leak(self, message: str) -> None:
        """Raises ``BadInput``, unless twins are allowed."""
        if not self.allow_twins:
            raise BadInput(message)
        from raysep.screen import Progress

        Progress(self.quiet).say(f"going on all the same (--allow-twins): {message}")
