from __future__ import annotations

import io
import re
import time

import pytest

from raysep import events, screen
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


def on_a_terminal() -> Progress:
    from rich.console import Console

    progress = Progress()
    progress.console = Console(file=io.StringIO(), force_terminal=True, width=200, **PLAIN)
    return progress


def test_on_a_terminal_a_line_stays_of_each_piece_of_work():
    progress = on_a_terminal()
    with progress.bar("score", "shards") as advance:
        advance(3, 12)
        advance(12, 12)
    with progress.bar("decide"):
        pass
    shown = progress.console.file.getvalue()
    assert re.search(r"score        12 shards in \d+ s\n", shown)
    assert re.search(r"decide       done in \d+ s\n", shown)


def test_work_that_is_not_done_leaves_no_line():
    progress = on_a_terminal()
    with pytest.raises(ValueError, match="broken"), progress.bar("score"):
        raise ValueError("broken")
    assert " in " not in progress.console.file.getvalue()


def test_a_log_has_a_line_each_minute_whether_it_moves_or_not(capsys, monkeypatch):
    monkeypatch.setattr(screen, "LOGGED", 0.05)
    with Progress().bar("retrain", "shards") as advance:
        time.sleep(0.1)  # nothing to say yet
        advance(240, 600, "random-seed0", unit="steps", part=3, parts=8, whole=(1440, 4800), workers=3)
        deadline = time.monotonic() + 20
        shown = ""
        while shown.count("\n") < 3:
            shown += capsys.readouterr().err
            assert time.monotonic() < deadline
    first, *others = shown.splitlines()
    assert first == "retrain …"
    assert set(others) == {"retrain, training 3 of 8 (random-seed0), step 240/600, 3 workers"}


def test_the_time_that_is_left_is_that_of_all_parts(monkeypatch):
    at = iter([0.0, 0.0, 100.0, 100.0])
    work = screen.Work("retrain")
    monkeypatch.setattr(screen.time, "monotonic", lambda: next(at, 100.0))
    work.advance(0, 600, part=1, parts=2, whole=(0, 1200))
    work.advance(200, 600, part=1, parts=2, whole=(200, 1200))
    assert (work.facts()["rate"], work.facts()["left"]) == (2.0, 500.0)


def test_what_is_under_way_is_told_to_whoever_listens():
    heard: list[tuple] = []
    with events.listening(lambda *told: heard.append(told)), Progress(quiet=True).bar("score", "shards") as advance:
        advance(1, 2)
    assert heard == [("progress", {"stage": "score", "unit": "shards", "done": 1, "total": 2})]
