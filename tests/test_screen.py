from __future__ import annotations

from raysep.screen import Progress


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
