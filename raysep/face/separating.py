"""Train a separator, use it, judge it: `raysep train`, `separate` and `evaluate` in a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from raysep.errors import BadInput
from raysep.face.results import Folder, Nested, Place, at, each, failures_told, overrides, where
from raysep.face.shown import Picture

if TYPE_CHECKING:
    import pyarrow as pa

    from raysep.rundir import Run


@dataclass(frozen=True)
class Training(Folder):
    """What ``train`` made; may be given as a model."""

    @property
    def checkpoint(self) -> str:
        """Where the trained separator is."""
        return self.run.path("checkpoints", "separator-seed0.safetensors")

    @property
    def results(self) -> pa.Table:
        """SDR in dB of every test track and stem. Raises ``BadInput`` when there were no test tracks."""
        return self.table("results.parquet")

    def plot(self) -> Picture:
        """SDR on the test tracks: the mean with its interval, and of each label. Raises ``BadInput`` when there were none."""
        from raysep.report.forest import Dot, forest

        row = self._measured(self._holding("results.parquet"))
        rows = [("all labels", [Dot(row["sdr_mean"], row["low"], row["high"])])]
        rows += [(label, [Dot(value)]) for label, value in row["per_label"].items()]
        return Picture(
            forest("SDR on the test tracks, dB", rows), "SDR of the separator, of all labels with its interval"
        )

    @staticmethod
    def _measured(run: Run) -> dict[str, Any]:
        from raysep.report.results import arm_rows

        return arm_rows(run)[0]

    def _said(self) -> list[str]:
        from raysep.report.numbers import decibels, span
        from raysep.report.verdict import plain

        if not self.run.has("results.parquet"):
            return []
        row = self._measured(self.run)
        return [
            plain(
                f"SDR {decibels(row['sdr_mean'])} on the test tracks (95 % interval {span(row['low'], row['high'])} dB)."
            )
        ]


@dataclass(frozen=True)
class Separation:
    """What ``separate`` wrote: tables, a row each."""

    files: pa.Table  # input, file
    failed: pa.Table  # input, message


@dataclass(frozen=True)
class Evaluation(Folder):
    """What ``evaluate`` measured."""

    @property
    def results(self) -> pa.Table:
        """A row for each model, seed, track and stem."""
        return self.table("evaluation.parquet")

    @property
    def frames(self) -> pa.Table:
        """Likewise for each second. Raises ``BadInput`` when ``frames`` was not asked for."""
        return self.table("frames.parquet")

    @property
    def summary(self) -> dict[str, Any]:
        """Figures and comparisons with their intervals, and the definition of every number."""
        return self.record("evaluation.json")

    def plot(self, measure: str = "sdr") -> Picture:
        """The mean of a measure over tracks and stems for each model, with its interval. Raises ``BadInput`` for one that was not
        taken.
        """
        from raysep.evaluation.table import STEMS
        from raysep.report.forest import Dot, forest

        figures = self.summary["figures"]
        shown = [f for f in figures if (f["measure"], f["stem"], f["track_aggregate"]) == (measure, STEMS, "mean")]
        if not shown:
            raise BadInput(f"plot({measure!r}): there is {', '.join(dict.fromkeys(f['measure'] for f in figures))}")
        rows = [(f["model"], [Dot(f["estimate"], f["low"], f["high"])]) for f in shown]
        title = f"{measure}, {shown[0]['unit']}, mean over tracks and stems"
        return Picture(forest(title, rows), f"{measure} of each model with its interval")


def train(
    corpus: Place,
    out: Place,
    *,
    test: Place | None = None,
    validation: Place | None = None,
    decision: Place | None = None,
    handling: str | None = None,
    preset: str = "auto",
    config: Place | None = None,
    settings: Nested | None = None,
    address: str | None = None,
    layout: str | None = None,
    labels: Sequence[str] | None = None,
    allow_twins: bool = False,
    quiet: bool = False,
) -> Training:
    """Train one separator on a corpus or a manifest, as a decision says; evaluate it when there are test tracks.

    The same call continues a killed one. Raises ``BadInput`` before any work when the inputs or settings cannot be used,
    ``RunConflict`` when ``out`` holds another run. ``raysep train --help`` tells what each argument means; ``settings``
    are nested, ``{"training": {"steps": 800}}``.
    """
    from raysep import pipeline

    request = pipeline.Request(
        corpus=at(corpus),
        reference=None,
        out=at(out),
        test=at(test),
        validation=at(validation),
        preset=preset,
        overrides=overrides(config, settings),
        address=address,
        layout=layout,
        labels=tuple(labels) if labels else None,
        allow_twins=allow_twins,
        quiet=quiet,
    )
    with failures_told():
        pipeline.train(request, at(decision), handling)
    return Training(where(out))


def separate(
    model: Place,
    files: Place | Sequence[Place],
    out: Place,
    *,
    format: str = "wav",
    bits: int = 16,
    clip: str = "clip",
    stems: Sequence[str] | None = None,
    two_stems: str | None = None,
    residual: bool = False,
    filter: str = "ratio",
    chunk_seconds: float = 10.0,
    overlap: float = 0.25,
    shifts: int = 0,
    batch: int = 4,
    precision: str = "float32",
    device: str = "auto",
    overwrite: bool = False,
    quiet: bool = False,
) -> Separation:
    """Separate audio files of any length: a folder of stems for each in ``out``, at its own rate and channels.

    The same call continues a killed one. Inputs that could not be separated are in ``.failed``, and a warning says so.
    Raises ``BadInput`` for a model, an input or an option that cannot be used, ``RunConflict`` when ``out`` holds stems
    of another origin. ``raysep separate --help`` tells what each argument means.
    """
    from raysep.commands.separate import separate as command

    done = command.separate_each(
        at(model),
        each(files),
        at(out),
        batch=batch,
        device=device,
        overwrite=overwrite,
        quiet=quiet,
        format=format,
        bits=bits,
        clip=clip,
        stems=tuple(stems) if stems else None,
        two_stems=two_stems,
        residual=residual,
        filter=filter,
        chunk_seconds=chunk_seconds,
        overlap=overlap,
        shifts=shifts,
        precision=precision,
    )
    with failures_told():
        command.refuse_failures(at(out), done)
    return Separation(
        _table(("input", "file"), [(one.source, file) for one in done for file in one.files]),
        _table(("input", "message"), [(one.source, one.error) for one in done if one.error]),
    )


def evaluate(
    models: Place | Sequence[Place],
    corpus: Place,
    out: Place,
    *,
    against: Place | None = None,
    baseline: bool = False,
    metrics: Sequence[str] | None = None,
    bss_eval: bool = False,
    backend: str = "own",
    frames: bool = False,
    filter: str = "ratio",
    split: str | None = None,
    labels: Sequence[str] | None = None,
    workers: int | str | None = None,
    address: str | None = None,
    layout: str | None = None,
    quiet: bool = False,
) -> Evaluation:
    """Measure separators on tracks with known stems, and say which is better, with intervals.

    The same call continues a killed one. Tracks that could not be measured have the outcome ``failed``, and a warning
    says so. Raises ``BadInput`` when the request cannot be met, ``RunConflict`` when ``out`` holds another evaluation,
    ``RaysepError`` when all tracks failed. ``raysep evaluate --help`` tells what each argument means.
    """
    from raysep.commands.evaluate import evaluate as command
    from raysep.evaluation.measures import DEFAULT

    request = command.EvaluationRequest(
        models=each(models),
        corpus=at(corpus),
        out=at(out),
        measures=tuple(metrics) if metrics else DEFAULT,
        bss_eval=bss_eval,
        backend=backend,
        against=at(against),
        baseline=baseline,
        frames=frames,
        split=split,
        labels=tuple(labels) if labels else None,
        separation={"filter": filter},
        workers=workers,
        address=address,
        layout=layout,
        quiet=quiet,
    )
    with failures_told():
        command.evaluate(request)
    return Evaluation(where(out))


def _table(names: tuple[str, str], rows: Sequence[tuple[str, str]]) -> pa.Table:
    import pyarrow as pa

    schema = pa.schema([(name, pa.string()) for name in names])
    return pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows], schema=schema)
