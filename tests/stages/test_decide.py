from __future__ import annotations

import pyarrow as pa
import pytest

from raysep.config import DecisionSettings
from raysep.corpus import manifest
from raysep.errors import BadInput
from raysep.stages import decide
from raysep.stages.inputs import Inputs
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
    assert record["relabelled"] == "2 stems are used under another label, first A/bass as drums"


@pytest.mark.parametrize(("handling", "said"), [("drop", ""), ("relabel", "by two sources that never saw the corpus")])
def test_a_relabelling_that_found_nothing_says_why(make_context, make_stems, monkeypatch, handling, said):
    context, corpus = make_context(decision={"handling": handling}), make_stems(["A"])
    record = decided(context, corpus, monkeypatch, swapped(corpus, other=None))
    assert said in record["relabelled"]
    assert bool(record["relabelled"]) == bool(said)


def test_stems_whose_channels_cancel_are_counted_and_the_first_is_named():
    table = pa.table({"stem_id": ["B/x", "A/x", "C/x", "D/x"], decide.CANCEL: [-94.0, -9.5, -8.0, None]})
    assert decide.channels_cancel(table).startswith("channels cancel in 2 stems, first A/x")
    assert decide.channels_cancel(table.slice(2)) == ""
    assert decide.channels_cancel(table.drop_columns([decide.CANCEL])) == ""  # a run with other probes
