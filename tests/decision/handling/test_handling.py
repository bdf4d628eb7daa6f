"""The registry, and what all handlings keep to; each one's own meaning beside a plain loop over the rows."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raysep.corpus.manifest import Stem
from raysep.decision import handling
from raysep.decision.handling import HANDLINGS, Entry, use
from raysep.errors import BadInput

WEIGHTS = st.one_of(st.just(0.0), st.floats(1e-3, 1.0))
MADE = {"uri": "/run/restored.wav", "format": "WAV/PCM_16", "bytes": 9, "etag": "md5-x"}
SPANS = st.sampled_from([(), ((0.5, 1.0),), ((0.0, 1.0), (2.0, 2.5))])
ROWS = st.fixed_dictionaries(
    {
        "keep": st.booleans(),
        "weight": WEIGHTS,
        "spans": SPANS,
        "places": st.sampled_from([None, "wrong in most places"]),
        "descended": st.one_of(st.none(), st.just(0.0), st.floats(1e-3, 2.0)),
        "restored": st.sampled_from([None, json.dumps(MADE)]),
    },
    optional={
        "label": st.sampled_from([None, "drums", "vocals", "bass"]),
        "harm": st.one_of(st.none(), st.floats(0.0, 1.0)),
    },  # a table of a person's own may have none
)
DECISIONS = st.dictionaries(st.integers(0, 12).map(lambda k: f"t{k}/bass"), ROWS)


def stem(stem_id: str) -> Stem:
    track, label = stem_id.split("/")
    return Stem(stem_id, track, label, f"/no/{stem_id}.wav", 8000, 1, 8000, "WAV/PCM_16", 16044, "")


STEMS = [stem(f"t{k}/bass") for k in range(10)]  # the decision may name others, and not name some


def test_names_are_those_of_the_registry_and_every_one_says_what_it_does():
    for name in HANDLINGS:
        assert handling.resolve(name).name == name
        assert f"{name}: {handling.resolve(name).about}" in handling.described()


@pytest.mark.parametrize("name", HANDLINGS)
@given(decision=DECISIONS, order=st.permutations(STEMS))
def test_every_handling_uses_only_stems_that_the_decision_names_in_any_order(name, decision, order):
    entries = use(name, decision, order)
    assert {e.stem.stem_id for e in entries} <= set(decision) & {s.stem_id for s in STEMS}
    assert len({e.stem for e in entries}) == len(entries)
    assert sorted(entries) == sorted(use(name, decision, STEMS))


@given(decision=DECISIONS)
def test_drop_is_all_or_nothing(decision):
    expected = [Entry(s) for s in STEMS if s.stem_id in decision and decision[s.stem_id]["keep"]]
    assert use("drop", decision, STEMS) == expected


@given(decision=DECISIONS)
def test_weight_asks_for_the_weight_alone(decision):
    expected = []
    for s in STEMS:
        row = decision.get(s.stem_id, {"weight": 0.0})
        if row["weight"] > 0:
            expected.append(Entry(s, row["weight"]))
    assert use("weight", decision, STEMS) == expected


@given(decision=DECISIONS)
def test_table_takes_every_column_at_its_word(decision):
    expected = []
    for s in STEMS:
        row = decision.get(s.stem_id, {"keep": False})
        if row["keep"] and row["weight"] > 0:
            expected.append(Entry(s, row["weight"], row["spans"]))
    assert use("table", decision, STEMS) == expected


@given(decision=DECISIONS)
def test_relabel_keeps_what_is_kept_and_moves_what_belongs_elsewhere(decision):
    expected = []
    for s in STEMS:
        row = decision.get(s.stem_id, {"keep": False})
        if row["keep"]:
            expected.append(Entry(s))
        elif row.get("label") in ("drums", "vocals"):
            expected.append(Entry(s, label=row["label"]))
    entries = use("relabel", decision, STEMS)
    assert entries == expected
    assert {e.stem for e in use("drop", decision, STEMS)} == {e.stem for e in entries if e.label == e.stem.stem}
    moved = [e for e in entries if e.label != e.stem.stem]
    assert handling.relabelled(entries).startswith(f"{len(moved)} stem" if moved else "")
    assert bool(handling.relabelled(entries)) == bool(moved)


@given(decision=DECISIONS)
def test_spare_keeps_what_does_no_harm_and_auto_moves_before_it_spares_and_spares_before_it_restores(decision):
    spared, moved = [], []
    for s in STEMS:
        row = decision.get(s.stem_id)
        if row is None:
            continue
        harm, label = row.get("harm"), row.get("label")
        harmless = harm is not None and harm < 0.2
        if row["keep"] or harmless:
            spared.append(Entry(s))
        if row["keep"]:
            moved.append(Entry(s))
        elif label not in (None, "bass"):
            moved.append(Entry(s, label=label))
        elif harmless:
            moved.append(Entry(s))
        elif row["restored"]:
            moved.append(Entry(replace(s, **MADE)))
    assert use("spare", decision, STEMS) == spared
    assert use("auto", decision, STEMS) == moved


def test_what_is_used_although_it_looks_wrong_is_said_with_the_first():
    rows = {s.stem_id: {"keep": k > 2, "weight": 1.0, "harm": 0.1, "label": None} for k, s in enumerate(STEMS)}
    entries = use("spare", rows, STEMS)
    said = "3 stems look wrong and are used, as their fault does no harm, first t0/bass"
    assert handling.spared(entries, rows) == said
    assert handling.told([*entries, Entry(STEMS[5], label="drums")], rows).endswith(f"; {said}")
    one = [e for e in entries if e.stem.stem_id != "t0/bass" and e.stem.stem_id != "t1/bass"]
    assert handling.spared(one, rows) == "1 stem looks wrong and is used, as its fault does no harm, first t2/bass"
    assert handling.told(use("drop", rows, STEMS), rows) == ""
    said_so = {i: row | {"verdict": "keep"} for i, row in rows.items()}
    assert handling.spared(use("spare", said_so, STEMS), said_so) == ""  # a person's word is no handling's doing


@pytest.mark.parametrize("name", [name for name in HANDLINGS if name not in ("table", "descend")])
@given(decision=DECISIONS, failed=st.sets(st.sampled_from([s.stem_id for s in STEMS])))
def test_whatever_is_not_kept_is_left_out_or_counted_as_used_in_one_other_way(name, decision, failed):
    """So that what a run says of its stems leaves none out. ``table`` and ``descend`` go by weights of kept stems too."""
    stems = [s for s in STEMS if s.stem_id in decision]
    decision = {s.stem_id: {**decision[s.stem_id], "outcome": "scored"} for s in stems}
    for stem_id in failed & set(decision):
        decision[stem_id] |= {
            "keep": False,
            "weight": 0.0,
            "label": None,
            "harm": None,
            "outcome": "failed",
            "spans": (),
            "restored": None,
        }
    removed = sum(not row["keep"] and row["outcome"] != "failed" for row in decision.values())
    if name == "weight":  # of a kept stem it is never 0, see the verdicts
        decision = {i: row | {"weight": max(row["weight"], 0.001 * row["keep"])} for i, row in decision.items()}
    told = handling.counted(name, use(name, decision, stems), decision)
    assert removed == sum(told[key] for key in ("left_out", "relabelled", "spared", "masked", "restored", "weighed"))
    assert told["used"] + told["left_out"] + len(failed & set(decision)) == len(stems)


def test_how_many_are_relabelled_is_said_with_the_first_whatever_the_order():
    moved = [
        Entry(STEMS[3], label="drums"),
        Entry(STEMS[1], label="vocals"),
        Entry(STEMS[0]),
        Entry(STEMS[2], 0.0, label="x"),
    ]
    assert handling.relabelled(moved) == "2 stems are used under another label, first t1/bass as vocals"
    assert handling.relabelled(moved[:1]) == "1 stem is used under another label, first t3/bass as drums"


# One's own

MORE = """
def relabel(decision, stems):
    return [Entry(stem, label="drums") for stem, row in named(decision, stems)]


RELABEL = Handling("relabel", "everything is drums", relabel)
NEGATIVE = Handling("negative", "", lambda decision, stems: [Entry(stem, -1.0) for stem in stems])
STEMS = Handling("stems", "", lambda decision, stems: stems)
"""


@pytest.fixture
def own(own_module, own_files):
    own_module("my_handlings", own_files["my_handling.py"] + MORE)


def test_one_of_ones_own_by_import_path(own):
    decision = {f"t{k}/bass": {"keep": k > 0, "p_corrupt": [0.9, 0.3, 0.1, None][k]} for k in range(4)}
    entries = use("my_handlings:GENTLE", decision, STEMS)
    assert [(e.stem.stem_id, e.weight) for e in entries] == [("t1/bass", 0.5), ("t2/bass", 1.0), ("t3/bass", 1.0)]
    relabelled = use("my_handlings:RELABEL", decision, STEMS)
    assert {(e.label, e.used.stem, e.stem.stem) for e in relabelled} == {("drums", "drums", "bass")}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "keep",
            r"'keep': not known; choose one of drop, weight, relabel, spare, auto, mask, table, descend, restore, or give .*package\.module:NAME",
        ),
        ("no_such:THING", r"'no_such:THING': cannot be imported \(ModuleNotFoundError"),
        ("my_handlings:NONE", r"cannot be imported \(AttributeError"),
        ("my_handlings:gentle", r"not a raysep\.decision\.handling\.Handling"),
        ("my_handlings:NEGATIVE", r"weight -1\.0 of t0/bass: must be a number of at least 0"),
        ("my_handlings:STEMS", r"gives Stem\(.*which is not a raysep\.training\.entry\.Entry"),
    ],
)
def test_what_cannot_be_used_is_refused(own, name, words):
    with pytest.raises(BadInput, match=words):
        use(name, {}, STEMS)


def test_the_handlings_are_light_enough_for_the_help():
    code = "import sys; from raysep.decision import handling; handling.described(); print('numpy' in sys.modules, 'pyarrow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.split() == ["False"] * 2
