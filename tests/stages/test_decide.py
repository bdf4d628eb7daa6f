from __future__ import annotations

import os

import pyarrow as pa
import pytest

from raysep import own_verdicts
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
    assert record["otherwise"] == "2 stems are used under another label, first A/bass as drums"


@pytest.mark.parametrize(("handling", "said"), [("drop", ""), ("relabel", "by two sources that never saw the corpus")])
def test_a_relabelling_that_found_nothing_says_why(make_context, make_stems, monkeypatch, handling, said):
    context, corpus = make_context(decision={"handling": handling}), make_stems(["A"])
    record = decided(context, corpus, monkeypatch, swapped(corpus, other=None))
    assert said in record["otherwise"]
    assert bool(record["otherwise"]) == bool(said)


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
    assert found.select(slow.column_names).to_pylist() == slow.to_pylist()
    assert stored.columns_of(found) == stored.columns_of(whole)
    assert len(found) == 12


# Again


@pytest.fixture
def scored(make_context, make_stems):
    """A run that has scored ten tracks by one probe: the higher the number of a track, the worse."""
    from raysep import config as settings

    context, corpus = make_context(decision={"rule": "ratio", "ratio": 0.2, "probe": "fad"}), make_stems("ABCDEFGHIJ")
    rows = [
        {"stem_id": s.stem_id, "track": s.track, "stem": s.stem, "outcome": "scored", "fad": -float(ord(s.track))}
        for s in corpus
    ]
    context.run.open("abc", {"config": settings.to_dict(context.config)})
    context.run.write_table(pa.Table.from_pylist(rows), "stems.parquet")
    manifest.write(context.run.path("manifest.parquet"), corpus)
    return context.run


@pytest.fixture
def verdicts_of(tmp_path):
    def write(text: str) -> str:
        (tmp_path / "verdicts.csv").write_text(f"stem_id,verdict,note\n{text}")
        return str(tmp_path / "verdicts.csv")

    return write


def test_deciding_again_leaves_the_manifest_of_what_is_used_too(scored, tmp_path):
    again = decide.decide_again(scored, {"ratio": 0.5}, str(tmp_path / "half.parquet"))
    used = manifest.read(str(tmp_path / "half-cleaned.parquet"))
    assert {s.track for s in used} == set("ABCDE")
    assert used == sorted(again.used)
    elsewhere = tmp_path / "lists" / "used.parquet"
    decide.decide_again(scored, {}, str(tmp_path / "fifth.parquet"), to_manifest=str(elsewhere))
    assert {s.track for s in manifest.read(str(elsewhere))} == set("ABCDEFGH")


def test_a_decision_as_csv_has_the_rows_of_the_table(scored, tmp_path):
    import csv

    again = decide.decide_again(scored, {}, str(tmp_path / "again.csv"))
    rows = list(csv.DictReader((tmp_path / "again.csv").open()))
    assert [(row["stem_id"], row["keep"] == "True") for row in rows] == [
        (row["stem_id"], row["keep"]) for row in again.table.to_pylist()
    ]
    assert manifest.read(str(tmp_path / "again-cleaned.parquet")) == sorted(again.used)


def test_a_persons_word_goes_into_the_table_the_manifest_and_the_summary(scored, verdicts_of, tmp_path):
    said = verdicts_of("J/bass,keep,fine\nA/drums,remove,\nA/other,vocals,choir\nX/bass,keep,\n")
    again = decide.decide_again(scored, {}, str(tmp_path / "mine.parquet"), verdicts=said)
    used = {s.stem_id: s.stem for s in manifest.read(str(tmp_path / "mine-cleaned.parquet"))}
    assert used["J/bass"] == "bass"
    assert "A/drums" not in used
    assert used["A/other"] == "vocals"
    assert again.summary["verdicts"]["unknown"] == 1


def test_the_command_says_what_became_of_the_verdicts(raysep, scored, verdicts_of, tmp_path):
    out = tmp_path / "mine.parquet"
    said = verdicts_of("J/bass,keep,fine\nX/bass,keep,\n")
    code, output, _ = raysep("decide", scored.root, "--verdicts", said, "--out", str(out))
    assert code == 0
    assert output.splitlines()[0].startswith("How many stems are wrong is not known: 0 scored calibration stems")
    assert output.splitlines()[1:] == [
        "7 of 40 stems removed.",
        "your 2 verdicts: 1 kept, 0 removed, 0 under another label; 1 of them against the rule",
        "1 of your 2 verdicts name no stem of the corpus, first X/bass",
        f"decision: {out}",
        f"33 stems are used (drop): {tmp_path}/mine-cleaned.parquet",
    ]


def test_what_decide_made_it_may_replace_and_nothing_else(raysep, scored, tmp_path):
    out, theirs = str(tmp_path / "a.parquet"), tmp_path / "b.parquet"
    for _ in range(2):
        assert raysep("decide", scored.root, "--out", out)[0] == 0
    decide.decide_again(scored, {}, scored.path("other.parquet"))
    theirs.write_text("mine")
    before = scored.read_bytes("stems.parquet")
    for place in (str(theirs), scored.path("stems.parquet"), scored.path("manifest.parquet")):
        code, output, error = raysep("decide", scored.root, "--out", place)
        assert (code, output) == (4, "")
        assert "exists already" in error
    code, _, error = raysep("decide", scored.root, "--out", str(tmp_path / "c.parquet"), "--manifest", str(theirs))
    assert code == 4
    assert f"--manifest {theirs}" in error
    assert (theirs.read_text(), scored.read_bytes("stems.parquet")) == ("mine", before)
    assert raysep("decide", scored.root, "--out", str(theirs), "--overwrite")[0] == 0


def test_a_csv_is_not_replaced_since_it_may_have_been_filled_in(raysep, scored, tmp_path):
    out = str(tmp_path / "a.csv")
    assert raysep("decide", scored.root, "--out", out)[0] == 0
    assert raysep("decide", scored.root, "--out", out)[0] == 4


def test_an_ending_that_is_none_is_refused(scored, tmp_path):
    with pytest.raises(BadInput, match=r"--out .*\.txt: must end in \.parquet or \.csv"):
        decide.decide_again(scored, {}, str(tmp_path / "a.txt"))
    with pytest.raises(BadInput, match=r"--manifest x\.parquet: comes with a decision"):
        decide.decide_again(scored, {}, to_manifest="x.parquet")


def test_stems_whose_channels_cancel_are_counted_and_the_first_is_named():
    table = pa.table({"stem_id": ["B/x", "A/x", "C/x", "D/x"], decide.CANCEL: [-94.0, -9.5, -8.0, None]})
    assert decide.channels_cancel(table).startswith("channels cancel in 2 stems, first A/x")
    assert decide.channels_cancel(table.slice(2)) == ""
    assert decide.channels_cancel(table.drop_columns([decide.CANCEL])) == ""  # a run with other probes


def test_a_run_that_was_cleaned_by_verdicts_decides_again_by_them(scored, verdicts_of):
    """And by others where they are given."""
    said = verdicts_of("J/bass,keep,fine\nA/drums,remove,\n")
    own_verdicts.keep(scored, said, *own_verdicts.parts(said, False, ("vocals", "drums", "bass", "other")))
    table = decide.decide_again(scored, {}).table
    assert {row["stem_id"]: row["verdict"] for row in table.to_pylist() if row["verdict"]} == {
        "J/bass": "keep",
        "A/drums": "remove",
    }
    other = decide.decide_again(scored, {}, verdicts=verdicts_of("A/other,remove,\n")).table
    assert [row["stem_id"] for row in other.to_pylist() if row["verdict"]] == ["A/other"]


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


def test_a_refit_without_verdicts_is_refused(raysep, scored, tmp_path):
    code, _, error = raysep("decide", scored.root, "--refit", "--out", str(tmp_path / "x.parquet"))
    assert (code, error.strip()) == (2, "raysep: --refit: learns from your verdicts: give --verdicts too")


def test_a_refit_of_a_run_without_a_fusion_says_so(raysep, scored, verdicts_of, tmp_path):
    said = verdicts_of("J/bass,keep,fine\n")
    code, output, _ = raysep("decide", scored.root, "--verdicts", said, "--refit", "--out", str(tmp_path / "x.parquet"))
    assert code == 0
    assert "nothing is learnt from your verdicts" in output
