"""What a notebook shows of results."""

from __future__ import annotations

import base64
import re
import xml.etree.ElementTree as ET

import pytest

import raysep
from raysep.errors import BadInput
from raysep.face.shown import Picture, card, holdings
from raysep.report import suspicion

SVG = "{http://www.w3.org/2000/svg}"


def rows(label: str, kept: list[float], removed: list[float]) -> list[dict]:
    stems = [(value, True) for value in kept] + [(value, False) for value in removed]
    return [{"stem": label, "suspicion": value, "keep": keep, "outcome": "scored"} for value, keep in stems]


def heights(svg: str, kind: str) -> float:
    """Height of all bars of a kind together; the swatch of the key is no bar."""
    bars = [r for r in ET.fromstring(svg).iter(f"{SVG}rect") if r.get("class") == kind and r.get("width") != "9"]
    return sum(float(bar.get("height")) for bar in bars)


@pytest.fixture
def decided(make_context, write_rows) -> raysep.Cleaning:
    run = make_context().run
    write_rows(run, "decision.parquet", rows("bass", [0.1, 0.1, 0.1], [4.0]) + rows("a <b>", [0.0], []))
    share = {"estimate": 0.2, "low": 0.1, "high": 0.4}
    summary = {"estimated_share": 0.2, "share": share, "counts": {"removed": 1, "stems": 5}}
    run.write_json(summary, "summary.json")
    run.write_json({"fingerprint": "abc", "started": "now", "stages": {}}, "run.json")
    return raysep.read(run.root)


def test_a_result_says_where_it_is_what_it_found_and_what_it_holds(decided):
    shown = decided._repr_html_()
    assert f"Cleaning: {decided.folder}" in shown
    assert "About 20 % of the stems look wrong (95 % interval 10 % to 40 %)." in shown
    assert "1 of 5 stems removed." in shown
    names = re.findall(r"<code>\.(\w+)</code>", shown)
    assert names[:2] == ["decision", "cleaned"]
    assert {"stems", "segments", "failed", "report"} <= set(names)
    assert "run" not in names
    ET.fromstring(f"<div>{shown}</div>")  # well-formed


def test_a_result_that_has_found_nothing_yet_says_nothing(make_context):
    shown = raysep.Cleaning(make_context().run.root)._repr_html_()
    assert "share" not in shown.partition("<table>")[0]


def test_markup_in_names_is_text():
    shown = card("<b>x</b>", ["a < b"], iter([("n", "``y`` & z")]))
    assert "&lt;b&gt;x&lt;/b&gt;" in shown
    assert "a &lt; b" in shown
    assert "y &amp; z" in shown


def test_what_a_result_offers_is_each_property_once():
    class Base:
        @property
        def one(self):
            """First.

            More."""

        @property
        def two(self):
            """Second."""

    class More(Base):
        @property
        def two(self):
            """Its own."""

    assert list(holdings(More())) == [("two", "Its own."), ("one", "First.")]


def test_the_suspicion_of_every_label_is_a_picture(decided, tmp_path):
    picture = decided.plot()
    found = ET.fromstring(picture.svg)
    assert [t.text for t in found.iter(f"{SVG}text") if t.get("class") == "name"][1:] == ["a <b>", "bass"]
    # Three kept stems in one bar of full height and one removed; a label of one stem has one bar of full height.
    assert heights(picture.svg, "keep") == pytest.approx(100 + 100, abs=0.2)
    assert heights(picture.svg, "drop") == pytest.approx(100 / 3, abs=0.2)
    picture.save(tmp_path / "p.svg")
    assert (tmp_path / "p.svg").read_text() == picture.svg


def test_a_picture_is_an_image_of_its_own(decided):
    picture = decided.plot()
    shown = picture._repr_html_()
    data = re.search(r"base64,([^\"]+)", shown).group(1)
    assert base64.b64decode(data).decode() == picture.svg
    assert "<style" not in shown  # which would be that of every picture on the page
    assert repr(picture) == "Picture(stems of each label by suspicion)"


def test_what_a_run_has_not_come_to_is_said(decided):
    with pytest.raises(BadInput, match=r"holds no results\.parquet"):
        decided.plot("arms")
    with pytest.raises(BadInput, match=r"plot\('sdr'\): there is suspicion, and arms"):
        decided.plot("sdr")


def test_no_stems_are_a_picture_too():
    ET.fromstring(suspicion.file([]))
    ET.fromstring(suspicion.file(rows("bass", [1.0], []) + [{"stem": "bass", "suspicion": None, "keep": False}]))


def test_a_few_far_stems_do_not_squeeze_the_others():
    near = [number / 100 for number in range(200)]
    spread = suspicion.file(rows("bass", near, [1e6]))
    bars = [r for r in ET.fromstring(spread).iter(f"{SVG}rect") if r.get("class") == "keep" and r.get("width") != "9"]
    assert len(bars) > 15


def test_an_evaluation_shows_its_models(make_context):
    run = make_context().run
    about = {"stem": "mean over stems", "track_aggregate": "mean", "unit": "dB", "seeds": 1}
    from raysep.evaluation.table import STEMS

    figures = [
        {
            **about,
            "stem": STEMS,
            "model": name,
            "measure": "sdr",
            "estimate": value,
            "low": value - 1,
            "high": value + 1,
        }
        for name, value in (("one", 2.0), ("two", 4.0))
    ]
    run.write_json({"figures": figures}, "evaluation.json")
    picture = raysep.Evaluation(run.root).plot()
    dots = [float(c.get("cx")) for c in ET.fromstring(picture.svg).iter(f"{SVG}circle")]
    assert dots == sorted(dots)
    assert len(dots) == 2
    with pytest.raises(BadInput, match=r"plot\('sar'\): there is sdr"):
        raysep.Evaluation(run.root).plot("sar")


def test_a_search_shows_its_picture(make_context):
    run = make_context().run
    with pytest.raises(BadInput, match=r"holds no tune\.svg"):
        raysep.Tuning(run.root).plot()
    run.write_bytes(b"<svg/>", "tune.svg")
    run.write_json({"found": ["nothing beats the automatic decision"]}, "tune.json")
    found = raysep.Tuning(run.root)
    assert found.plot().svg == "<svg/>"
    assert "nothing beats the automatic decision" in found._repr_html_()


def test_pictures_are_offered():
    assert raysep.Picture is Picture


def test_a_training_says_and_draws_what_it_is_worth(tmp_path):
    import pyarrow as pa

    from raysep.stages.prove import RESULTS

    training = raysep.Training(str(tmp_path))
    assert "SDR" not in training._repr_html_().partition("<table>")[0]
    with pytest.raises(BadInput, match=r"results\.parquet"):
        training.plot()
    about = {"arm": "separator", "seed": 0, "trained_stems": 8, "framewise_sdr": 1.0, "residue": None}
    rows = [
        {**about, "track": f"t{track}", "stem": stem, "sdr": value + track}
        for track in range(3)
        for stem, value in (("a <b>", 1.0), ("bass", 3.0))
    ]
    training.run.write_table(pa.Table.from_pylist(rows, schema=RESULTS), "results.parquet")
    said = re.search(r"SDR 3\.00 dB on the test tracks \(95 % interval (\S+) to (\S+) dB\)\.", training._repr_html_())
    assert said
    assert float(said[1]) < 3.0 < float(said[2])  # three tracks say little
    drawn = ET.fromstring(training.plot().svg)
    words = " ".join(drawn.itertext())
    assert [name for name in ("all labels", "a <b>", "bass", "3.00", "2.00", "4.00") if name not in words] == []
    assert len(list(drawn.iter(f"{SVG}circle"))) == 3
