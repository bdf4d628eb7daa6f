from __future__ import annotations

import pyarrow as pa
import pytest

from raysep import own_verdicts
from raysep.again import decide_again
from raysep.corpus import manifest
from raysep.errors import BadInput


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
    again = decide_again(scored, {"ratio": 0.5}, str(tmp_path / "half.parquet"))
    used = manifest.read(str(tmp_path / "half-cleaned.parquet"))
    assert {s.track for s in used} == set("ABCDE")
    assert used == sorted(again.used)
    elsewhere = tmp_path / "lists" / "used.parquet"
    decide_again(scored, {}, str(tmp_path / "fifth.parquet"), to_manifest=str(elsewhere))
    assert {s.track for s in manifest.read(str(elsewhere))} == set("ABCDEFGH")


def test_a_decision_as_csv_has_the_rows_of_the_table(scored, tmp_path):
    import csv

    again = decide_again(scored, {}, str(tmp_path / "again.csv"))
    rows = list(csv.DictReader((tmp_path / "again.csv").open()))
    assert [(row["stem_id"], row["keep"] == "True") for row in rows] == [
        (row["stem_id"], row["keep"]) for row in again.table.to_pylist()
    ]
    assert manifest.read(str(tmp_path / "again-cleaned.parquet")) == sorted(again.used)


def test_a_persons_word_goes_into_the_table_the_manifest_and_the_summary(scored, verdicts_of, tmp_path):
    said = verdicts_of("J/bass,keep,fine\nA/drums,remove,\nA/other,vocals,choir\nX/bass,keep,\n")
    again = decide_again(scored, {}, str(tmp_path / "mine.parquet"), verdicts=said)
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
    counted, unchosen, *rest = output.splitlines()[1:]
    assert counted == "7 of 40 stems removed."
    assert unchosen.startswith("No stem is used under another label: the scores do not say what a stem is like")
    assert unchosen.endswith("; so auto does here as drop does.")
    assert rest == [
        "your 2 verdicts: 1 kept, 0 removed, 0 under another label; 1 of them against the rule",
        "1 of your 2 verdicts name no stem of the corpus, first X/bass",
        f"decision: {out}",
        f"33 stems are used (auto): {tmp_path}/mine-cleaned.parquet",
    ]


def test_by_drop_nothing_is_said_of_what_auto_could_not_choose(raysep, scored, tmp_path):
    out = tmp_path / "dropped.parquet"
    code, output, _ = raysep("decide", scored.root, "--handling", "drop", "--out", str(out))
    assert code == 0
    assert output.splitlines()[1:] == [
        "8 of 40 stems removed.",
        f"decision: {out}",
        f"32 stems are used (drop): {tmp_path}/dropped-cleaned.parquet",
    ]


def test_what_decide_made_it_may_replace_and_nothing_else(raysep, scored, tmp_path):
    out, theirs = str(tmp_path / "a.parquet"), tmp_path / "b.parquet"
    for _ in range(2):
        assert raysep("decide", scored.root, "--out", out)[0] == 0
    decide_again(scored, {}, scored.path("other.parquet"))
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
        decide_again(scored, {}, str(tmp_path / "a.txt"))
    with pytest.raises(BadInput, match=r"--manifest x\.parquet: comes with a decision"):
        decide_again(scored, {}, to_manifest="x.parquet")


def test_a_run_that_was_cleaned_by_verdicts_decides_again_by_them(scored, verdicts_of):
    """And by others where they are given."""
    said = verdicts_of("J/bass,keep,fine\nA/drums,remove,\n")
    own_verdicts.keep(scored, said, *own_verdicts.parts(said, False, ("vocals", "drums", "bass", "other")))
    table = decide_again(scored, {}).table
    assert {row["stem_id"]: row["verdict"] for row in table.to_pylist() if row["verdict"]} == {
        "J/bass": "keep",
        "A/drums": "remove",
    }
    other = decide_again(scored, {}, verdicts=verdicts_of("A/other,remove,\n")).table
    assert [row["stem_id"] for row in other.to_pylist() if row["verdict"]] == ["A/other"]


def test_a_refit_without_verdicts_is_refused(raysep, scored, tmp_path):
    code, _, error = raysep("decide", scored.root, "--refit", "--out", str(tmp_path / "x.parquet"))
    assert (code, error.strip()) == (2, "raysep: --refit: learns from your verdicts: give --verdicts too")


def test_a_refit_of_a_run_without_a_fusion_says_so(raysep, scored, verdicts_of, tmp_path):
    said = verdicts_of("J/bass,keep,fine\n")
    code, output, _ = raysep("decide", scored.root, "--verdicts", said, "--refit", "--out", str(tmp_path / "x.parquet"))
    assert code == 0
    assert "nothing is learnt from your verdicts" in output
