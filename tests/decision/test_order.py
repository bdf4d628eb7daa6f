from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from raysep.decision.order import SORT_KEYS, most_suspect

ROWS = st.lists(
    st.tuples(st.sampled_from((0.5, 1.0, 2.0)), st.sampled_from((None, 0.1, 0.9))), min_size=1, max_size=12
).map(lambda rows: [{"suspicion": s, "p_corrupt": p, "stem_id": f"t/{n}"} for n, (s, p) in enumerate(rows)])
SCHEMA = pa.schema([("suspicion", pa.float64()), ("p_corrupt", pa.float64()), ("stem_id", pa.string())])


@given(ROWS)
def test_rows_and_columns_are_sorted_alike(rows):
    table = pa.Table.from_pylist(rows, schema=SCHEMA).sort_by(SORT_KEYS)
    assert table["stem_id"].to_pylist() == [row["stem_id"] for row in sorted(rows, key=most_suspect)]


def test_of_equally_suspect_stems_the_likelier_wrong_comes_first():
    rows = [
        {"suspicion": 9.0, "p_corrupt": 0.97, "stem_id": "a"},
        {"suspicion": 9.0, "p_corrupt": None, "stem_id": "b"},
        {"suspicion": 9.0, "p_corrupt": 0.98, "stem_id": "c"},
        {"suspicion": 9.5, "p_corrupt": 0.10, "stem_id": "d"},
    ]
    assert [row["stem_id"] for row in sorted(rows, key=most_suspect)] == ["d", "c", "a", "b"]
