"""A run that has decided, without anything having been computed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from raysep.corpus import identity
from raysep.corpus.inputs import Inputs
from raysep.corpus.layouts import stems_of
from raysep.stages import train
from raysep.stages.plant import Planting


@pytest.fixture
def decided(make_context, make_stems, write_rows):
    """(context, inputs) of a corpus of six tracks and its decision: two vocals and one drums are removed, one failed."""
    context = make_context()
    corpus = make_stems([f"t{k}" for k in range(6)])
    corpus = [replace(s, frames=0) if s.stem_id == "t5/bass" else s for s in corpus]
    removed = {"t0/vocals", "t1/vocals", "t2/drums"}
    decision, scores = [], []
    for s in corpus:
        failed, keep = s.frames == 0, s.stem_id not in removed and s.frames > 0
        outcome = "failed" if failed else "silent" if s.stem_id == "t4/other" else "scored"
        weight = 0.0 if failed else 0.1 if not keep else 0.9
        about = {"stem_id": s.stem_id, "track": s.track, "stem": s.stem}
        decision.append({**about, "outcome": outcome, "keep": keep, "weight": weight})
        # The probe thinks that the highest track numbers are the worst, and knows nothing of silent stems.
        scores.append({**about, "fad-z": None if outcome != "scored" else -float(s.track[1:])})
    write_rows(context.run, "decision.parquet", decision)
    write_rows(context.run, "stems.parquet", scores)
    return context, Inputs(corpus, make_stems(["R0", "R1"]), make_stems(["T"]))


@pytest.fixture
def scanned_again():
    """scanned_again(stem): its row becomes what a scan would find, after a test has written another file in its place."""

    def scan(stem) -> None:
        object.__setattr__(stem, "etag", identity.of_file(stem.uri))

    return scan


@pytest.fixture
def prepared(tmp_path, make_context, write_tracks, save_network, here):
    """(context, inputs, planting) of a small corpus with a trained network."""
    context = make_context(scoring={"fisher_segments": 8, "fisher_shards": 2, "most_segments": 2})
    corpus = stems_of(write_tracks(tmp_path / "corpus", ["A", "B", "C", "D"], seconds=3.0)).stems
    reference = stems_of(write_tracks(tmp_path / "reference", ["R", "S"], seconds=3.0)).stems
    save_network(context, train.FINAL)
    return context, Inputs(corpus, reference, []), Planting(reference, [], [], {})
