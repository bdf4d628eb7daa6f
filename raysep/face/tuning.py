"""What a search by retraining would choose: `raysep tune` in a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from raysep.face.results import Folder, Place, at, where
from raysep.face.shown import Picture

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Tuning(Folder):
    """A run that has been searched."""

    @property
    def trials(self) -> pa.Table:
        """A row for each trial: what it used, how long it was trained, SDR in dB, and which was chosen."""
        return self.table("tune.parquet")

    @property
    def summary(self) -> dict[str, Any]:
        """What was found, in words, and what the search and the automatic decision cost."""
        return self.record("tune.json")

    @property
    def picture(self) -> str:
        """Where the picture is: SDR against the share left out."""
        return self.run.path("tune.svg")

    def plot(self) -> Picture:
        """The picture itself. Raises ``BadInput`` for a run that has not been searched."""
        return Picture(self._holding("tune.svg").read_bytes("tune.svg").decode(), "SDR against the share left out")

    def _said(self) -> list[str]:
        return list(self.summary["found"]) if self.run.has("tune.json") else []


def tune(
    run: Place,
    *,
    trials: int = 16,
    full: int = 3,
    probes: Sequence[str] | None = None,
    workers: int | str | None = None,
    address: str | None = None,
    quiet: bool = False,
) -> Tuning:
    """Search the ratio, the probe and the handling of a scored run by retraining, beside its automatic decision.

    The same call continues a killed search; no decision is changed. Raises ``BadInput`` for a run that has not been
    scored, and for a probe that it has no scores of. ``raysep tune --help`` tells what each argument means.
    """
    from raysep.commands.tune import tune as command

    request = command.TuneRequest(at(run), trials, full, tuple(probes or ()), workers, address, quiet)
    command.tune(request)
    return Tuning(where(run))
