"""A silent stem's sound: found in the stem that sounds like it, nowhere where none does."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raysep.decision.merged import LARGEST, beside_silent_ones, holds_a_silent_one
from raysep.decision.other_label import Evidence

LABELS = 4


def corpus(seed: int, merged: dict[int, int], tracks: int = 12, clean: int = 8):
    """``clean`` clean tracks, then corpus tracks of which label 0 is silent; track → label of the stem that holds it."""
    rng = np.random.default_rng(seed)
    rows = [(f"ref-{t}", k) for t in range(clean) for k in range(LABELS)]
    rows += [(f"song-{t}", k) for t in range(tracks) for k in range(LABELS)]
    own = np.array([k for _, k in rows])
    names = np.array([t for t, _ in rows], dtype=object)

    def source(unit):
        values = unit * (-20 + 2 * rng.standard_normal((len(rows), LABELS)))
        values[np.arange(len(rows)), own] = 0.0
        for track, label in merged.items():
            values[(names == f"song-{track}") & (own == label), 0] = -4 * unit
        return values

    like = {"network": source(1.0), "embedding": source(0.1)}
    is_clean = np.array([name.startswith("ref") for name in names])
    silent = ~is_clean & (own == 0)
    wrong = np.where(silent, 0.9, np.nan)
    return names, own, like, is_clean, ~is_clean & ~silent, wrong


def test_the_stem_that_holds_it_is_found_and_no_other():
    merged = {0: 1, 1: 2, 2: 3, 3: 1}
    arguments = corpus(0, merged)
    found, whose = holds_a_silent_one(*arguments)
    names, own = arguments[:2]
    for track in range(12):
        for label in (1, 2, 3):
            (row,) = np.flatnonzero((names == f"song-{track}") & (own == label))
            if merged.get(track) == label:
                assert found[row] > 0.8
                assert names[whose[row]] == names[row]
                assert own[whose[row]] == 0
            elif track in merged:
                assert found[row] < 0.1
    assert not found[arguments[3]].any()


@given(st.integers(0, 1000), st.permutations(range(80)))
def test_order_does_not_matter(seed, order):
    arguments = corpus(seed, {0: 1})
    found, _ = holds_a_silent_one(*arguments)
    names, own, like, clean, candidates, wrong = arguments
    order = np.array(order)
    again, _ = holds_a_silent_one(
        names[order], own[order], {n: v[order] for n, v in like.items()}, clean[order], candidates[order], wrong[order]
    )
    assert again == pytest.approx(found[order])


@given(st.integers(0, 1000))
def test_a_track_shares_out_no_more_than_the_silent_stem_is_wrong(seed):
    arguments = corpus(seed, {k: 1 + k % 3 for k in range(6)})
    found, _ = holds_a_silent_one(*arguments)
    names, wrong = arguments[0], arguments[5]
    for track in set(names[np.isfinite(wrong)]):
        mine = names == track
        assert found[mine].sum() <= np.nanmax(wrong[mine]) + 1e-9
    assert ((found >= 0) & (found <= 1)).all()


def test_explained_stems_are_no_candidates():
    arguments = corpus(0, {0: 1})
    names, own = arguments[:2]
    (row,) = np.flatnonzero((names == "song-0") & (own == 1))
    found, _ = holds_a_silent_one(*arguments, explained={int(row)})
    assert found[row] == 0


def test_without_silent_stems_sources_or_clean_stems_nothing_is_said():
    names, own, like, clean, candidates, wrong = corpus(0, {0: 1})
    for changed in (
        (names, own, like, clean, candidates, np.full_like(wrong, np.nan)),
        (names, own, {}, clean, candidates, wrong),
        (names, own, like, np.zeros_like(clean), candidates, wrong),
        (names, own, {n: np.full_like(v, np.nan) for n, v in like.items()}, clean, candidates, wrong),
    ):
        found, whose = holds_a_silent_one(*changed)
        assert not found.any()
        assert (whose == -1).all()


def test_one_label_with_few_clean_stems_says_nothing_of_its_own_stems():
    names, own, like, clean, candidates, wrong = corpus(0, {0: 1, 1: 2})
    fewer = clean & ~((own == 1) & (names != "ref-0"))
    found, _ = holds_a_silent_one(names, own, like, fewer, candidates, wrong)
    assert not found[own == 1].any()
    assert found[(names == "song-1") & (own == 2)] > 0.8


def test_certainty_is_bounded():
    names, own, like, clean, candidates, wrong = corpus(0, {0: 1})
    like["network"][(names == "song-0") & (own == 1), 0] = 1e9
    found, _ = holds_a_silent_one(names, own, like, clean, candidates, np.where(np.isfinite(wrong), 1.0, np.nan))
    assert found.max() <= np.exp(LARGEST) / (1 + np.exp(LARGEST))


class Asked:
    """A table that counts how often a column is asked for: of one that lies on the disk each is read anew."""

    def __init__(self, table: pa.Table) -> None:
        self.table, self.column_names, self.times = table, table.column_names, 0

    def __getitem__(self, name: str) -> pa.ChunkedArray:
        self.times += 1
        return self.table[name]


def told_of(tracks: int) -> tuple[int, int]:
    """How many stems something is said of, and how many columns were asked for."""
    names, own, like, clean, candidates, wrong = corpus(0, {k: 1 + k % 3 for k in range(tracks)}, tracks)
    labels = np.array([f"label-{k}" for k in range(LABELS)], dtype=object)[own]
    columns = {
        "stem_id": [f"{track}/{label}" for track, label in zip(names, labels, strict=True)],
        "track": names.tolist(),
        "stem": labels.tolist(),
        "role": np.where(clean, "calibration", "corpus").tolist(),
        "outcome": np.where(clean | candidates, "scored", "silent").tolist(),
        **{name: pa.array(values.tolist()) for name, values in like.items()},
    }
    evidence = Evidence(tuple(f"label-{k}" for k in range(LABELS)), {name: (name, "dB", True) for name in like})
    asked = Asked(pa.table(columns))
    return len(beside_silent_ones(asked, evidence, {}, wrong)), asked.times


def test_of_more_stems_no_column_is_read_more_often():
    (few, once), (many, again) = told_of(4), told_of(40)
    assert few < many
    assert again == once
