from __future__ import annotations

import numpy as np
import pyarrow as pa

from raysep.decision.strongest import standings, strongest
from raysep.probes.stored import oriented_in


def table_of(rows):
    return pa.Table.from_pylist(rows)


def test_a_standing_is_the_share_of_scored_peers_that_score_as_low():
    rng = np.random.default_rng(0)
    rows = [
        {
            "stem_id": f"{track}/{label}",
            "stem": label,
            "outcome": "silent" if track == 3 else "scored",
            "loss": None if track == 4 else float(rng.integers(5)),
            "fad": float(track),
        }
        for track in range(20)
        for label in ("vocals", "bass")
    ]
    found = standings(table_of(rows), ["loss", "fad"])
    for row in rows:  # a plain loop
        for probe in ("loss", "fad"):
            peers = [
                r[probe] for r in rows if r["stem"] == row["stem"] and r["outcome"] == "scored" and r[probe] is not None
            ]
            if row[probe] is None:
                assert probe not in found[row["stem_id"]]
            else:
                assert found[row["stem_id"]][probe] == sum(value <= row[probe] for value in peers) / len(peers)


def test_the_strongest_come_first_and_equal_ones_by_name():
    assert strongest({"b": 0.1, "a": 0.1, "c": 0.05, "d": 0.9}, 3) == ["c", "a", "b"]
    assert strongest({}) == []


def test_a_probe_without_a_number_is_nobodys_evidence():
    rows = [{"stem_id": "A/bass", "stem": "bass", "outcome": "scored", "loss": None}]
    assert standings(table_of(rows), ["loss"]) == {"A/bass": {}}


def test_the_strongest_probes_are_those_by_which_a_stem_stands_lowest(make_stems):
    stems = make_stems([f"t{k}" for k in range(10)])
    scores = {}
    for s in stems:
        k = int(s.track[1:])
        probes = {"loss": -float(k), "fad-z": float(k), "excess": None, "curvature": -100.0 * k, "own-loss": 0.5 * k}
        scores[s.stem_id] = {"stem_id": s.stem_id, "stem": s.stem, "outcome": "scored", **probes}
    scores["t3/vocals"] |= {"outcome": "silent", "loss": -1e9}  # is nobody's peer
    table = pa.Table.from_pylist(list(scores.values()))
    # ``curvature`` is lower still, but it is not oriented: low means nothing.
    assert strongest(standings(table, oriented_in(table))["t9/vocals"], 2) == ["loss", "fad-z"]
