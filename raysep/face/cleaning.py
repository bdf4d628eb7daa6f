"""Find the wrong stems of a corpus and decide which to keep: `raysep clean` and `raysep decide` in a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from raysep.errors import BadInput
from raysep.face.results import Folder, Nested, Place, at, failures_told, overrides, where
from raysep.face.shown import Picture

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Scores(Folder):
    """A run that has scored its corpus."""

    @property
    def segments(self) -> pa.Table:
        """A row per segment of a stem, a column per probe (higher = cleaner, where a probe has a direction)."""
        from raysep.rundir import read_scores

        return read_scores(self.run)

    @property
    def stems(self) -> pa.Table:
        """A row per stem, a column per probe."""
        return self.table("stems.parquet")

    @property
    def failed(self) -> pa.Table:
        """A row per stem that could not be read, with the reason; usually none."""
        return self.table("failed.parquet")


@dataclass(frozen=True)
class Cleaning(Scores):
    """A run of ``clean``. What it has not come to yet raises ``BadInput``."""

    @property
    def decision(self) -> pa.Table:
        """A row per stem: suspicion, p_corrupt, keep, weight, label (which it belongs to, if not its own), reason."""
        return self.table("decision.parquet")

    @property
    def cleaned(self) -> pa.Table:
        """The manifest of what is used, as ``decision.handling`` says, each stem by the label that it is used as."""
        return self.table("cleaned.parquet")

    @property
    def results(self) -> pa.Table:
        """SDR in dB of every arm, seed, track and stem."""
        return self.table("results.parquet")

    @property
    def summary(self) -> dict[str, Any]:
        """The estimated share of wrong stems with its interval, what was removed, and what finding it cost."""
        return self.record("summary.json")

    @property
    def report(self) -> str:
        """Where the page is."""
        return self.run.path("report.html")

    def plot(self, of: str = "suspicion") -> Picture:
        """``suspicion``: how suspect the stems of each label are, and which were set aside. ``arms``: SDR of every arm, with its
        interval. Raises ``BadInput`` for another name, and for what the run has not come to yet.
        """
        if of == "suspicion":
            from raysep.report import suspicion

            return Picture(suspicion.file(self.decision), "stems of each label by suspicion")
        if of != "arms":
            raise BadInput(f"plot({of!r}): there is suspicion, and arms")
        from raysep.report.forest import Dot, forest
        from raysep.report.results import arm_rows

        rows = [
            (row["arm"], [Dot(row["sdr_mean"], row["low"], row["high"])])
            for row in arm_rows(self._holding("results.parquet"))
        ]
        return Picture(forest("SDR on the test tracks, dB", rows), "SDR of every arm with its interval")

    def _said(self) -> list[str]:
        from raysep.report.gains import verdict_of
        from raysep.report.verdict import plain

        return [plain(line) for line in verdict_of(self.run).sentences] if self.run.has("summary.json") else []


def clean(
    corpus: Place,
    reference: Place,
    out: Place,
    *,
    test: Place | None = None,
    preset: str = "auto",
    config: Place | None = None,
    settings: Nested | None = None,
    search: bool = False,
    until: str | None = None,
    rounds: int | None = None,
    retry_failed: bool = False,
    workers: int | str | None = None,
    address: str | None = None,
    layout: str | None = None,
    labels: Sequence[str] | None = None,
    limit: int | None = None,
    after: Place | None = None,
    verdicts: Place | None = None,
    refit: bool = False,
    allow_twins: bool = False,
    quiet: bool = False,
) -> Cleaning:
    """Find the wrong stems of a corpus, decide what to keep, retrain, and compare before with after.

    The same call continues a killed run. Stems that could not be read are in ``.failed``, and a warning says so. Raises
    ``BadInput`` before any work when the inputs cannot give a right answer, ``RunConflict`` when ``out`` holds another
    run. ``raysep clean --help`` tells what each argument means; ``settings`` are nested, ``{"training": {"steps": 800}}``.
    """
    from raysep import pipeline

    request = pipeline.Request(
        corpus=at(corpus),
        reference=at(reference),
        out=at(out),
        test=at(test),
        preset=preset,
        overrides=overrides(config, settings, rounds=rounds),
        search=search,
        workers=workers,
        retry_failed=retry_failed,
        address=address,
        layout=layout,
        labels=tuple(labels) if labels else None,
        limit=limit,
        after=at(after),
        verdicts=at(verdicts),
        refit=refit,
        allow_twins=allow_twins,
        quiet=quiet,
        until=until,
    )
    with failures_told():
        pipeline.clean(request)
    return Cleaning(where(out))


def score(
    corpus: Place,
    reference: Place,
    out: Place,
    *,
    test: Place | None = None,
    preset: str = "auto",
    config: Place | None = None,
    settings: Nested | None = None,
    rounds: int | None = None,
    retry_failed: bool = False,
    workers: int | str | None = None,
    address: str | None = None,
    layout: str | None = None,
    labels: Sequence[str] | None = None,
    limit: int | None = None,
    after: Place | None = None,
    allow_twins: bool = False,
    quiet: bool = False,
) -> Scores:
    """The first half of ``clean``: a score of every stem by every probe, and nothing retrained. ``decide`` decides by them;
    ``clean`` with the same arguments goes on from here. Raises as ``clean`` does.
    """
    from raysep import pipeline

    request = pipeline.Request(
        corpus=at(corpus),
        reference=at(reference),
        out=at(out),
        test=at(test),
        preset=preset,
        overrides=overrides(config, settings, rounds=rounds),
        workers=workers,
        retry_failed=retry_failed,
        address=address,
        layout=layout,
        labels=tuple(labels) if labels else None,
        limit=limit,
        after=at(after),
        allow_twins=allow_twins,
        quiet=quiet,
    )
    with failures_told():
        pipeline.score(request)
    return Scores(where(out))


def prove(
    run: Place,
    arms: Sequence[str] = (),
    *,
    seeds: int = 0,
    workers: int | str | None = None,
    address: str | None = None,
    quiet: bool = False,
) -> Cleaning:
    """Train and judge further arms and seeds of a run that has decided; what it has is not done again.

    Without ``arms`` those of its settings; ``seeds`` is how many each has in the end (0: as many as the settings say).
    """
    from raysep import pipeline

    with failures_told():
        pipeline.prove(at(run), tuple(arms), seeds, workers=workers, address=address, quiet=quiet)
    return read(run)


def read(run: Place) -> Cleaning:
    """The run in a folder, finished or not. Raises ``BadInput`` when there is none."""
    from raysep.rundir import existing

    return Cleaning(existing(at(run)).root)


def decide(
    run: Place,
    out: Place | None = None,
    *,
    manifest: Place | None = None,
    verdicts: Place | None = None,
    refit: bool | None = None,
    rule: str | None = None,
    threshold: float | None = None,
    fdr: float | None = None,
    ratio: float | None = None,
    probe: str | None = None,
    handling: str | None = None,
    with_worth: bool = False,
    overwrite: bool = False,
) -> pa.Table:
    """A decision by the stored scores of a run, a row per stem: no audio is touched, and neither Ray nor torch loaded.

    What is not given is as in the run. ``verdicts`` is a CSV of your own, above the rule, and with ``refit`` the fusion
    learns from it. With ``out`` the table is written
    too, for ``train``, and the manifest of what is used, to ``manifest`` or beside it. Raises ``BadInput`` when the run has no
    scores yet, or for a setting or a verdict that cannot be, and ``RunConflict`` for an output that is somebody else's.
    """
    from raysep.again import decide_again
    from raysep.rundir import existing

    given = {"rule": rule, "threshold": threshold, "fdr": fdr, "ratio": ratio, "probe": probe, "handling": handling}
    return decide_again(
        existing(at(run), "stems.parquet", "manifest.parquet"),
        {name: value for name, value in given.items() if value is not None},
        at(out),
        verdicts=at(verdicts),
        refit=refit,
        worth=with_worth,
        to_manifest=at(manifest),
        overwrite=overwrite,
    ).table


def review(
    run: Place,
    verdicts: Place,
    out: Place | None = None,
    *,
    refit: bool = True,
    overwrite: bool = False,
) -> pa.Table:
    """What your verdicts change in a run's decision: a row per stem that they name, then the others that are judged otherwise.

    Columns: stem_id, track, stem, verdict (null = nothing was said of it), before, after, p_before, p_after. Writes the decision, the
    manifest of what is used and a page as `raysep review` does; ``out`` is the decision's file, reviewed.parquet in the run unless given.
    Raises ``BadInput`` for verdicts that say nothing of the run's stems, ``RunConflict`` for an output that is somebody else's.
    """
    from raysep.commands.review import review as command
    from raysep.rundir import existing

    found = existing(at(run), *command.NEEDS)
    reviewed, _, _ = command.review(found, at(verdicts), at(out), refit=refit, overwrite=overwrite)
    return command.as_table(reviewed)


def suspects(run: Place, *, label: str | Sequence[str] | None = None, top: int | None = None) -> pa.Table:
    """The most suspect stems of a run that has decided, the worst first: why, by which probes, and where each lies.

    Of one label or of some only, and ``top`` of them at most; without audio, Ray or torch. Raises ``BadInput`` when the run has
    not decided yet, or has no such label.
    """
    from raysep.commands.suspects import suspects as command
    from raysep.rundir import existing

    found = existing(at(run), "decision.parquet", "stems.parquet", "manifest.parquet")
    return command.suspects(found, [label] if isinstance(label, str) else label, top)
