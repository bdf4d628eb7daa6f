"""Two rounds on a real runtime: the second is judged by networks that never learnt from what the first removed."""

from __future__ import annotations

import pytest

from raysep import pipeline
from raysep.corpus import manifest
from raysep.rundir import Run

pytestmark = [pytest.mark.train, pytest.mark.long]


def test_the_second_round_is_trained_on_what_the_first_kept(request_for, ray_runtime, tmp_path):
    # A ratio, and nothing used otherwise, so that the first round leaves out some stems whatever the smallest network finds.
    changes = {
        "rounds": 2,
        "decision": {"rule": "ratio", "ratio": 0.3, "handling": "drop"},
        "proof": {"arms": ["contaminated", "cleaned"]},
    }
    request = request_for(tmp_path / "run", overrides=changes)
    run = pipeline.clean(request)
    first = Run(run.path("rounds", "1"))
    stems = {s.stem_id for s in manifest.read(run.path("manifest.parquet"))}
    removed = {row["stem_id"] for row in first.read_table("decision.parquet").to_pylist() if not row["keep"]}
    assert removed < stems
    assert {*run.read_table("decision.parquet")["stem_id"].to_pylist()} == stems  # every stem is judged anew
    trained = [each.read_json("checkpoints", "probe-final.json")["metadata"]["manifest"] for each in (first, run)]
    assert trained[0] != trained[1]
    stages = run.read_json("run.json")["stages"]
    assert stages["round-1"]["removed"] == len(removed)
    pipeline.clean(request)
    assert run.read_json("run.json")["stages"] == stages
