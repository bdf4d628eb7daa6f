"""What to do next: by what is known, never more, and in commands that there are."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace

import pytest

from raysep.report.data import Listing, ReportData
from raysep.report.html import render
from raysep.report.next_steps import next_step
from raysep.report.verdict import Counts, Difference, Verdict
from tests.command_lines import parse

RUN = "my runs/first & best"


def verdict(db=None, low=None, high=None, seeds=3, alone=None) -> Verdict:
    gain = Difference("cleaned", "contaminated", db, low, high, seeds)
    other = Difference("reference", "cleaned", alone, alone, alone, seeds)
    return Verdict(Counts(stems=10), gain=gain, reference_alone=other)


def none_removed(by: str) -> Verdict:
    return replace(verdict(), none_removed="no stem is removed: so it is", none_removed_by=by)


@pytest.mark.parametrize(
    ("known", "begins", "commands"),
    [
        (verdict(), "Next: listen", ["review", "prove", "export"]),
        (verdict(0.5, 0.2, 0.8), "Next: `raysep export", ["export", "review"]),
        (verdict(0.5, 0.2, 0.8, seeds=1), "Next: `raysep prove", ["prove", "review"]),
        (verdict(0.1, -0.2, 0.8), "Next: listen", ["review"]),
        (verdict(-0.5, -0.8, -0.2), "Next: train on the corpus as it was", ["review"]),
        (none_removed("refused"), "Next: give more reference tracks", ["review"]),
        (none_removed("clean"), "Next: train on the corpus as it is", ["review"]),
        (none_removed("threshold"), "Next: `raysep decide", ["decide", "review"]),
        (verdict(0.5, 0.2, 0.8, alone=0.3), "Next: train on the reference as it is", ["review"]),
    ],
)
def test_it_goes_by_what_is_known(known, begins, commands):
    words = next_step(known, RUN)
    assert words.startswith(begins)
    lines = [shlex.split(line) for line in re.findall(r"`raysep ([^`]+)`", words)]
    lines = [line for line in lines if len(line) > 1]  # a bare name says where to look
    assert [line[0] for line in lines] == commands
    for line in lines:
        assert line[1] == RUN
        parse(line)  # every option is there


def test_nothing_is_said_where_nothing_was_judged():
    assert next_step(Verdict(), RUN) == ""


def test_it_is_on_the_first_screen():
    nothing = {name: [] for name in ("track", "label", "suspicion", "p", "place", "fate", "kind", "evidence", "file")}
    page = render(ReportData("a run", judged=verdict(), listing=Listing(nothing, [], [], [], [], "", RUN)))
    assert "<code>raysep prove &#x27;my runs/first &amp; best&#x27; --seeds 3</code>" in page.split("<main>")[0]
