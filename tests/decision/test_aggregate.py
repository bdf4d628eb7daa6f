import numpy as np
import pyarrow as pa
import pytest

from raysep.decision.aggregate import per_stem, probe_names, with_roles

NAN = float("nan")


def row(track, stem, outcome, **probes):
    return {
        "track": track,
        "stem": stem,
        "stem_id": f"{track}/{stem}",
        "outcome": outcome,
        "level_dbfs": -20.0,
        **probes,
    }


ROWS = [
    row("b", "bass", "scored", loss=-1.0, fad=3.0),
    row("b", "bass", "silent", loss=NAN, fad=NAN),
    row("b", "bass", "scored", loss=-4.0, fad=3.0),
    row("a", "bass", "silent", loss=NAN, fad=NAN),
    row("a", "drums", "scored", loss=-2.0, fad=NAN),
    row("a", "vocals", "failed", loss=NAN, fad=NAN),
    row("a", "vocals", "scored", loss=-2.0, fad=1.0),
]


def test_mean_worst_and_outcome():
    table = per_stem(ROWS, oriented=["loss"]).to_pylist()
    found = {r["stem_id"]: r for r in table}
    assert [r["stem_id"] for r in table] == ["a/bass", "a/drums", "a/vocals", "b/bass"]
    assert {k: r["outcome"] for k, r in found.items()} == {
        "a/bass": "silent",
        "a/drums": "scored",
        "a/vocals": "failed",
        "b/bass": "scored",
    }
    assert (found["b/bass"]["loss"], found["b/bass"]["loss_worst"], found["b/bass"]["fad"]) == (-2.5, -4.0, 3.0)
    assert (found["b/bass"]["segments"], found["b/bass"]["audible"]) == (3, 2)
    assert found["a/drums"]["fad"] is None
    assert found["a/vocals"]["loss"] is None, "a stem read only in part is not scored on that part"
    assert "fad_worst" not in found["b/bass"]


def test_against_a_loop():
    rng = np.random.default_rng(3)
    rows = []
    for stem in range(20):
        for _ in range(int(rng.integers(1, 7))):
            silent = rng.random() < 0.3
            values = {p: NAN if silent or rng.random() < 0.1 else float(rng.standard_normal()) for p in ("p", "q")}
            rows.append(row(f"t{stem // 2}", "xy"[stem % 2], "silent" if silent else "scored", **values))
    order = rng.permutation(len(rows))
    table = {r["stem_id"]: r for r in per_stem([rows[i] for i in order]).to_pylist()}
    for stem_id, found in table.items():
        for probe in ("p", "q"):
            values = [r[probe] for r in rows if r["stem_id"] == stem_id and np.isfinite(r[probe])]
            if values:
                assert found[probe] == pytest.approx(np.mean(values))
                assert found[f"{probe}_worst"] == min(values)
            else:
                assert found[probe] is None
                assert found[f"{probe}_worst"] is None


def test_probe_names_are_the_floating_columns():
    table = per_stem(ROWS)
    assert probe_names(table) == ("loss", "fad", "loss_worst", "fad_worst")
    assert probe_names(pa.Table.from_pylist(ROWS)) == ("loss", "fad")


def test_roles_drop_what_is_neither_judged_nor_evidence():
    stems = per_stem(ROWS)
    roles = {"a/bass": ("planted", "clip", "origin"), "a/drums": ("calibration", "clean", "a")}
    table = with_roles(stems, ["b/bass", "a/drums"], roles).to_pylist()
    assert [(r["stem_id"], r["role"], r["kind"], r["group"]) for r in table] == [
        ("a/bass", "planted", "clip", "origin"),
        ("a/drums", "corpus", None, "a"),
        ("b/bass", "corpus", None, "b"),
    ]


def test_a_likeness_is_the_mean_of_powers_over_the_audible_segments():
    rows = [
        row("a", "bass", "scored", like=[0.0, -40.0]),
        row("a", "bass", "silent", like=None),
        row("a", "bass", "scored", like=[0.0, 0.0]),
        row("a", "drums", "silent", like=None),
    ]
    found = {r["stem_id"]: r["like"] for r in per_stem(rows, probes=[], likenesses=["like"]).to_pylist()}
    assert found["a/bass"] == pytest.approx([0.0, 10 * np.log10((1e-4 + 1) / 2)])
    assert found["a/drums"] is None
    assert "like" not in probe_names(per_stem(rows, probes=[], likenesses=["like"]))


def test_a_row_has_the_fold_that_its_track_is_judged_in():
    stems = per_stem(ROWS)
    judged = [name for name in stems["stem_id"].to_pylist() if name != "a/bass"]
    roles = {"a/bass": ("planted", "clip", "origin")}
    folds = {"a": 1, "b": 0, "c": 0}
    table = with_roles(stems, judged, roles, folds)
    assert table["fold"].to_pylist() == [folds[track] for track in table["track"].to_pylist()]
    assert set(with_roles(stems, judged, roles)["fold"].to_pylist()) == {0}
    assert "fold" not in probe_names(table)
