"""What a run's page lets one hear, held against the truth: how many kinds of fault, and whether the marks lie on them.

    python -m benchmarks.page RUN [--truth truth.parquet] [--clean FOLDER]

Truth and clean originals are those that `raysep demo` and `raysep benchmark detection` note in the run. Where a local fault
lies is told by the originals: where a clipped stem would be above its ceiling, where a stem with gaps would sound. Clipping
and gaps may be all over a stem, so what a span of the same length at any place would meet is told beside it.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from raysep.corpus import truth
from raysep.corpus.faults import KINDS
from raysep.corpus.layouts import stems_of
from raysep.corpus.manifest import Stem
from raysep.report.evidence import takes
from raysep.report.evidence.of_run import Evidence
from raysep.report.evidence.sounding import shown
from raysep.rundir import existing

LOCAL = ("dropout", "clip")
CEILING = 0.995  # of the highest sample of a clipped stem: what would be above it was cut
SOUND = 1e-4  # full scale; below it nothing was lost


class Marked(NamedTuple):
    """A local fault that can be heard on the page."""

    stem_id: str
    kind: str
    overlaps: bool  # the marked seconds hold a part of the fault
    by_chance: float  # share of the places at which a span of this length would


def kinds_heard(rows: Iterable[Mapping[str, Any]], kind_of: Mapping[str, str]) -> dict[str, int]:
    """Kind → how many stems with it can be heard."""
    heard = [kind_of[row["stem_id"]] for row in rows if row.get("takes")]
    return {kind: heard.count(kind) for kind in KINDS if kind in heard}


def fault_at(kind: str, spoilt: np.ndarray, clean: np.ndarray) -> np.ndarray:
    """Which samples ``(time,)`` of ``(channel, time)`` the fault has changed."""
    time = min(spoilt.shape[1], clean.shape[1])
    spoilt, clean = spoilt[:, :time], clean[:, :time]
    if kind == "dropout":
        return np.asarray(((np.abs(spoilt) < SOUND) & (np.abs(clean) > SOUND)).any(axis=0))
    return np.asarray((np.abs(spoilt) >= CEILING * np.abs(spoilt).max()).any(axis=0))


def marked(evidence: Evidence, stem: Stem, kind: str, clean: Stem) -> Marked:
    """Whether the seconds that the page marks of a stem lie on its fault."""
    rate = takes.rate_of(stem)
    audio = takes.whole(stem, rate)
    span = evidence.span(stem.stem_id, audio, rate)
    fault = fault_at(kind, audio, takes.whole(clean, rate))
    first, last = round(span.start * rate), max(round(span.stop * rate), round(span.start * rate) + 1)
    summed = np.concatenate([[0], np.cumsum(fault)])
    width = min(last - first, len(fault))
    anywhere = (summed[width:] - summed[:-width]) > 0
    return Marked(stem.stem_id, kind, bool(fault[first:last].any()), float(anywhere.mean()))


def marks(
    evidence: Evidence, stem_ids: Sequence[str], kind_of: Mapping[str, str], clean: Mapping[str, Stem]
) -> list[Marked]:
    """Of those of the stems that have a local fault."""
    return [
        marked(evidence, evidence.stems[stem_id], kind_of[stem_id], clean[stem_id])
        for stem_id in stem_ids
        if kind_of[stem_id] in LOCAL
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--truth")
    parser.add_argument("--clean")
    given = parser.parse_args()
    run = existing(given.run, "decision.parquet", "stems.parquet", "manifest.parquet")
    record = run.read_json("run.json")
    kind_of = {row["stem_id"]: row["kind"] for row in truth.read(given.truth or record["truth"])}
    clean = {stem.stem_id: stem for stem in stems_of(given.clean or record["clean_corpus"]).stems}
    evidence = Evidence(run)
    rows = shown(evidence)
    heard = kinds_heard(rows, kind_of)
    there = sorted(set(kind_of.values()) - {truth.CLEAN})
    print(f"{sum(1 for row in rows if row.get('takes'))} stems can be heard, of {len(heard)} of {len(there)} kinds")
    for kind in there:
        removed = sum(not row["keep"] for i, row in evidence.decision.items() if kind_of[i] == kind)
        print(
            f"  {kind:10} {heard.get(kind, 0):3} heard, {removed:3} of {list(kind_of.values()).count(kind):3} set aside"
        )
    for title, names in (("on the page", [r["stem_id"] for r in rows]), ("of all set aside", _removed(evidence))):
        found = marks(evidence, names, kind_of, clean)
        for kind in LOCAL:
            own = [each for each in found if each.kind == kind]
            if own:
                chance = float(np.mean([each.by_chance for each in own]))
                print(
                    f"{kind} {title}: {sum(e.overlaps for e in own)} of {len(own)} marked spans lie on the fault; anywhere {chance:.0%}"
                )


def _removed(evidence: Evidence) -> list[str]:
    return [stem_id for stem_id, row in evidence.decision.items() if not row["keep"]]


if __name__ == "__main__":
    main()
