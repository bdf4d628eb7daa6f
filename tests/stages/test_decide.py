from __future__ import annotations

import os
from dataclasses import replace

import pyarrow as pa
import pytest

from raysep.config import DecisionSettings
from raysep.corpus import manifest
from raysep.corpus.inputs import Inputs
from raysep.errors import BadInput
from raysep.stages import decide
from raysep.stages.plant import Planting


@pytest.mark.parametrize("probe", ["fused", "fad-z", "loss_worst"])
def test_a_ratio_may_rank_by_any_probe(probe):
    decide.check_probe(DecisionSettings(probe=probe))


def test_a_probe_that_no_run_has_is_refused_before_any_work():
    with pytest.raises(BadInput, match=r"decision\.probe = 'fadz': must be fused or one of .*fad-z"):
        decide.check_probe(DecisionSettings(probe="fadz"))


@pytest.mark.parametrize(("chosen", "left"), [("drop", {"A/vocals"}), ("weight", {"A/vocals", "A/drums"})])
def test_the_cleaned_manifest_is_what_the_handling_uses(make_context, make_stems, monkeypatch, chosen, left):
    context, corpus = make_context(decision={"handling": chosen}), make_stems(["A"])
    rows = [{"stem_id": s.stem_id, "keep": s.stem == "vocals", "weight": 0.5} for s in corpus[:2]]
    rows += [{"stem_id": s.stem_id, "keep": False, "weight": 0.0} for s in corpus[2:]]
    table = pa.Table.from_pylist(rows)
    summary = {"estimated_share": 0.5, "counts": {"removed": 3}, "warning": None}
    for name, value in (("per_stem", table), ("by_rule", table), ("summarise", summary)):
        monkeypatch.setattr(decide, name, lambda *_, value=value: value)
    decide.decide(context, Inputs(corpus, [], []), Planting([], [], [], {}))
    assert manifest.read(context.run.path("cleaned.parquet")) == sorted(s for s in corpus if s.stem_id in left)
    assert context.run.read_json("done", "decide.json")["handling"].startswith(f"{chosen}: ")


# Relabelling


def decided(context, corpus, monkeypatch, rows, stems=None) -> dict:
    """The stage's own part, by these decision rows; the record that it leaves."""
    table = pa.Table.from_pylist(rows)
    summary = {"estimated_share": 0.5, "counts": {"removed": 3}, "warning": None}
    for name, value in (("per_stem", table if stems is None else stems), ("by_rule", table), ("summarise", summary)):
        monkeypatch.setattr(decide, name, lambda *_, value=value: value)
    decide.decide(context, Inputs(corpus, [], []), Planting([], [], [], {}))
    return context.run.read_json("done", "decide.json")


def swapped(corpus, **labels) -> list[dict]:
    return [
        {"stem_id": s.stem_id, "keep": s.stem not in labels, "weight": 0.5, "label": labels.get(s.stem)} for s in corpus
    ]


def test_a_removed_stem_is_in_the_cleaned_manifest_under_the_label_it_belongs_to(make_context, make_stems, monkeypatch):
    context, corpus = make_context(decision={"handling": "relabel"}), make_stems(["A"])
    record = decided(context, corpus, monkeypatch, swapped(corpus, bass="drums", drums="bass", other=None))
    cleaned = {s.stem_id: s.stem for s in manifest.read(context.run.path("cleaned.parquet"))}
    assert cleaned == {"A/vocals": "vocals", "A/bass": "drums", "A/drums": "bass"}
    assert record["otherwise"] == "2 stems are used under another label, first A/bass as drums"


@pytest.mark.parametrize(
    ("handling", "said"),
    [
        ("drop", ""),
        ("relabel", "by two sources that never saw the corpus"),
        ("auto", "; so auto does here as drop does"),
    ],
)
def test_a_handling_that_found_nothing_to_choose_by_says_why(make_context, make_stems, monkeypatch, handling, said):
    context, corpus = make_context(decision={"handling": handling}), make_stems(["A"])
    record = decided(context, corpus, monkeypatch, swapped(corpus, other=None))
    assert said in record["unchosen"]
    assert bool(record["unchosen"]) == bool(said)
    assert context.run.read_json("summary.json")["handled"]["unchosen"] == record["unchosen"]
    assert record["otherwise"] == ""


# A row per stem


def test_the_parts_of_the_scores_one_after_another_give_what_all_of_them_together_do(make_context, make_stems):
    """A part of nothing but failures comes first: it describes no probe, and its columns are not all there are."""
    from raysep.decision.aggregate import per_stem, with_roles
    from raysep.decision.roles import Role
    from raysep.probes import stored
    from raysep.probes.catalogue import PROBES
    from raysep.rundir import read_scores

    context, corpus = make_context(), make_stems("ABC")
    run, probes = context.run, [PROBES["loss"], PROBES["signal-flatness"]]

    def rows(stem, segment: int, outcome: str = "scored") -> dict:
        about = {"stem_id": stem.stem_id, "track": stem.track, "stem": stem.stem, "outcome": outcome}
        return about | {"level_dbfs": -20.0, "loss": segment - ord(stem.track) / 7, "signal-flatness": 0.5}

    failures = [{**rows(s, 0, "failed"), "loss": None, "signal-flatness": None} for s in corpus if s.track == "C"]
    scored = [rows(s, segment) for s in corpus if s.track != "C" for segment in (0, 1)]
    told = stored.description("abc", probes)
    run.write_table(
        pa.Table.from_pylist(failures).select(["stem_id", "track", "stem", "outcome"]), "scores", "part-0.parquet"
    )
    run.write_table(pa.Table.from_pylist(scored[::-1]).replace_schema_metadata(told), "scores", "part-1.parquet")
    planting = Planting([], [], [], {"A/bass": Role("planted", "clip", "R")})
    judged = [s for s in corpus if s.stem_id != "A/bass"]
    found = decide.per_stem(run, judged, planting)
    whole = read_scores(run)
    slow = per_stem(whole, list(stored.columns_of(whole)), stored.oriented_in(whole))
    slow = with_roles(slow, {s.stem_id for s in judged}, planting.roles)
    assert run.read_table("stems.parquet").select(slow.column_names).to_pylist() == slow.to_pylist()
    assert stored.columns_of(found) == stored.columns_of(whole)
    assert len(found) == 12


def test_stems_whose_channels_cancel_are_counted_and_the_first_is_named():
    table = pa.table({"stem_id": ["B/x", "A/x", "C/x", "D/x"], decide.CANCEL: [-94.0, -9.5, -8.0, None]})
    assert decide.channels_cancel(table).startswith("channels cancel in 2 stems, first A/x")
    assert decide.channels_cancel(table.slice(2)) == ""
    assert decide.channels_cancel(table.drop_columns([decide.CANCEL])) == ""  # a run with other probes


def test_the_stage_obeys_the_verdicts_that_the_run_was_given(make_context, make_stems, monkeypatch):
    from dataclasses import replace

    from raysep.decision.by_hand import Said
    from raysep.decision.rules import Ratio
    from raysep.decision.verdicts import verdicts

    context, corpus = make_context(), make_stems("ABCDE")
    stems = pa.Table.from_pylist(
        [
            {"stem_id": s.stem_id, "track": s.track, "stem": s.stem, "outcome": "scored", "fad": -float(ord(s.track))}
            for s in corpus
        ]
    )
    given = []
    monkeypatch.setattr(decide, "per_stem", lambda *_: stems)
    monkeypatch.setattr(decide, "by_rule", lambda *more: given.append(more[3:]) or verdicts(stems, Ratio(0.2, "fad")))
    context.run.open("abc", {"config": {}})
    said = (Said("E/bass", "keep", "", 2), Said("A/drums", "vocals", "", 3))
    for refit in (False, True):
        inner = replace(context, said=said, refit=refit)
        context.run.update({"stages": {}})
        decide.decide(inner, Inputs(corpus, [], []), Planting([], [], [], {}))
        cleaned = {s.stem_id: s.stem for s in manifest.read(context.run.path("cleaned.parquet"))}
        assert cleaned["E/bass"] == "bass"
        assert cleaned["A/drums"] == "vocals"
        assert context.run.read_json("summary.json")["verdicts"]["given"] == 2
        os.remove(context.run.path("done", "decide.json"))
    assert given == [(), ({"E/bass": "keep", "A/drums": "vocals"},)]


def test_a_corpus_that_was_moved_is_in_the_cleaned_manifest_where_it_lies_now(make_context, make_stems, monkeypatch):
    context, corpus = make_context(decision={"handling": "drop"}), make_stems(["A"])
    decided(context, corpus, monkeypatch, swapped(corpus, bass="drums"))
    moved = [replace(stem, uri=f"/new{stem.uri}") for stem in corpus]
    decided(context, moved, monkeypatch, [])
    cleaned = manifest.read(context.run.path("cleaned.parquet"))
    assert cleaned == sorted(stem for stem in moved if stem.stem != "bass")
