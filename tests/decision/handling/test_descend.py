from __future__ import annotations

import json

import pyarrow as pa
import pytest

from raysep.corpus.manifest import Stem
from raysep.decision import handling
from raysep.decision.handling.descend import with_weights
from raysep.decision.verdicts import METADATA, SCHEMA, summary
from raysep.errors import BadInput

STEMS = [Stem(f"t{k}/bass", f"t{k}", "bass", f"/no/{k}.wav", 8000, 1, 8000, "WAV/PCM_16", 16044, "") for k in range(4)]


def decision() -> pa.Table:
    """The second is removed as one of another label, the last could not be read."""
    rows = [
        {
            "stem_id": s.stem_id,
            "track": s.track,
            "stem": "bass",
            "outcome": "failed" if s.track == "t3" else "scored",
            "keep": s.track in ("t0", "t2"),
            "weight": 0.8,
            "label": "drums" if s.track == "t1" else None,
            "reason": "by the rule",
        }
        for s in STEMS
    ]
    told = {"counts": {"stems": 4, "kept": 2, "removed": 2, "other_label": 1}, "removed_share": 0.5}
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    return table.replace_schema_metadata({METADATA: json.dumps(told).encode(), b"else": b"stays"})


def test_what_was_found_stands_above_the_rule_and_is_counted():
    found = pa.table({"stem_id": [s.stem_id for s in STEMS], "weight": [0.0, 1.5, 0.25, 1.0]})
    table = with_weights(decision(), found)
    rows = table.to_pylist()
    assert [row["descended"] for row in rows] == [0.0, 1.5, 0.25, None]  # what cannot be read cannot be drawn
    assert [row["weight"] for row in rows] == [0.0, 1.5, 0.25, 0.0]
    assert [row["keep"] for row in rows] == [False, True, True, False]
    assert {row["label"] for row in rows} == {None}
    assert rows[1]["reason"] == "descent: drawn 1.50 times as often; by the rule"
    assert rows[3]["reason"] == "descent: not trained on; by the rule"
    told = summary(table)
    assert told["counts"] == {"stems": 4, "kept": 2, "removed": 2, "other_label": 0}
    assert told["removed_share"] == 0.5
    assert table.schema.metadata[b"else"] == b"stays"
    assert with_weights(table, found).column_names == table.column_names


def test_a_stem_that_was_not_trained_on_is_left_out():
    table = with_weights(decision(), pa.table({"stem_id": ["t0/bass"], "weight": [1.0]}))
    assert [row["keep"] for row in table.to_pylist()] == [True, False, False, False]


def test_a_decision_without_the_weights_says_how_to_get_them():
    rows = {row["stem_id"]: row for row in decision().to_pylist()}
    with pytest.raises(BadInput, match="raysep decide RUN --handling descend"):
        handling.use("descend", rows, STEMS)
    assert handling.use("descend", {}, STEMS) == []


def test_no_cleaning_begins_with_it():
    with pytest.raises(BadInput, match=r"decision.handling = descend: .*`raysep descend RUN`") as refused:
        handling.refuse_beforehand("descend")
    assert "\n" not in str(refused.value)
    for name in ("drop", "weight", "auto"):
        handling.refuse_beforehand(name)


def test_a_persons_word_stands_above_it():
    from raysep.decision.by_hand import Said, obey

    table = with_weights(decision(), pa.table({"stem_id": [s.stem_id for s in STEMS], "weight": [0.0, 1.5, 0.25, 1.0]}))
    table = obey(table, [Said("t0/bass", "keep", "", 1), Said("t1/bass", "remove", "", 2)])
    rows = {row["stem_id"]: row for row in table.to_pylist()}
    entries = handling.use("descend", rows, STEMS)
    assert {e.stem.stem_id: e.weight for e in entries} == {"t0/bass": 1.0, "t2/bass": 0.25}
