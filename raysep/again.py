"""Another decision of a scored run, no audio touched: by another rule, or with a person's word in it.

`raysep decide` and `raysep review` make one; both write it under the same rules, and say the same of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from raysep import own_verdicts
from raysep.corpus import manifest, outputs, storage
from raysep.corpus.manifest import Stem
from raysep.corpus.tables import CSV, PARQUET, file_bytes, made_by, marked
from raysep.decision import handling
from raysep.decision.handling.reading import rows_of
from raysep.errors import BadInput
from raysep.report.verdict import Verdict, plain
from raysep.rundir import Run
from raysep.stages.decide import config_with, obeying, told_of

if TYPE_CHECKING:
    from raysep.decision.by_hand import Said

COMMAND = "decide"


@dataclass(frozen=True)
class Again:
    """Another decision of a scored run, and what of its corpus is used by it."""

    table: pa.Table
    used: list[Stem]  # under the label that each is used as
    handled: dict[str, Any]  # by which handling, and what it made of the decision
    words: str = ""  # the same as a page says it
    said: list[Said] | None = None  # the person's word in it; None: there was none

    @property
    def handling(self) -> str:
        return str(self.handled["handling"])

    @property
    def summary(self) -> dict[str, Any]:
        from raysep.decision.verdicts import summary

        return {**summary(self.table), "handled": self.handled}

    @property
    def verdict(self) -> Verdict:
        """What may be said of it: whether it helps was not measured, as nothing was trained on it."""
        return Verdict.of(self.summary)

    @property
    def sentences(self) -> list[str]:
        """What it removes, uses and obeys, for a terminal."""
        found, told = self.summary, list(self.verdict.sentences)
        lines = [plain(line) for line in told]
        if other := found["counts"]["other_label"]:
            belong = "stem that is not kept belongs" if other == 1 else "stems that are not kept belong"
            lines.append(f"{other} {belong} to another label, first {found['first_other_label']}")
        lines += own_verdicts.lines(found)
        if (warning := found["warning"]) and not any(warning in line for line in told):
            lines.append(f"note: {warning}")
        return lines


@dataclass(frozen=True)
class Outputs:
    """Where another decision goes: its table, and the manifest of what is used. Absolute."""

    table: str
    manifest: str

    @classmethod
    def tried(cls, out: str, manifest: str | None, overwrite: bool, by: str = COMMAND) -> Outputs:
        """The places, once it is sure that they can be written, where ``by`` may replace what it has made itself.

        Raises ``BadInput``, ``OutputError``, ``RunConflict``.
        """

        def ours(uri: str) -> bool:
            return made_by(uri) == by

        option = "--manifest" if manifest else "--out"
        return cls(
            outputs.try_file(out, "--out", (PARQUET, CSV), overwrite=overwrite, ours=ours),
            outputs.try_file(beside(out, manifest), option, (PARQUET,), overwrite=overwrite, ours=ours),
        )

    def write(self, again: Again, by: str = COMMAND) -> None:
        """The decision, then the manifest of what is used."""
        storage.write_bytes(self.table, file_bytes(marked(again.table, by), self.table))
        manifest.write(self.manifest, again.used, by=by)


def beside(out: str, manifest: str | None = None) -> str:
    """Where the manifest goes unless it is said: beside the decision."""
    return manifest or re.sub(r"\.(parquet|csv)$", "", out, flags=re.IGNORECASE) + "-cleaned.parquet"


def decide_again(
    run: Run,
    settings: dict[str, Any],
    out: str | None = None,
    *,
    verdicts: str | None = None,
    to_manifest: str | None = None,
    refit: bool | None = None,
    overwrite: bool = False,
    worth: bool = False,
) -> Again:
    """Another decision of a scored run; with ``out`` it is written there, and the manifest of what is used beside it.

    ``verdicts``: a CSV of a person's own, which stand above the rule (``decision.by_hand``); None: those of the run, if it has
    any. ``refit``: whether the fusion learns from them (``decision.refit``); None: as in the run. ``worth`` is one of
    the probes then (``decision.worth``).
    """
    if to_manifest and not out:
        raise BadInput(f"--manifest {to_manifest}: comes with a decision: give --out too")
    places = Outputs.tried(out, to_manifest, overwrite) if out else None
    again = judge_again(run, settings, verdicts, refit, worth)
    if places:
        places.write(again)
    return again


def judge_again(
    run: Run, settings: dict[str, Any], verdicts: str | None = None, refit: bool | None = None, worth: bool = False
) -> Again:
    """Another decision from a scored run's ``stems.parquet``: by the run's own settings and verdicts, but for these."""
    config = config_with(run, settings)
    said, learnt = own_verdicts.of(run, verdicts, refit, config.labels)
    stems = _stems(run, worth)
    table = obeying(stems, config, said, learnt, run)
    corpus, rows = manifest.read(run.path("manifest.parquet")), rows_of(table)
    entries = handling.use(config.decision.handling, rows, corpus)
    handled = told_of(config.decision.handling, entries, rows, stems)
    about = handling.resolve(config.decision.handling)
    words = "; ".join(filter(None, (f"{about.name}: {about.about}", handling.told(entries, rows))))
    return Again(table, [entry.used for entry in entries if entry.weight > 0], handled, words, said)


def _stems(run: Run, worth: bool = False) -> pa.Table:
    from raysep.decision.worth import found_in, with_worth

    stems = run.read_table("stems.parquet")
    return with_worth(stems, found_in(run)) if worth else stems
