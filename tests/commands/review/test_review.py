"""`raysep review`: reads a person's verdicts, obeys them and learns from them, and shows what they change."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from raysep import config as settings
from raysep.corpus import manifest
from raysep.decision import handling
from raysep.decision.handling.reading import rows_of
from raysep.rundir import Run
from raysep.stages import decide
from tests.decision.conftest import make_world


def finish(context, corpus, scores: pa.Table) -> Run:
    """The run as it is when it has decided."""
    run = context.run
    run.open("abc", {"config": settings.to_dict(context.config), "versions": {"raysep": "0"}, "test": None})
    manifest.write(run.path("manifest.parquet"), corpus)
    run.write_table(scores, "stems.parquet")
    table = decide.table_again(run, {})
    run.write_table(table, "decision.parquet")
    name, rows = context.config.decision.handling, rows_of(table)
    entries = handling.use(name, rows, corpus)
    manifest.write(run.path("cleaned.parquet"), [entry.used for entry in entries if entry.weight > 0])
    told = decide.told_of(name, entries, rows, scores)
    run.write_json(decide.summarise(run, table) | {"handled": told}, "summary.json")
    run.write_table(pa.table({"stem_id": pa.array([], pa.string())}), "failed.parquet")
    return run


@pytest.fixture
def decided(make_context, make_stems) -> Run:
    """Ten tracks by one probe: the higher the letter, the worse; a fifth, I and J, is removed."""
    context, corpus = make_context(decision={"rule": "ratio", "ratio": 0.2, "probe": "fad"}), make_stems("ABCDEFGHIJ")
    rows = [
        {"stem_id": s.stem_id, "track": s.track, "stem": s.stem, "outcome": "scored", "fad": -float(ord(s.track))}
        for s in corpus
    ]
    return finish(context, corpus, pa.Table.from_pylist(rows))


@pytest.fixture
def verdicts(tmp_path):
    def write(text: str) -> str:
        (tmp_path / "verdicts.csv").write_text(f"stem_id,verdict,note\r\n{text}")
        return str(tmp_path / "verdicts.csv")

    return write


def holding(folder: str) -> dict[str, str]:
    files = [path for path in Path(folder).rglob("*") if path.is_file()]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


SAID = 'J/bass,keep,"fine, really"\nA/drums,remove,\nA/other,vocals,choir\nB/bass,keep,\nX/bass,keep,\n'


def test_it_says_what_was_read_what_changed_and_what_comes_next(raysep, decided, verdicts):
    before = holding(decided.root)
    code, output, error = raysep("review", decided.root, verdicts(SAID))
    assert (code, error) == (0, "")
    lines = output.splitlines()
    out = decided.path("reviewed.parquet")
    assert lines[:8] == [
        f"5 verdicts read from {verdicts(SAID)}: on 4 stems of 3 tracks",
        "your 5 verdicts: 2 kept, 1 removed, 1 under another label; 3 of them against the rule",
        "1 of your 5 verdicts name no stem of the corpus, first X/bass",
        "nothing is learnt from your verdicts: none is of a scored stem, or there is no fusion to learn (one probe, or too few "
        "reference tracks)",
        "  J/bass  removed → kept",
        "  A/drums  kept → removed",
        "  A/other  kept → used as vocals",
        "  B/bass  kept, as before",
    ]
    assert "beyond these 0 stems are judged otherwise than before" in lines
    assert "before: 8 of 40 stems removed." in lines
    assert "now:    8 of 40 stems removed, 1 used under another label." in lines
    assert lines[-5:] == [
        f"decision: {out}",
        f"32 stems are used (auto): {decided.path('reviewed-cleaned.parquet')}",
        f"look and listen: {decided.path('reviewed.html')}",
        f"next: raysep train {decided.path('reviewed-cleaned.parquet')} --out runs/mine --test TEST",
        f"  or: raysep export {decided.root} --decision {out} --to cleaned --form msst",
    ]
    after = holding(decided.root)
    made = {"reviewed.parquet", "reviewed-cleaned.parquet", "reviewed.html"}
    assert {name: digest for name, digest in after.items() if name not in made} == before  # the run's own stays
    assert after.keys() == before.keys() | made


def test_it_is_the_decision_that_decide_makes_of_the_same_verdicts(raysep, decided, verdicts, tmp_path):
    said, mine, theirs = verdicts(SAID), tmp_path / "mine.parquet", tmp_path / "theirs.parquet"
    assert raysep("review", decided.root, said, "--no-refit", "--out", str(mine))[0] == 0
    assert raysep("decide", decided.root, "--verdicts", said, "--out", str(theirs))[0] == 0
    assert pq.read_table(mine).to_pylist() == pq.read_table(theirs).to_pylist()
    used, others = (manifest.read(str(tmp_path / f"{name}-cleaned.parquet")) for name in ("mine", "theirs"))
    assert used == others


def test_the_page_begins_with_the_verdicts_and_shows_what_they_change(raysep, decided, verdicts):
    assert raysep("review", decided.root, verdicts(SAID))[0] == 0
    page = decided.read_bytes("reviewed.html").decode()
    found = json.loads(page.split('id="stems">')[1].split("</script>")[0])
    assert found["said"] == [
        ["J/bass", "keep", "fine, really"],
        ["A/drums", "remove", ""],
        ["A/other", "vocals", "choir"],
        ["B/bass", "keep", ""],
    ]
    assert found["key"].startswith("abc ")  # what a browser keeps of the run's own page is another thing
    assert "What did your verdicts change?" in page
    assert "With your 4 verdicts in it: 0 other stems are judged otherwise than before." in page
    assert f"raysep review {decided.root} verdicts.csv" in page


def test_its_own_it_replaces_and_nothing_else(raysep, decided, verdicts, tmp_path):
    said = verdicts(SAID)
    for _ in range(2):
        assert raysep("review", decided.root, said)[0] == 0
    theirs = str(tmp_path / "theirs.parquet")
    assert raysep("decide", decided.root, "--out", theirs)[0] == 0
    for place in (theirs, decided.path("decision.parquet"), decided.path("stems.parquet")):
        before = Path(place).read_bytes()
        code, output, error = raysep("review", decided.root, said, "--out", place)
        assert (code, output) == (4, "")
        assert "exists already" in error
        assert Path(place).read_bytes() == before
    page = tmp_path / "mine.html"
    page.write_text("mine")
    code, _, error = raysep("review", decided.root, said, "--out", str(tmp_path / "mine.parquet"))
    assert (code, page.read_text(), (tmp_path / "mine.parquet").exists()) == (4, "mine", False)
    assert f"--out {page}: exists already" in error
    assert raysep("review", decided.root, said, "--out", str(tmp_path / "mine.csv"), "--overwrite")[0] == 0
    assert next(csv.DictReader((tmp_path / "mine.csv").open()))["stem_id"] == "A/bass"


def test_without_verdicts_it_says_how_to_begin(raysep, decided):
    decided.write_bytes(b"<!DOCTYPE html>", "report.html")
    code, output, _ = raysep("review", decided.root)
    assert code == 0
    assert output.splitlines() == [
        f"listen, and say keep, remove or a label: raysep listen {decided.root}   (or open {decided.path('report.html')})",
        f"the page downloads verdicts.csv; then: raysep review {decided.root} verdicts.csv",
    ]
    for option in (("--json",), ("--overwrite",), ("--out", "x.parquet")):
        code, output, error = raysep("review", decided.root, *option)
        assert (code, output) == (2, "")
        assert error.startswith(f"raysep: {option[0]}: comes with verdicts: ")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("X/bass,keep,\nY/bass,remove,\n", "none of its 2 verdicts names a stem of "),
        ("J/bass,,looks odd\n", "says nothing: no row has a verdict"),
        ("", "says nothing: no row has a verdict"),
        ("J/bass,perhaps,\n", "must be one of keep, remove, vocals"),
        ("J/bass,keep,\nJ/bass,remove,\n", "keep one of them"),
    ],
)
def test_verdicts_that_say_nothing_of_the_run_change_nothing(raysep, decided, verdicts, text, told):
    before = holding(decided.root)
    code, output, error = raysep("review", decided.root, verdicts(text))
    assert (code, output, len(error.splitlines())) == (2, "", 1)
    assert told in error
    assert holding(decided.root) == before


def test_as_json_it_holds_what_the_words_say(raysep, decided, verdicts):
    code, output, _ = raysep("review", decided.root, verdicts(SAID), "--json")
    found = json.loads(output)
    assert code == 0
    assert [(row["stem_id"], row["verdict"], row["before"], row["after"]) for row in found["changed"]] == [
        ("J/bass", "keep", "removed", "kept"),
        ("A/drums", "remove", "kept", "removed"),
        ("A/other", "vocals", "kept", "used as vocals"),
        ("B/bass", "keep", "kept", "kept"),
    ]
    assert (found["by_hand"]["unknown"], found["by_hand"]["first_unknown"]) == (1, "X/bass")
    assert (found["before"]["counts"]["relabelled"], found["verdict"]["counts"]["relabelled"]) == (0, 1)
    assert (found["report"], found["used"]) == (decided.path("reviewed.html"), 32)
    assert found["verdict"]["effect"] == "unmeasured"


def test_a_name_with_blanks_about_it_is_that_stem(make_context, make_stems, raysep, verdicts):
    context, corpus = (
        make_context(decision={"rule": "ratio", "ratio": 0.2, "probe": "fad"}),
        make_stems([" A", "B", "C", "D", "E"]),
    )
    about = [{"stem_id": s.stem_id, "track": s.track, "stem": s.stem, "outcome": "scored"} for s in corpus]
    run = finish(
        context, corpus, pa.Table.from_pylist([{**row, "fad": -float(ord(row["track"][-1]))} for row in about])
    )
    code, output, _ = raysep("review", run.root, verdicts("A/bass,remove,\nB/bass ,keep,\n"), "--json")
    found = json.loads(output)
    assert code == 0
    assert [row["stem_id"] for row in found["changed"]] == [" A/bass", "B/bass"]
    assert found["by_hand"]["unknown"] == 0
    page = json.loads(run.read_bytes("reviewed.html").decode().split('id="stems">')[1].split("</script>")[0])
    assert page["said"] == [[" A/bass", "remove", ""], ["B/bass", "keep", ""]]


@pytest.mark.slow
def test_the_others_are_judged_otherwise_where_it_learns_and_only_then(make_context, make_stems, raysep, tmp_path):
    """By a real fusion, with the truth as the word on every other stem: the same others as decide --refit has."""
    world = make_world(3, share=0.4, tracks=30, calibration=40)
    tracks = sorted({row["track"] for row in world.stems.to_pylist() if row["role"] == "corpus"})
    run = finish(make_context(), make_stems(tracks), world.stems)
    own = {row["stem_id"]: row for row in run.read_table("decision.parquet").to_pylist()}
    wrong = {row["stem_id"] for row in world.truth if row["kind"] != "clean"}
    heard = sorted(own)[::2]
    file = tmp_path / "v.csv"
    file.write_text("stem_id,verdict\n" + "".join(f"{s},{'remove' if s in wrong else 'keep'}\n" for s in heard))
    found = {}
    for option in ("--refit", "--no-refit"):
        out = tmp_path / f"{option}.parquet"
        code, output, _ = raysep("review", run.root, str(file), option, "--out", str(out), "--json")
        assert code == 0
        found[option] = {row["stem_id"]: row for row in json.loads(output)["changed"] if row["verdict"] is None}
    assert found["--no-refit"] == {}
    assert raysep("decide", run.root, "--verdicts", str(file), "--refit", "--out", str(tmp_path / "d.parquet"))[0] == 0
    again = {row["stem_id"]: row["keep"] for row in pq.read_table(tmp_path / "d.parquet").to_pylist()}
    learnt = {name for name in again if again[name] != own[name]["keep"] and name not in heard}
    assert learnt
    assert learnt == set(found["--refit"])
