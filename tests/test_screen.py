from __future__ import annotations

import io

from raysep.screen import PLAIN, Progress, terminal, visible


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
