from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from raysep.decision.worth import found_in, prices, with_worth
from raysep.errors import BadInput
from raysep.probes.stored import KEY, columns_of, oriented_in
from raysep.rundir import Run


def stems(count: int = 40) -> pa.Table:
    """By a probe that knows nothing; half are calibration."""
    rng = np.random.default_rng(1)
    table = pa.table(
        {
            "stem_id": [f"t{k}/bass" for k in range(count)],
            "track": [f"t{k}" for k in range(count)],
            "stem": ["bass"] * count,
            "outcome": ["scored"] * count,
            "role": ["corpus" if k % 2 else "calibration" for k in range(count)],
            "loss": rng.normal(size=count),
        }
    )
    about = {"fingerprint": "abc", "probes": {"loss": {"context": "clean", "oriented": True}}}
    return table.replace_schema_metadata({KEY: json.dumps(about).encode(), b"else": b"stays"})


def test_it_is_a_column_beside_the_other_probes_that_says_what_it_is():
    found = pa.table({"stem_id": ["t1/bass", "t0/bass", "unknown"], "worth": [0.5, None, 1.0]})
    table = with_worth(stems(), found)
    assert table["worth"].to_pylist()[:3] == [None, 0.5, None]
    assert oriented_in(table) == ["loss", "worth"]
    assert columns_of(table)["worth"].context == "own"
    assert table.schema.metadata[b"else"] == b"stays"
    assert table.drop_columns("worth").schema.equals(stems().schema, check_metadata=False)


def test_the_fusion_goes_by_it():
    """Of stems that nothing else tells apart those of the least worth become the most suspect."""
    from raysep.config import DecisionSettings
    from raysep.stages.decide import by_rule

    plain, bad = stems(), {f"t{k}/bass" for k in range(1, 12, 2)}
    rng = np.random.default_rng(2)
    worth = [-6.0 * (i in bad) + rng.normal() for i in plain["stem_id"].to_pylist()]
    found = pa.table({"stem_id": plain["stem_id"], "worth": worth})

    def most_suspect(table: pa.Table) -> set[str]:
        rows = by_rule(table, DecisionSettings(), seed=0).sort_by([("suspicion", "descending")])
        return set(rows["stem_id"].to_pylist()[: len(bad)])

    assert most_suspect(with_worth(plain, found)) == bad
    assert most_suspect(plain) != bad


def test_a_run_that_was_not_asked_says_how_to_ask(tmp_path):
    with pytest.raises(
        BadInput, match=r"--with-worth: .*run has no worth-evidence.parquet yet: `raysep worth RUN --evid"
    ):
        found_in(Run(str(tmp_path / "run")))


def test_what_a_stem_costs_is_said_in_words_where_it_is_known(tmp_path):
    run = Run(str(tmp_path))
    assert prices(run) == {}
    rows = [("A/bass", -0.0312, 0.004), ("B/bass", 0.25, None), ("C/bass", None, None)]
    run.write_table(
        pa.Table.from_pylist([dict(zip(("stem_id", "worth", "spread"), row, strict=True)) for row in rows]),
        "worth.parquet",
    )
    assert prices(run) == {
        "A/bass": "costs 0.031 dB on the reference (± 0.004 over seeds)",
        "B/bass": "brings 0.250 dB on the reference",
    }
