from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raysep.report import html, tuning
from raysep.report.data import ReportData

SVG = "{http://www.w3.org/2000/svg}"


def row(trial: str, left_out: float, sdr: float | None, error: float | None = 0.1, **more) -> dict:
    about = {"fidelity": "full", "steps": 100, "seconds": 9.0, "below_best": 0.2, "below_best_error": 0.1}
    marks = {"chosen": False, "automatic": trial == "automatic"}
    return {"trial": trial, "left_out": left_out, "sdr": sdr, "standard_error": error, **about, **marks, **more}


ROWS = [
    row("automatic", 0.4, 4.0),
    row("nothing removed", 0.0, 2.0),
    row("random removal", 0.4, 1.0),
    row("30% by fad, drop", 0.3, 4.1, chosen=True),
]


def parsed(text: str) -> ElementTree.Element:
    element = ElementTree.fromstring(text)
    assert element.tag == f"{SVG}svg"
    assert not re.search(r'="[^"]*\b(nan|inf)\b', text)
    return element


def test_positions_follow_the_numbers_and_names_stand_beside_the_marked_ones():
    element = parsed(tuning.file(ROWS))
    dots = {d.find(f"{SVG}title").text: d for d in element.iter(f"{SVG}circle") if d.get("class") != "ring"}
    place = {name.partition(":")[0]: (float(d.get("cx")), float(d.get("cy"))) for name, d in dots.items()}
    assert place["automatic"][0] == place["random removal"][0]
    x0, x3, x4 = (place[name][0] for name in ("nothing removed", "30% by fad, drop", "automatic"))
    assert (x3 - x0) / (x4 - x0) == pytest.approx(0.75, abs=0.01)
    y1, y2, y4 = (place[name][1] for name in ("random removal", "nothing removed", "automatic"))
    assert (y1 - y2) / (y1 - y4) == pytest.approx(1 / 3, abs=0.01)  # 1, 2 and 4 dB
    rings = [c for c in element.iter(f"{SVG}circle") if c.get("class") == "ring"]
    assert [(float(r.get("cx")), float(r.get("cy"))) for r in rings] == [place["30% by fad, drop"]]
    names = [t.text for t in element.iter(f"{SVG}text") if t.get("class") == "value"]
    assert sorted(names) == ["automatic", "chosen", "nothing removed", "random removal"]
    whiskers = [w for w in element.iter(f"{SVG}line") if "whisker" in w.get("class")]
    spans = {round(float(w.get("y1")) - float(w.get("y2")), 1) for w in whiskers}
    assert max(spans) - min(spans) <= 0.11  # all have the same error
    assert "30% by fad, drop (chosen) 4.10 dB" in element.get("aria-label")


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(-30, 30) | st.none(), st.floats(0, 5) | st.just(float("nan")))))
def test_whatever_is_known_is_drawn_inside_the_frame(points):
    rows = [row("<a & b>", left, sdr, error) for left, sdr, error in points]
    dots = list(parsed(tuning.file(rows)).iter(f"{SVG}circle"))
    assert len(dots) == sum(sdr is not None for _, sdr, _ in points)
    for dot in dots:
        assert tuning.LEFT - 0.1 <= float(dot.get("cx")) <= tuning.RIGHT + 0.1
        assert tuning.TOP - 0.1 <= float(dot.get("cy")) <= tuning.BOTTOM + 0.1


def test_names_of_points_that_lie_together_do_not_cover_one_another():
    rows = [row("automatic", 0.4, 4.0, chosen=True), row("random removal", 0.4, 4.0), row("nothing removed", 0.39, 4.0)]
    heights = [float(t.get("y")) for t in parsed(tuning.file(rows)).iter(f"{SVG}text") if t.get("class") == "value"]
    assert min(abs(a - b) for k, a in enumerate(heights) for b in heights[k + 1 :]) >= tuning.GAP


def test_the_page_shows_the_search_when_there_was_one():
    assert tuning.tuning(ReportData(title="")) == ""
    warm = row("20% by fad, drop", 0.2, 9.0, fidelity="warm start")
    data = ReportData(title="x", tuning={"rows": [*ROWS, warm], "found": ["automatic decision: good", "one seed"]})
    section = tuning.tuning(data)
    assert "Automatic decision: good." in section
    assert section.index("30% by fad, drop</span> <span") < section.index("<span>automatic")  # the best first
    assert "20% by fad" not in section  # judged after fewer steps: not comparable
    assert '<a href="#search">Search</a>' in html.render(data)


def test_a_search_of_other_scores_is_not_shown():
    section = tuning.tuning(ReportData(title="", tuning={"stale": "the scores have changed"}))
    assert "the scores have changed" in section
    assert "<svg" not in section
