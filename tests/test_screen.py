from __future__ import annotations

import io

from raysep.screen import PLAIN, Progress, terminal


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
