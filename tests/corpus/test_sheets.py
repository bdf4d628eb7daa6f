from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raysep.corpus.sheets import Line, by_column, lines, refuse_twice, text_of
from raysep.errors import BadInput

COLUMNS = ("track", "stem", "path")
ROWS = [["track", "stem", "path"], ["Song; live, 1", "drums", "a b.wav"], ["Two", "vocals", "ü.wav"]]


def written(rows=ROWS, separator=",", end="\n") -> str:
    stream = io.StringIO()
    csv.writer(stream, delimiter=separator, lineterminator=end).writerows(rows)
    return stream.getvalue()


def cells(text: str) -> list[list[str]]:
    return [line.cells for line in lines(text, "x.csv", COLUMNS)]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("before", ["", "sep={}\n", "\n{0}{0}\n\n"], ids=["", "Excel's first line", "empty lines"])
def test_separators_and_ends_of_lines_are_found_out(separator, end, before):
    assert cells(before.format(separator) + written(separator=separator, end=end)) == ROWS


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_a_text_is_in_utf8_or_says_what_it_is(tmp_path, encoding):
    mark = "\ufeff" if encoding == "utf-16-le" else ""
    (tmp_path / "x.csv").write_bytes((mark + written()).encode(encoding))
    assert text_of(str(tmp_path / "x.csv"), "x.csv") == written()


def test_another_encoding_is_refused_with_the_way_out(tmp_path):
    (tmp_path / "x.csv").write_bytes(written().encode("latin-1"))
    with pytest.raises(BadInput, match=r"x\.csv: not text in UTF-8 .* at byte \d+\); save it as UTF-8"):
        text_of(str(tmp_path / "x.csv"), "x.csv")


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(BadInput, match=r"x\.csv: cannot be read .*give a CSV file"):
        text_of(str(tmp_path), "x.csv")


def test_blanks_behind_a_separator_are_none_of_a_cell():
    assert cells('track, stem, path\nA, drums, "b, c.wav"\n') == [["track", "stem", "path"], ["A", "drums", "b, c.wav"]]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_without_a_header_the_separator_is_the_one_that_is_there(separator):
    assert cells(written(ROWS[1:], separator)) == ROWS[1:]
    assert cells("one cell\n") == [["one cell"]]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", ""])
def test_a_quote_without_an_end_swallows_no_lines(end):
    text = f'track,stem,path{end or chr(10)}A,drums,"a.wav{end or chr(10)}B,bass,b.wav{end}'
    with pytest.raises(BadInput, match=r"x\.csv, line 2: a quote begins there, or below, that has no end; close it"):
        cells(text)
    assert cells(text + '"')[1] == ["A", "drums", text.partition('"')[2]]


def test_lines_keep_their_numbers():
    numbers = [
        line.number for line in lines('sep=,\n\ntrack,stem,path\n"two\nlines",drums,a\nB,bass,b\n', "x", COLUMNS)
    ]
    assert numbers == [3, 5, 6]


def test_a_cell_that_no_reader_takes_is_told():
    with pytest.raises(BadInput, match=r"x\.csv, line 2: no CSV .*field larger"):
        cells("track,stem,path\n" + "x" * (csv.field_size_limit() + 1) + "\n")


def test_two_columns_of_one_name_are_refused():
    with pytest.raises(BadInput, match=r"x: has 2 columns 'stem'; keep one of them"):
        refuse_twice(["track", "stem", "", "", " Stem"], "x")
    refuse_twice(["track", "stem", "", ""], "x")


def test_a_line_has_no_more_cells_than_the_header():
    assert by_column(COLUMNS, Line(2, ["A"]), "x") == {"track": "A", "stem": "", "path": ""}
    assert by_column(COLUMNS, Line(2, ["A", "b", "c", " "]), "x")["path"] == "c"
    with pytest.raises(BadInput, match=r"x, line 2: 4 cells where the header has 3; put quotes"):
        by_column(COLUMNS, Line(2, ["A", "b", "c", "d.wav"]), "x")


@given(
    st.lists(st.lists(st.text("ab,;\t\"'é\n "), min_size=3, max_size=3), max_size=4),
    st.sampled_from(",;\t"),
)
def test_what_a_spreadsheet_writes_is_read_back(rows, separator):
    """But for empty lines, and blanks before a cell that was not quoted."""
    rows = [[cell.lstrip(" ") for cell in row] for row in rows]
    wanted = [row for row in rows if any(cell.strip() for cell in row)]
    assert cells(written([list(COLUMNS), *rows], separator)) == [list(COLUMNS), *wanted]
