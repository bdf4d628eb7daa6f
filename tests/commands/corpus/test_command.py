"""`raysep contaminate`: what the note beside the copy says of the faults in it."""

from __future__ import annotations

import json

import pytest

from raysep.corpus import truth


@pytest.fixture
def spoil(raysep, write_tracks, tmp_path):
    """spoil(option, …): a spoilt copy of five tracks of noise; gives the note and the kinds in its truth table."""
    clean = write_tracks(tmp_path / "clean", [f"t{k}" for k in range(5)])

    def run(*options: str) -> tuple[dict, set[str]]:
        code, _, error = raysep("contaminate", clean, "--out", f"{tmp_path}/out", "--workers", "1", "-q", *options)
        assert code == 0, error
        rows = truth.read(f"{tmp_path}/out-truth.parquet")
        return json.loads((tmp_path / "out-truth.json").read_text()), {row["kind"] for row in rows} - {"clean"}

    return run


def test_a_condition_plants_its_kinds_and_is_noted(spoil):
    note, kinds = spoil("--condition", "label-noise")
    assert kinds == {"swap", "merge"}
    assert (note["condition"], note["share"], note["severities"]) == ("label-noise", 0.4, ["medium", "strong"])


def test_what_is_given_goes_before_the_condition_which_is_then_not_named(spoil):
    note, kinds = spoil("--condition", "label-noise", "--kind", "noise", "--severity", "mild", "--share", "0.2")
    assert kinds == {"noise"}
    assert (note["condition"], note["share"], note["severities"]) == (None, 0.2, ["mild"])


def test_without_a_condition_four_in_ten_stems_have_a_fault_of_any_kind(spoil):
    note, kinds = spoil()
    assert (note["condition"], note["share"], len(note["kinds"])) == (None, 0.4, 10)
    assert len(kinds) > 3
