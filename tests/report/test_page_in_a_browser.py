"""The page in a real browser: it plays, seeks, sorts, filters, is judged with the keyboard, and its CSV is obeyed."""

from __future__ import annotations

import dataclasses
import os
import time
from itertools import pairwise
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from benchmarks.opening import many
from raysep.decision.by_hand import read_verdicts
from raysep.report.data import ReportData
from raysep.report.evidence.listing import listing
from raysep.report.evidence.of_run import Evidence
from raysep.report.evidence.sounding import shown
from raysep.report.html import render
from tests.report.pages import faults, needs_browser, wait

pytestmark = [needs_browser, pytest.mark.slow]
STEMS = 35_000
VIEWS = pytest.mark.parametrize(
    ("width", "scheme"),
    [
        (1280, "dark"),
        (360, "light"),
        pytest.param(1280, "light", marks=pytest.mark.long),
        pytest.param(360, "dark", marks=pytest.mark.long),
    ],
)


@pytest.fixture(scope="module")
def data(made_run) -> ReportData:
    evidence = Evidence(made_run)
    decision = made_run.read_table("decision.parquet").to_pylist()
    return ReportData("a run", decision=decision, suspects=shown(evidence), listing=listing(evidence))


@pytest.fixture(scope="module")
def address(data, tmp_path_factory) -> str:
    file = tmp_path_factory.mktemp("page") / "report.html"
    file.write_text(render(data))
    return file.as_uri()


@pytest.fixture
def page(open_page, address):
    return open_page(address)


def playing(page) -> list[str]:
    return page.evaluate("[...document.querySelectorAll('audio')].filter((a) => !a.paused).map((a) => a.ariaLabel)")


def at(page) -> float:
    return page.evaluate("document.querySelector('.card.on .take.on audio').currentTime")


def test_one_sound_at_a_time_and_a_click_seeks(page):
    page.click(".card.on .play")
    wait(page, "document.querySelector('.card.on .take.on audio').currentTime > 0.15")
    assert [name.split(" of ")[0] for name in playing(page)] == ["Listen to Stem"]
    page.click(".card.on .tabs button:has-text('Mixture')")
    wait(page, "!document.querySelector('.card.on .take.on audio').paused")
    assert [name.split(" of ")[0] for name in playing(page)] == ["Listen to Mixture"]
    assert at(page) > 0.1  # goes on where the stem was
    page.keyboard.press("t")
    assert page.get_attribute(".card.on .tabs button:has-text('Trusted')", "aria-pressed") == "true"
    page.keyboard.press("s")
    page.keyboard.press("Space")
    wait(page, "[...document.querySelectorAll('audio')].every((a) => a.paused)")
    box = page.locator(".card.on .take.on .scope").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 20)
    assert at(page) == pytest.approx(3.5, abs=0.1)
    line = page.get_attribute(".card.on .take.on .playhead", "x1")
    assert float(line.rstrip("%")) == pytest.approx(50, abs=1.5)
    page.keyboard.press("ArrowLeft")
    assert at(page) == pytest.approx(2.5, abs=0.1)


def test_what_the_separator_hears_goes_on_at_the_time_of_the_stem(open_page, data, tmp_path):
    """Its excerpt may begin elsewhere, as that of a served page does."""
    row = next(row for row in data.suspects if row["takes"])
    stem, *rest = row["takes"]
    heard = dataclasses.replace(stem, name="Separator", start=stem.start + 1.0)
    file = tmp_path / "separator.html"
    suspects = [row | {"takes": [stem, heard, *rest]}]
    file.write_text(render(dataclasses.replace(data, suspects=suspects, unheard="")))
    page = open_page(file.as_uri())
    scope = page.locator(".card.on .take.on .scope")
    scope.scroll_into_view_if_needed()
    box = scope.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 20)
    assert at(page) == pytest.approx(3.5, abs=0.1)
    page.keyboard.press("h")
    assert page.get_attribute(".card.on .tabs button:has-text('Separator')", "aria-pressed") == "true"
    assert at(page) == pytest.approx(2.5, abs=0.1)
    page.keyboard.press("m")
    assert at(page) == pytest.approx(3.5, abs=0.1)


def test_the_marked_seconds_play_and_end(page):
    begin, end = (float(v) for v in page.get_attribute(".card.on .take.on", "data-worst").split())
    start = float(page.get_attribute(".card.on .take.on", "data-start"))
    page.keyboard.press("w")
    wait(page, "!document.querySelector('.card.on .take.on audio').paused")
    assert begin - start - 0.4 <= at(page) <= end - start
    page.evaluate(f"document.querySelector('.card.on .take.on audio').currentTime = {end - start}")
    wait(page, "document.querySelector('.card.on .take.on audio').paused")
    assert at(page) < end - start + 1.0


def test_verdicts_by_keyboard_are_downloaded_and_obeyed(page, data, made_run, raysep, tmp_path):
    first, second, third = (data.suspects[k]["stem_id"] for k in range(3))
    page.keyboard.press("r")
    page.fill(".card.on .verdict input", 'hum, "throughout"')
    page.keyboard.press("Escape")
    page.keyboard.press("n")
    assert page.get_attribute(".card.on", "data-stem") == second
    page.keyboard.press("k")
    page.keyboard.press("n")
    page.keyboard.press("2")  # the second label
    page.keyboard.press("n")
    page.keyboard.press("r")
    page.keyboard.press("u")  # and taken back
    page.keyboard.press("p")
    assert page.get_attribute(".card.on", "data-stem") == third
    assert page.inner_text("#said") == "3 verdicts."
    with page.expect_download() as download:
        page.keyboard.press("d")
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    assert file.name == "verdicts.csv"
    said = read_verdicts(str(file), ("bass", "drums", "other", "vocals"))
    assert [(each.stem_id, each.verdict, each.note) for each in said] == [
        (first, "remove", 'hum, "throughout"'),
        (second, "keep", ""),
        (third, "drums", ""),
    ]
    out = str(tmp_path / "mine.parquet")
    assert raysep("decide", made_run.root, "--verdicts", str(file), "--out", out)[0] == 0
    decided = {row["stem_id"]: row for row in pq.read_table(out).to_pylist()}
    assert [(decided[s]["verdict"], decided[s]["keep"]) for s in (first, second)] == [("remove", False), ("keep", True)]
    assert (decided[third]["verdict"], decided[third]["label"]) == ("drums", "drums")
    page.reload()
    assert page.inner_text("#said") == "3 verdicts."  # kept in the browser


def test_the_csv_is_reviewed_and_the_page_of_it_goes_on_from_there(open_page, page, data, made_run, raysep, tmp_path):
    first, second = (data.suspects[k]["stem_id"] for k in range(2))
    for key in ("r", "n", "k"):
        page.keyboard.press(key)
    with page.expect_download() as download:
        page.keyboard.press("d")
    file, out = tmp_path / "verdicts.csv", tmp_path / "mine.parquet"
    download.value.save_as(file)
    code, output, error = raysep("review", made_run.root, str(file), "--out", str(out))
    assert (code, error) == (0, "")
    assert output.startswith(f"2 verdicts read from {file}: on 2 stems")
    reviewed = open_page((tmp_path / "mine.html").as_uri())
    assert reviewed.inner_text("#said") == "2 verdicts."  # those that are in the decision
    assert reviewed.inner_text("#review h2") == "What did your verdicts change?"
    named = reviewed.locator("#review tbody tr").all_inner_texts()[:2]
    assert [row.split("\t")[1] for row in named] == ["remove", "keep"]
    changed = int(output.split("beyond these ")[1].split()[0])
    heading = reviewed.locator(".roll h3").first.inner_text()
    assert (heading == "Judged otherwise by your verdicts") == (changed > 0)
    third = next(row["stem_id"] for row in data.suspects[2:])
    reviewed.evaluate(
        "name => [...document.querySelectorAll('.roll a')].find((a) => document.querySelector(a.getAttribute('href')).dataset.stem === name).click()",
        third,
    )
    reviewed.keyboard.press("r")
    with reviewed.expect_download() as again:
        reviewed.keyboard.press("d")
    again.value.save_as(file)
    said = read_verdicts(str(file), ("bass", "drums", "other", "vocals"))
    assert [(each.stem_id, each.verdict) for each in said] == [(first, "remove"), (second, "keep"), (third, "remove")]
    reviewed.keyboard.press("u")
    reviewed.reload()
    assert reviewed.inner_text("#said") == "2 verdicts."  # what was taken back does not come again


def test_keys_are_let_alone_in_fields_and_when_they_are_off(page):
    page.fill("#search", "")
    page.press("#search", "r")
    assert page.inner_text("#said") == "No verdict yet."
    assert page.input_value("#search") == "r"
    page.press("#search", "Escape")
    page.keyboard.press("?")
    page.uncheck("#keys")
    page.locator("h2").first.click()
    page.keyboard.press("r")
    assert page.inner_text("#said") == "No verdict yet."


def test_the_table_sorts_filters_searches_and_takes_verdicts(page, data):
    total = len(data.listing.columns["track"])
    names = "[...document.querySelectorAll('#rows tr')].map((r) => r.querySelector('.track').textContent + '/' + r.querySelector('.chip').textContent)"
    assert page.inner_text("#range") == f"1 to 25 of {total}"
    page.click("[data-sort=track]")
    shown_first = page.evaluate(names)
    assert shown_first == sorted(shown_first, key=lambda name: name.split("/")[0])
    page.click("[data-sort=track]")
    assert page.get_attribute("th:has([data-sort=track])", "aria-sort") == "descending"
    assert page.evaluate(names)[0].startswith("song-07")
    page.select_option("#by-label", "bass")
    page.select_option("#by-fate", "kept")
    kept = [row["stem_id"] for row in data.decision if row["stem"] == "bass" and row["keep"]]
    assert sorted(page.evaluate(names)) == sorted(kept)
    page.fill("#search", "SONG-03 bass.wav")
    assert set(page.evaluate(names)) <= {"song-03/bass"}
    page.fill("#search", "nothing has this")
    assert page.inner_text("#range") == "no stem is like that"
    page.fill("#search", "")
    page.select_option("#rows tr:first-child select", "remove")
    assert page.inner_text("#said") == "1 verdict."
    page.select_option("#by-said", "with a verdict")
    assert len(page.evaluate(names)) == 1


def test_a_row_opens_its_stem(page, data):
    heard = data.suspects[4]["stem_id"]
    page.fill("#search", heard.replace("/", " "))
    page.click("#rows button.track")
    assert page.get_attribute(".card.on", "data-stem") == heard
    page.keyboard.press("Space")  # acts on the stem, not on the button that opened it
    wait(page, "!document.querySelector('.card.on .take.on audio').paused")


def test_whoever_cannot_see_it_can_use_it(page):
    """What axe and WCAG ask for and can be read off the page: names, roles, values, focus, contrast."""
    unnamed = """[...document.querySelectorAll('button, select, input, audio, a, [role=slider], svg[role=img]')].filter((e) =>
        !(e.ariaLabel || e.title || e.textContent.trim() || e.labels?.length)).map((e) => e.outerHTML.slice(0, 90))"""
    assert page.evaluate(unnamed) == []
    assert (
        page.evaluate(
            "[...document.querySelectorAll('[id]')].map((e) => e.id).some((id, k, all) => all.indexOf(id) !== k)"
        )
        is False
    )
    scope = page.locator(".card.on .take.on .scope")
    assert scope.get_attribute("role") == "slider"
    assert float(scope.get_attribute("aria-valuemax")) > float(scope.get_attribute("aria-valuemin"))
    assert page.get_attribute("#told", "role") == "status"
    page.keyboard.press("k")
    assert page.inner_text("#told").endswith(": keep")
    assert page.get_attribute(".card.on [data-verdict=keep]", "aria-pressed") == "true"
    levels = [
        int(tag[1]) for tag in page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map((e) => e.tagName)")
    ]
    assert all(b - a <= 1 for a, b in pairwise(levels))


@VIEWS
def test_axe_finds_nothing(open_page, address, scheme, width):
    page = open_page(address, color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 800})
    page.keyboard.press("k")  # a pressed button, and a stem with a verdict
    assert faults(page) == ""


CONTRAST = """() => {
  const light = (c) => { const [r, g, b] = c.match(/[\\d.]+/g).slice(0, 3).map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const behind = (e) => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if (!/, 0\\)$/.test(c)) return c; } return 'rgb(255, 255, 255)'; };
  const found = [];
  for (const e of document.querySelectorAll('#suspects *')) {
    if (e.closest('svg, :disabled, option') || !e.checkVisibility() || ![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())) continue;
    const [a, b] = [light(getComputedStyle(e).color), light(behind(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) found.push(`${ratio.toFixed(2)} ${e.className} ${e.textContent.slice(0, 30)}`);
  }
  return found;
}"""


@VIEWS
def test_it_is_legible_and_fits_wide_and_narrow_light_and_dark(open_page, address, scheme, width, tmp_path):
    page = open_page(address, color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(CONTRAST) == []
    folder = Path(os.environ.get("RAYSEP_SCREENSHOTS") or tmp_path)
    page.evaluate("document.querySelector('.desk').scrollIntoView({behavior: 'instant'})")
    page.screenshot(path=folder / f"page-{scheme}-{width}.png")
    assert (folder / f"page-{scheme}-{width}.png").stat().st_size > 20_000


def test_without_a_script_it_is_readable_and_plays(open_page, address, data):
    page = open_page(address, java_script_enabled=False)
    heard = [row for row in data.suspects if row["takes"]]
    assert page.locator("audio:visible").count() == sum(len(row["takes"]) for row in heard)
    assert page.locator(".card:visible").count() == len(data.suspects)
    assert page.locator("button:visible").count() == 0
    page.click("summary:has-text('stems set aside')")
    assert page.locator("table:has-text('Stems set aside, most suspect first') tbody tr:visible").count() > 5


def test_on_paper_every_stem_stands_with_its_pictures_and_nothing_to_press(page, data):
    page.emulate_media(media="print")
    assert page.locator(".card:visible").count() == len(data.suspects)
    assert page.locator(".take:visible").count() == sum(len(row["takes"]) for row in data.suspects)
    assert page.locator("#suspects :is(button, select, input, audio):visible").count() == 0


def test_thirty_five_thousand_stems_open_at_once(open_page, data, tmp_path, capsys):
    """What the page does is counted, which a busy machine does not change; the seconds are told."""
    file = tmp_path / "many.html"
    file.write_text(render(dataclasses.replace(data, suspects=data.suspects[:3], listing=many(STEMS))))
    assert file.stat().st_size < 8 << 20
    begin = time.perf_counter()
    page = open_page(file.as_uri())
    opened = time.perf_counter() - begin
    assert page.inner_text("#range") == f"1 to 25 of {STEMS}"
    assert page.locator("#rows tr").count() == 25
    assert page.evaluate("document.querySelectorAll('*').length") < 3000
    begin = time.perf_counter()
    page.fill("#search", "song 08749 vocals")
    assert page.inner_text("#range") == "1 to 1 of 1"
    page.fill("#search", "")
    page.click("[data-sort=track]")
    assert page.inner_text("#rows tr:last-child .track").endswith("00006")
    with capsys.disabled():
        print(
            f"\n{STEMS} stems: open after {opened:.2f} s; searched and sorted after {time.perf_counter() - begin:.2f} s"
        )
