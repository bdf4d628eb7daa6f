"""What `raysep benchmark run` measures on: corpora that are made for it, or one of the user's own with its truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from raysep.corpus.benchmark import Size
from raysep.errors import BadInput

ARMS = (
    "clean",
    "oracle",
    "cleaned",
    "weighted",
    "cleaned:relabel",
    "cleaned:drop",
    "contaminated",
    "random",
    "reference",
    "small-loss",
    "loss-truncation",
    "self-consistency",
    "fad",
    "unlearning",
)


@dataclass(frozen=True)
class Rendered:
    """Corpora that are made for the occasion: each draw has songs and faults of its own."""

    size: str | Size = "tiny"
    condition: str = "mixed"
    songs: int | None = None  # that are trained on
    reference: int | None = None  # songs

    @property
    def preset(self) -> str:
        return self.size if isinstance(self.size, str) else "tiny"


@dataclass(frozen=True)
class Own:
    """A corpus that is there, with the truth about it: a single draw."""

    corpus: str
    reference: str
    test: str
    truth: str
    clean: str | None = None  # the same without faults
    layout: str | None = None

    preset = "auto"


def arms_for(source: Rendered | Own) -> tuple[str, ...]:
    """The arms unless others are named: all that the source has something for."""
    return tuple(arm for arm in ARMS if arm != "clean" or isinstance(source, Rendered) or source.clean)


def source_of(
    corpus: str | None, own: Mapping[str, str | None], size: str, condition: str, made: Mapping[str, int | None]
) -> Rendered | Own:
    """From the options of the command line, by their names. Raises ``BadInput`` for what does not go together."""
    if corpus is None:
        if given := [name for name, value in own.items() if value is not None]:
            raise BadInput(f"{', '.join(given)}: of a corpus of your own: give --corpus too, or leave it out")
        return Rendered(size, condition, made["--songs"], made["--reference-songs"])
    if given := [name for name, value in made.items() if value is not None]:
        raise BadInput(f"{', '.join(given)}: of songs that are made: leave it out with --corpus")
    reference, test, truth = (own[name] for name in ("--reference", "--test", "--truth"))
    if reference is None or test is None or truth is None:
        missing = [name for name in ("--reference", "--test", "--truth") if own[name] is None]
        raise BadInput(f"--corpus {corpus}: needs {', '.join(missing)} too")
    return Own(corpus, reference, test, truth, own["--clean"], own["--layout"])
