"""How far audio is from clean audio: `raysep fad` in a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from raysep.face.results import Folder, Place, at, failures_told, where

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Distances(Folder):
    """What ``fad`` measured."""

    @property
    def stems(self) -> pa.Table:
        """A row per stem: its distances, with z and p against clean excerpts of the same length."""
        return self.table("fad.parquet")

    @property
    def summary(self) -> dict[str, Any]:
        """By label, with FAD-∞, and the definition of every number."""
        return self.record("fad.json")

    @property
    def reference(self) -> str:
        """Where the reference's one small file is: it may be given as ``reference`` again."""
        return self.run.path("reference.fadref")


def fad(
    corpus: Place,
    reference: Place,
    out: Place,
    *,
    embedder: str | None = None,
    embedder_weights: str = "",
    measures: Sequence[str] | None = None,
    split: str | None = None,
    labels: Sequence[str] | None = None,
    seed: int = 0,
    workers: int | str | None = None,
    address: str | None = None,
    layout: str | None = None,
    quiet: bool = False,
) -> Distances:
    """Fréchet and other distances of audio to clean audio, by stem and by label.

    The same call continues a killed one. Stems that could not be read have the outcome ``failed``, and a warning says so.
    Raises ``BadInput`` when the request cannot be met, ``RunConflict`` when ``out`` holds another one, ``RaysepError``
    when all stems failed. ``raysep fad --help`` tells what each argument means.
    """
    from raysep.commands.fad import fad as command

    request = command.FadRequest(
        corpus=at(corpus),
        reference=at(reference),
        out=at(out),
        embedder=embedder,
        weights=embedder_weights,
        measures=tuple(measures) if measures else None,
        split=split,
        labels=tuple(labels) if labels else None,
        seed=seed,
        workers=workers,
        address=address,
        layout=layout,
        quiet=quiet,
    )
    with failures_told():
        command.fad(request)
    return Distances(where(out))
