"""The places of a run's stems, from tables that a scoring pass could have left."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from raysep.decision.handling.mask import COLUMN, ELSEWHERE, UNSEEN, with_places
from raysep.decision.places import EVERYWHERE, NOT_TRUSTED, NOWHERE
from raysep.decision.placing import TABLE, made, places_of
from raysep.decision.verdicts import METADATA, SCHEMA, summary
from raysep.probes.catalogue import PROBES
from raysep.probes.seconds import BY_SECOND, FLAT, GAPS
from raysep.probes.stored import description
from raysep.rundir import Run

SECONDS, SEGMENT = 20, 4.0
PROBES_TAKEN = ("loss", "agreement", "signal-top-band", "signal-dropout")
TRUSTED = ("r0", "r1", "r2", "r3")
JUDGED = ("gap", "local", "hiss", "band", "plain", "swap", "old")


def segments_of(track: str, rng: np.random.Generator) -> list[dict]:
    """Five segments: of networks usual but for the faults, of samples a gap in the second 9 of ``gap``, ``swap`` and ``band``."""
    gaps = [0.4 * (k == 9 and track in ("gap", "swap", "band")) for k in range(SECONDS)]
    rows, varied = [], 0.1 * (track in TRUSTED)
    for k in range(5):
        low = 8.0 * (track == "hiss" or (track == "local" and k == 1))
        rows.append(
            {
                **{"stem_id": f"{track}/bass", "track": track, "stem": "bass", "segment": k, "outcome": "scored"},
                **{"start": SEGMENT * k, "seconds": SEGMENT},
                "loss": -3.0 - low + varied * rng.standard_normal(),
                "agreement": 6.0 - low + varied * rng.standard_normal(),
                "signal-top-band": -40.0 - 30.0 * (track == "band"),
                "signal-dropout": -0.02 * (track == "gap"),
                GAPS: None if track == "old" else gaps[4 * k : 4 * k + 4],
                FLAT: None if track == "old" else [0.0] * 4,
            }
        )
    return rows


@pytest.fixture
def run(tmp_path) -> Run:
    run, rng = Run(str(tmp_path / "run")), np.random.default_rng(5)
    about = description("abc", [PROBES[name] for name in PROBES_TAKEN])
    lists = [(name, pa.list_(pa.float32())) for name in BY_SECOND]
    schema = pa.schema(
        [("stem_id", pa.string()), ("track", pa.string()), ("stem", pa.string()), ("segment", pa.int32())]
        + [("outcome", pa.string()), ("start", pa.float64()), ("seconds", pa.float64())]
        + [(name, pa.float32()) for name in PROBES_TAKEN]
        + lists,
        metadata=about,
    )
    for part, tracks in enumerate((TRUSTED, JUDGED)):
        rows = [row for track in tracks for row in segments_of(track, rng)]
        run.write_table(pa.Table.from_pylist(rows, schema=schema), "scores", f"part-{part:05d}.parquet")
    stems = [
        {
            **{"stem_id": f"{track}/bass", "track": track, "stem": "bass", "outcome": "scored", "fold": 0},
            "role": "calibration" if track in TRUSTED else "corpus",
            **{"loss": 0.0, "agreement": 0.0},
            "signal-top-band": -40.0 - 30.0 * (track == "band") + 0.5 * (track in TRUSTED) * rng.standard_normal(),
            "signal-dropout": -0.02 * (track == "gap"),
        }
        for track in (*JUDGED, *TRUSTED)
    ]
    run.write_table(pa.Table.from_pylist(stems).replace_schema_metadata(about), "stems.parquet")
    return run


def found(table: pa.Table) -> dict[str, tuple[list, str]]:
    rows = table.to_pylist()
    return {
        row["stem_id"].partition("/")[0]: ([(span["start"], span["stop"]) for span in row["spans"]], row["words"])
        for row in rows
    }


def test_faults_have_places_where_they_are_local_and_none_elsewhere(run):
    places = found(made(run))
    assert places.keys() == set(JUDGED)
    assert places["gap"] == ([(8.0, 11.0)], "wrong only in places, 3.0 of 20 s: digital silence")
    assert places["local"][0] == [(0.0, 12.0)]
    assert "segments unlike trusted ones" in places["local"][1]
    assert places["hiss"] == ([], EVERYWHERE)
    assert places["band"] == ([], NOT_TRUSTED)
    assert places["plain"] == ([], NOWHERE)
    assert places["old"] == ([], "")


def test_they_are_read_from_the_scores_once_for_as_long_as_these_are_the_same(run, monkeypatch):
    first = places_of(run)
    with monkeypatch.context() as patch:
        patch.setattr("raysep.decision.placing.made", lambda run: pytest.fail("read again"))
        assert places_of(run) == first
    assert run.read_table(TABLE) == first
    stems = run.read_table("stems.parquet")
    fewer = stems.filter(pa.compute.not_equal(stems["track"], "gap"))
    run.write_table(fewer, "stems.parquet")
    assert "gap/bass" not in places_of(run)["stem_id"].to_pylist()


def test_without_any_scores_of_segments_nothing_is_known(run):
    stems = run.read_table("stems.parquet")
    other = Run(run.path("other"))
    other.write_table(stems, "stems.parquet")
    assert len(places_of(other)) == 0


def decision() -> pa.Table:
    """``plain`` is kept, ``swap`` belongs to another label, the others are removed."""
    rows = [
        {
            **{"stem_id": f"{track}/bass", "track": track, "stem": "bass", "keep": track == "plain", "weight": 0.1},
            **{"outcome": "failed" if track == "lost" else "scored", "reason": "by the rule"},
            "label": "drums" if track == "swap" else None,
        }
        for track in (*JUDGED, "lost", "new")
    ]
    about = {METADATA: json.dumps({"counts": {}}).encode()}
    return pa.Table.from_pylist(rows, schema=SCHEMA).replace_schema_metadata(about)


def test_a_decision_says_of_removed_stems_where_they_are_wrong_or_why_not(run):
    before = decision()
    table = with_places(before, run)
    rows = {row["track"]: row for row in table.to_pylist()}
    assert rows["gap"]["spans"] == [{"start": 8.0, "stop": 11.0}]
    assert rows["gap"]["reason"] == "by the rule; wrong only in places, 3.0 of 20 s: digital silence"
    assert (rows["swap"]["spans"], rows["swap"][COLUMN]) == ([], ELSEWHERE)
    assert {rows[track][COLUMN] for track in ("old", "new")} == {UNSEEN}
    for track in ("plain", "lost"):
        assert (rows[track]["spans"], rows[track][COLUMN], rows[track]["reason"]) == (None, None, "by the rule")
    others = [name for name in before.column_names if name != "reason"]
    assert table.select(others) == before.select(others)
    assert summary(table) == summary(before)
    assert with_places(table, run) is table
