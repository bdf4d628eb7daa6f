from __future__ import annotations

import io

import pytest

from raysep.screen import PLAIN, Progress, fitting, print_table, terminal, visible


def test_a_segment_in_samples(make_context):
    assert make_context(scoring={"segment_seconds": 1.5}).segment_frames == 12000


def test_without_a_terminal_a_piece_of_work_is_one_line(capsys):
    with Progress().bar("score") as advance:
        advance(1, 2)
        advance(2, 2, "nearly")
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "score …\n")


def test_quiet_is_silent(capsys):
    progress = Progress(quiet=True)
    progress.say("hello")
    with progress.bar("score") as advance:
        advance(1, 1)
    assert capsys.readouterr() == ("", "")


NAMES = ("Song", "Song [acoustic]", "[bold]Song[/bold]", "mixes[/old]/a", ":bell: Song", "[link=x]", "\\[x]")


def test_names_are_printed_as_they_are(capsys, monkeypatch):
    from rich.table import Table

    progress, console = Progress(), terminal()
    table = Table("track", title="of [live]", caption="[i]")
    for name in NAMES:
        progress.say(name)
        console.print(f"line {name}")
        table.add_row(name)
    console.print(table)
    shown = capsys.readouterr()
    assert shown.err.splitlines() == list(NAMES)
    for name in NAMES:
        assert f"line {name}\n" in shown.out
        assert f"│ {name} " in shown.out
    assert "of [live]" in shown.out
    assert "[i]" in shown.out


def test_a_bar_shows_names_as_they_are():
    from rich.console import Console

    progress = Progress()
    progress.console = Console(file=io.StringIO(), force_terminal=True, width=200, **PLAIN)
    with progress.bar("score") as advance:
        advance(1, 2, "Song [live] [/x]")
    assert "Song [live] [/x]" in progress.console.file.getvalue()


def wide(names, columns: int, digits: str = "-12.34 … +12.34"):
    from rich.table import Table

    table = Table(title="all of it")
    table.add_column("trained on")
    for number in range(columns):
        table.add_column(f"label {number}", justify="right")
    for name in names:
        table.add_row(name, *[digits] * columns, end_section=name == "a")
    return table


@pytest.mark.parametrize("width", [60, 80, 132])
@pytest.mark.parametrize("columns", [1, 3, 12])
def test_a_table_that_is_too_wide_goes_on_below_and_loses_no_digit(capsys, monkeypatch, width, columns):
    monkeypatch.setattr("raysep.screen.WIDTH", width)
    long = "an arm [of] a name " * 6
    print_table(terminal(), wide(["a", long.strip()], columns))
    shown = capsys.readouterr().out
    assert shown.splitlines()[0] == "all of it"
    assert max(len(line) for line in shown.splitlines()) <= width
    assert shown.count("-12.34 … +12.34") == 2 * columns
    assert [shown.count(f"label {number} ") for number in range(columns)] == [1] * columns
    cells = [line.split("│")[1].strip() for line in shown.splitlines() if line.startswith("│")]
    assert "".join(cells).replace(" ", "").startswith("a" + "".join(long.split()))  # whole, over several lines


def test_the_names_are_in_every_part_and_the_sections_too():
    parts = fitting(wide(["a", "b"], 12), 80)
    assert len(parts) > 2
    for part in parts:
        assert list(part.columns[0].cells) == ["a", "b"]
        assert [row.end_section for row in part.rows] == [True, False]
    assert sum(len(part.columns) - 1 for part in parts) == 12
    assert len(fitting(wide(["a", "b"], 12), 400)) == 1


def test_a_sentence_stays_one_line_where_there_is_no_terminal(capsys):
    terminal().print("word " * 60)
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_what_a_terminal_would_obey_is_written_out(capsys):
    """A name that clears the screen, rings, moves the cursor or is of the other set of control characters."""
    Progress().say("failed: \x1b[2J\x07song\r\x9b1A/bass.wav\nline")
    assert capsys.readouterr().err == "failed: \\x1b[2J\\x07song\\x0d\\x9b1A/bass.wav\nline\n"
    assert visible("Für Elise [live] 🎸 ~") == "Für Elise [live] 🎸 ~"


def test_an_error_writes_them_out_too(raysep, tmp_path):
    code, _, error = raysep("status", f"{tmp_path}/no\x1b[31m")
    assert code == 2
    assert "no\\x1b[31m" in error
    assert "\x1b" not in error
