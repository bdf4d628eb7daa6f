from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from safetensors.numpy import save

from raysep.commands.fad import embedding, scoring
from raysep.commands.fad.embedding import Located
from raysep.commands.fad.scoring import LabelSet, ReferenceBuilder, SetMeasurer, StemScorer
from raysep.corpus.manifest import Stem
from raysep.errors import BadInput
from raysep.probes.fad.reference_file import MadeWith, ReferenceFile
from raysep.rundir import Run, table_bytes

EMBEDDER = SimpleNamespace(name="logmel", weights_digest="", sample_rate=8000, dimension=3)
ABOUT = MadeWith.of(EMBEDDER, ("fad", "mahalanobis"), 0)
COUNTS = {"A": 9, "B": 0, "C": 8, "D": 1, "E": 7, "F": 9}


@pytest.fixture
def stems(make_stems):
    return make_stems(COUNTS, labels=("bass",))


@pytest.fixture
def run(tmp_path, stems):
    """Six stems embedded in two shards, the second with one that failed; the reference is made of the first, A to C."""
    run, rng = Run(str(tmp_path / "run")), np.random.default_rng(0)
    for shard, part in enumerate((stems[:3], stems[3:])):
        vectors = {s.stem_id: rng.normal(size=(COUNTS[s.track], 3)).astype(np.float32) for s in part}
        rows = [_told(s.stem_id, len(vectors[s.stem_id]), failed=s.track == "D") for s in part]
        run.write_bytes(save(vectors), embedding.vectors_part(shard))
        run.write_bytes(table_bytes(pa.Table.from_pylist(rows, embedding.SCHEMA)), embedding.rows_part(shard))
    tracks = [(f"T{k}", f"tag{k}", rng.normal(size=(9, 3)).astype(np.float32)) for k in range(4)]
    tracks.append(("A", stems[0].etag, embedding.read_vectors(run, 0)[stems[0].stem_id]))
    run.write_bytes(ReferenceFile.from_tracks("bass", tracks, ABOUT).to_bytes(), scoring.REFERENCE_FILE)
    return run


def _told(name: str, frames: int, failed: bool) -> dict:
    outcome = "failed" if failed else "scored" if frames > 1 else "silent"
    return {"name": name, "outcome": outcome, "message": "broken" if failed else "", "frames": frames, "seconds": 4.0}


def located(*stems: Stem) -> list[Located]:
    return [Located(stem, stem.stem_id, 0 if stem.track < "D" else 1) for stem in stems]


def test_rows_in_are_scored_silent_and_failed(run, stems):
    score = StemScorer(root=run.root, fingerprint={0: "abc", 1: "def"}, measures=ABOUT.measures)()
    counts = [score(shard, located(*part)) for shard, part in enumerate((stems[:3], stems[3:]))]
    assert counts == [{"rows": 3, "failed": 0}, {"rows": 3, "failed": 1}]
    rows = [row for shard in (0, 1) for row in run.read_table(scoring.score_part(shard)).to_pylist()]
    assert [row["outcome"] for row in rows] == ["scored", "silent", "scored", "failed", "scored", "scored"]
    assert [row["fad"] is None for row in rows] == [False, True, False, True, False, False]
    assert [row["in_reference"] for row in rows] == [True, False, False, False, False, False]
    assert rows[0]["fad"] == scoring.load_reference(run).members["bass"][4].scores["fad"]["raw"]
    assert rows[3]["message"] == "broken"


def test_a_stem_that_cannot_be_scored_is_a_failed_row(run, make_stems):
    strange = make_stems(["A"], labels=("bass",))[0]
    piano = replace(strange, stem="piano")
    counts = StemScorer(root=run.root, fingerprint={0: "abc"}, measures=ABOUT.measures)()(0, located(piano))
    assert counts == {"rows": 1, "failed": 1}
    assert "piano" in run.read_table(scoring.score_part(0)).to_pylist()[0]["message"]


def test_a_set_is_what_is_not_in_the_reference_and_a_lost_shard_is_counted(run, stems):
    measure = SetMeasurer(root=run.root, fingerprint={0: "abc", 1: "def"}, seed=0)()
    assert measure(0, LabelSet("bass", located(*stems), 2)) == {"rows": 8, "failed": 3}
    found = run.read_json(scoring.set_part(0))
    assert (found["stems"], found["frames"], found["in_reference"]) == (3, 8 + 7 + 9, 1)
    assert measure(1, LabelSet("bass", [], 6)) == {"rows": 6, "failed": 6}
    assert run.read_json(scoring.set_part(1))["fad"] is None


def test_a_reference_is_made_of_its_stems_in_order(run, stems):
    ReferenceBuilder(root=run.root, fingerprint={0: "abc"}, about=ABOUT, least_spread=0.0)()(0, located(*stems))
    made = ReferenceFile.from_bytes(run.read_bytes(scoring.reference_part(0)), "")
    assert [(m.track, m.frames) for m in made.members["bass"]] == [("A", 9), ("C", 8), ("D", 1), ("E", 7), ("F", 9)]


def test_frames_are_found_wherever_the_files_are_now(run, stems):
    moved = [replace(stem, uri=f"s3://elsewhere/{stem.stem_id}") for stem in stems]
    counts = StemScorer(root=run.root, fingerprint={0: "abc"}, measures=ABOUT.measures)()(0, located(*moved[:3]))
    assert counts == {"rows": 3, "failed": 0}
    assert list(scoring.frames_of(run, located(*moved))) == [stem.stem_id for stem in moved]


def test_a_reference_of_which_something_failed_is_refused_by_its_reason(run, stems):
    with pytest.raises(BadInput, match="1 of its stems cannot be used, first: broken"):
        scoring.check_reference(run, [located(*stems)], {})
    scoring.check_reference(run, [located(*stems[:3], *stems[4:])], {})
    with pytest.raises(BadInput, match="bass is audible in 2 of 3 tracks"):
        scoring.check_reference(run, [located(*stems[:3])], {})
