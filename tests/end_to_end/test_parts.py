"""A cleaning in parts: decided, then finished by the same command, then proven further; each part on a real runtime."""

from __future__ import annotations

import pytest

from raysep import pipeline

pytestmark = [pytest.mark.train, pytest.mark.long]


def test_decided_then_finished_then_proven_further(finished, request_for, ray_runtime, tmp_path):
    proof = {"proof": {"arms": ["contaminated", "cleaned"]}}
    part = pipeline.clean(request_for(tmp_path / "run", overrides=proof, until="decide"))
    assert part.read_table("decision.parquet").equals(finished.read_table("decision.parquet"))
    assert not part.has("results.parquet")
    assert "Not measured" in part.read_bytes("report.html").decode()
    more = pipeline.prove(part.root, ["contaminated"], quiet=True)
    pipeline.prove(part.root, ["cleaned"], seeds=1, quiet=True)
    rows = {(r["arm"], r["track"], r["stem"]): r["sdr"] for r in more.read_table("results.parquet").to_pylist()}
    whole = {(r["arm"], r["track"], r["stem"]): r["sdr"] for r in finished.read_table("results.parquet").to_pylist()}
    assert rows == {key: value for key, value in whole.items() if key[0] in ("contaminated", "cleaned")}
    assert part.has("report.html")
