from __future__ import annotations

from raysep.commands.fad import tables

NAN = float("nan")


def row(track, stem="bass", z=0.0, outcome="scored", **more):
    numbers = {"fad": 1.5, "fad-z": z, "fad-p": 0.5} if outcome == "scored" else {}
    about = {"frames": 5, "seconds": 2.0, "in_reference": False, "uri": f"{track}.wav", "message": ""}
    return {"track": track, "stem": stem, "outcome": outcome, **about, **numbers, **more}


def test_the_most_distant_come_first_and_those_without_a_number_not_at_all():
    rows = [row("A", z=1.0), row("B", z=NAN), row("C", z=3.0), row("D", outcome="silent"), row("E", z=3.0)]
    found = tables.most_distant([r | {"fad-z": r.get("fad-z")} for r in rows], ("mahalanobis", "fad"), 2)
    assert [r["track"] for r in found] == ["C", "E"]
    assert tables.ranking(("mahalanobis", "fad-window")) == "mahalanobis"


def test_what_is_not_finite_is_none():
    assert tables.finite({"a": [NAN, 1.0, float("inf")], "b": (1, "x")}) == {
        "a": [None, 1.0, None],
        "b": [1, "x"],
    }
