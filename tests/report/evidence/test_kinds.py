from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from raysep.corpus import columns
from raysep.report.evidence import kinds
from raysep.report.evidence.kinds import Guess, guessed_kinds, out_of_track

KINDS = ("clip", "noise", "swap")


def table(apart: float, planted_tracks: int = 6) -> pa.Table:
    """Planted stems of three kinds, each low by a probe of its own by ``apart`` spreads, and three such corpus stems."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(60):
        odd = KINDS[number] if number < 3 else None
        rows.append(row(f"c{number}", "corpus", "", odd, apart, rng))
    rows += [row(f"r{number}", "calibration", "clean", None, apart, rng) for number in range(40)]
    for number in range(3 * planted_tracks):
        kind = KINDS[number % 3]
        rows.append(row(f"p{number}", "planted", kind, kind, apart, rng) | {"group": f"ref-{number // 3}"})
    return pa.Table.from_pylist(rows)


def row(name, role, kind, like, apart, rng) -> dict:
    scores = {f"by-{k}": rng.standard_normal() - apart * (k == like) for k in KINDS}
    about = {
        "stem_id": name,
        "track": name,
        "stem": "bass",
        "outcome": "scored",
        "role": role,
        "kind": kind,
        "group": name,
    }
    return about | scores


def test_a_kind_that_is_plain_is_found_and_said():
    found = guessed_kinds(table(8.0), [f"by-{k}" for k in KINDS])
    assert [found[f"c{k}"].kind for k in range(3)] == list(KINDS)
    assert all(found[f"c{k}"][:3] == Guess(KINDS[k], 6, 6)[:3] for k in range(3))
    others = np.median([found[f"c{k}"].sure for k in range(3, 60)])  # nothing is wrong with these
    assert all(found[f"c{k}"].sure > others for k in range(3))
    assert len(found) == 60
    assert found["c0"].worth_saying


def test_kinds_that_cannot_be_told_apart_are_not_said():
    found = guessed_kinds(table(0.0), [f"by-{k}" for k in KINDS])
    assert not any(guess.worth_saying for guess in found.values())
    assert all(1 / 3 <= guess.sure <= 1 for guess in found.values())


@pytest.mark.parametrize("tracks", [0, 2])
def test_with_too_few_planted_stems_nothing_is_guessed(tracks):
    assert guessed_kinds(table(8.0, tracks), []) == {}


def test_no_row_is_judged_by_its_own_track():
    """Every track has its own sign of a kind: by other tracks nothing can be known."""
    rng = np.random.default_rng(1)
    track = np.repeat([f"t{k}" for k in range(8)], 2)
    sign = np.repeat(rng.permutation([1.0] * 4 + [-1.0] * 4), 2)
    kind = np.tile(["a", "b"], 8)
    features = (np.where(kind == "a", 1.0, -1.0) * sign)[:, None] * 5
    right = (out_of_track(features, kind, track) == kind).mean()
    assert right < 0.5


def test_a_file_that_is_read_in_blocks_says_what_the_table_says(tmp_path, monkeypatch):
    held, oriented = table(2.0), [f"by-{k}" for k in KINDS]
    plain = guessed_kinds(held, oriented)
    pq.write_table(held, tmp_path / "stems.parquet", row_group_size=9)
    monkeypatch.setattr(kinds, "blocks", lambda source, names: columns.blocks(source, names, 13))
    found = guessed_kinds(columns.columns_of_file(str(tmp_path / "stems.parquet")), oriented)
    assert list(found) == list(plain) == [f"c{number}" for number in range(60)]
    for name, guess in plain.items():
        assert found[name][:3] == guess[:3]
        assert found[name].sure == pytest.approx(guess.sure)
    assert "r0" not in found
