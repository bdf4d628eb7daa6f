from __future__ import annotations

import unicodedata

import pytest

from raysep.decision import handling
from raysep.decision.by_hand import Said, obey, read_verdicts, sentences, spelt_as_in
from raysep.decision.handling.reading import rows_of
from raysep.decision.rules import Ratio
from raysep.decision.verdicts import summary, verdicts
from raysep.errors import BadInput

LABELS = ("vocals", "drums", "bass", "other")


@pytest.fixture
def write(tmp_path):
    """write(text) → the path of a CSV."""

    def to(text: str | bytes) -> str:
        path = tmp_path / "verdicts.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    return to


@pytest.fixture
def decision():
    """Ten tracks, the last of each label removed by a ratio; one stem could not be read."""
    import pyarrow as pa

    rows = [
        {
            "stem_id": f"Café {track}/{label}",
            "track": f"Café {track}",
            "stem": label,
            "outcome": "failed" if (track, label) == (0, "other") else "scored",
            "loss": -float(track),
        }
        for track in range(10)
        for label in LABELS
    ]
    return verdicts(pa.Table.from_pylist(rows), Ratio(0.1, "loss"))


def row_of(table, stem_id):
    return next(row for row in table.to_pylist() if row["stem_id"] == stem_id)


# Reading


def words(said):
    return [tuple(each) for each in said]


@pytest.mark.parametrize(
    "text",
    [
        'stem_id,verdict,note\nA/bass,remove,"hum, and more"\nB/drums,Keep,\nC/other,VOCALS,\n',
        'rank,stem_id,reason,verdict,note\n1,A/bass,x,remove,"hum, and more"\n2,B/drums,,keep,\n3,C/other,,vocals,\n',
        'stem_id;verdict;note\nA/bass;remove;"hum, and more"\nB/drums;keep;\nC/other;vocals;\n',
        b"\xef\xbb\xbfstem_id\tverdict\tnote\r\nA/bass\tremove\thum, and more\r\nB/drums\tkeep\t\r\nC/other\tvocals\t\r\n",
    ],
    ids=["plain", "of suspects", "semicolons", "tabs and a byte order mark"],
)
def test_a_csv_is_read_as_spreadsheets_write_it(write, text):
    found = words(read_verdicts(write(text), LABELS))
    assert found == [("A/bass", "remove", "hum, and more", 2), ("B/drums", "keep", "", 3), ("C/other", "vocals", "", 4)]


def test_without_a_header_the_columns_stand_in_their_order(write):
    assert words(
        read_verdicts(write("A, the first/bass,keep\n".replace("A, the first/bass", '"A, the first/bass"')), LABELS)
    ) == [("A, the first/bass", "keep", "", 1)]


def test_a_row_without_a_verdict_says_nothing(write):
    assert read_verdicts(write("stem_id,verdict,note\nA/bass,,later\n\nB/bass, ,\n"), LABELS) == []


def test_a_verdict_of_no_stem_is_refused_with_its_line(write):
    with pytest.raises(BadInput, match=r"line 3: verdict 'keep' of no stem; fill in its stem_id"):
        read_verdicts(write("stem_id,verdict\nA/bass,keep\n ,keep\n"), LABELS)


@pytest.mark.parametrize("cell", ["A/bass ", '" A/bass "', "A/bass\u00a0"])
def test_blanks_about_a_name_are_none_of_it(write, cell):
    assert words(read_verdicts(write(f"stem_id,verdict\n{cell},keep\n"), LABELS)) == [("A/bass", "keep", "", 2)]
    with pytest.raises(BadInput, match=r"is 'keep' in line 2 and 'remove' in line 3"):
        read_verdicts(write(f"stem_id,verdict\n{cell},keep\nA/bass,remove\n"), LABELS)


def test_a_word_that_is_none_is_refused_with_its_line(write):
    with pytest.raises(BadInput, match=r"line 3: verdict 'kepp' of B/bass: must be one of keep, remove, vocals, drums"):
        read_verdicts(write("stem_id,verdict\nA/bass,keep\nB/bass,kepp\n"), LABELS)


def test_the_line_is_that_of_the_file_where_a_note_has_several(write):
    with pytest.raises(BadInput, match="line 4: verdict 'x'"):
        read_verdicts(write('stem_id,verdict,note\nA/bass,keep,"two\nlines"\nB/bass,x,\n'), LABELS)


def test_two_words_on_one_stem_are_refused_in_whatever_form_it_is_written(write):
    composed, apart = (unicodedata.normalize(form, "Café/bass") for form in ("NFC", "NFD"))
    with pytest.raises(BadInput, match=r"is 'keep' in line 2 and 'remove' in line 3"):
        read_verdicts(write(f"stem_id,verdict\n{composed},keep\n{apart},remove\n"), LABELS)


@pytest.mark.parametrize(
    ("text", "said"),
    [(b"caf\xe9", "not text in UTF-8"), ("stem_id,word\nA/bass,keep\n", "has no column 'verdict'")],
)
def test_what_is_no_table_of_verdicts_is_refused(write, text, said):
    with pytest.raises(BadInput, match=said):
        read_verdicts(write(text), LABELS)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(BadInput, match=r"--verdicts .*no\.csv: no such file"):
        read_verdicts(str(tmp_path / "no.csv"), LABELS)


# Obeying


def test_a_word_stands_above_the_rule_and_says_so(write, decision):
    text = "stem_id,verdict,note\nCafé 9/bass,keep,fine\nCafé 1/bass,remove,\nCafé 9/drums,vocals,\nCafé 2/bass,bass,\n"
    table = obey(decision, read_verdicts(write(text), LABELS))
    kept = row_of(table, "Café 9/bass")
    assert (kept["keep"], kept["weight"], kept["verdict"], kept["label"]) == (True, 1.0, "keep", None)
    assert kept["reason"].startswith("you: keep (fine); among the most suspect 10%")
    removed = row_of(table, "Café 1/bass")
    assert (removed["keep"], removed["weight"], removed["reason"].split(";")[0]) == (False, 0.0, "you: remove")
    moved = row_of(table, "Café 9/drums")
    assert (moved["keep"], moved["label"], moved["verdict"]) == (False, "vocals", "vocals")
    assert row_of(table, "Café 2/bass")["verdict"] == "keep"  # its own label
    untouched = {row["stem_id"]: row for row in decision.to_pylist()}
    for row in table.to_pylist():
        if row["verdict"] is None:
            assert row == untouched[row["stem_id"]]
        assert row["suspicion"] == untouched[row["stem_id"]]["suspicion"]


def test_the_summary_counts_what_was_said(write, decision):
    text = "stem_id,verdict\nCafé 9/bass,keep\nCafé 1/bass,remove\nCafé 9/drums,vocals\nNobody/bass,keep\nCafé 0/other,keep\n"
    table = obey(decision, read_verdicts(write(text), LABELS))
    told, before = summary(table), summary(decision)
    assert (
        told["counts"]["removed"] == before["counts"]["removed"] == sum(not keep for keep in table["keep"].to_pylist())
    )
    assert told["counts"]["other_label"] == 1
    assert told["first_other_label"] == "Café 9/drums like vocals"
    assert told["verdicts"] == {
        "given": 5,
        "kept": 1,
        "removed": 1,
        "relabelled": 1,
        "against_the_rule": 2,
        "unknown": 1,
        "first_unknown": "Nobody/bass",
        "unreadable": 1,
        "first_unreadable": "Café 0/other",
    }
    said = " | ".join(sentences(told["verdicts"]))
    assert "1 of your 5 verdicts name no stem of the corpus, first Nobody/bass" in said
    assert "could not be read and stay out, first Café 0/other" in said
    assert row_of(table, "Café 0/other")["keep"] is False


def test_names_are_joined_in_any_form(write, decision):
    name = unicodedata.normalize("NFD", "Café 1/bass")
    assert name != "Café 1/bass"
    table = obey(decision, read_verdicts(write(f"stem_id,verdict\n{name},remove\n"), LABELS))
    assert row_of(table, "Café 1/bass")["verdict"] == "remove"
    assert summary(table)["verdicts"]["unknown"] == 0


def test_a_stem_is_called_as_its_table_calls_it(write):
    """So that who learns from the words finds them too."""
    apart = unicodedata.normalize("NFD", "Café/bass")
    said = read_verdicts(write("stem_id,verdict\nCafé/bass,keep\nB/bass,keep\nC/bass,keep\n"), LABELS)
    assert [each.stem_id for each in spelt_as_in([apart, " B/bass", "B/drums"], said)] == [apart, " B/bass", "C/bass"]
    assert spelt_as_in(["A/bass", " A/bass"], [Said("A/bass", "keep", "", 2)])[0].stem_id == "A/bass"


def test_no_word_changes_nothing_but_that_it_was_asked_for(decision):
    table = obey(decision, [])
    assert table == decision
    assert sentences(summary(table)["verdicts"])[0].startswith("your 0 verdicts")
    assert sentences(None) == []


def test_a_removal_by_hand_ends_the_reason_why_none_was_removed(decision, write):
    table = verdicts(
        decision.select(["stem_id", "track", "stem", "outcome"]).append_column("loss", decision["suspicion"])
    )
    assert summary(table)["none_removed"]
    said = read_verdicts(write("stem_id,verdict\nCafé 1/bass,remove\n"), LABELS)
    assert summary(obey(table, said))["none_removed"] is None


@pytest.mark.parametrize("name", handling.HANDLINGS)
def test_every_handling_obeys_a_word(name, write, decision, make_stems):
    decision = decision.append_column("descended", decision["weight"])  # what two of them go by
    for column in ("places", "restored"):
        decision = decision.append_column(column, decision["verdict"])  # nothing was said
    text = "stem_id,verdict\nCafé 9/bass,keep\nCafé 1/bass,remove\nCafé 9/drums,vocals\n"
    rows = rows_of(obey(decision, read_verdicts(write(text), LABELS)))
    stems = make_stems([f"Café {k}" for k in range(10)])
    entries = {entry.stem.stem_id: entry for entry in handling.use(name, rows, stems)}
    assert (entries["Café 9/bass"].weight, entries["Café 9/bass"].label) == (1.0, "bass")
    assert "Café 1/bass" not in entries
    assert (entries["Café 9/drums"].weight, entries["Café 9/drums"].label) == (1.0, "vocals")
    plain = {entry.stem.stem_id: entry for entry in handling.use(name, rows_of(decision), stems)}
    others = set(plain) - {"Café 9/bass", "Café 1/bass", "Café 9/drums"}
    assert {key: entries[key] for key in others} == {key: plain[key] for key in others}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("stem_id,verdict,verdict\nA/bass,remove,\n", "has 2 columns 'verdict'; keep one of them"),
        ("stem_id,verdict\nA, the first/bass,remove\n", "line 2: 3 cells where the header has 2; put quotes"),
        ("stem,verdict\nA/bass,remove\n", "has no column 'stem_id'"),
    ],
)
def test_a_word_that_would_be_lost_is_refused(write, text, said):
    with pytest.raises(BadInput, match=said):
        read_verdicts(write(text), LABELS)


def test_a_spreadsheets_first_line_hides_no_word(write):
    text = "sep=;\nstem_id;verdict;note\nA/bass;remove;\n"
    assert words(read_verdicts(write(text), LABELS)) == [("A/bass", "remove", "", 3)]


def test_one_verdict_is_told_as_one(write, decision):
    told = summary(obey(decision, read_verdicts(write("stem_id,verdict\nA/bass,remove\n"), LABELS)))["verdicts"]
    assert sentences(told)[0].startswith("your 1 verdict: 0 kept, ")
