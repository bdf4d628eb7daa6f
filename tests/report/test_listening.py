"""What the page lets run, play and read: its own style and script, its own sounds, and no name that pretends to be more."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raysep.report.data import ReportData
from raysep.report.html import render
from raysep.report.listening import packed
from tests.report.pages import LISTING, TAKE, Page


@pytest.fixture
def full() -> ReportData:
    """One stem with two sounds."""
    takes = [dataclasses.replace(TAKE, name="Stem"), dataclasses.replace(TAKE, name="Mixture")]
    about = {"stem_id": "a/vocals", "stem": "vocals", "suspicion": 4.37, "p_corrupt": 0.917, "keep": False}
    return ReportData(
        "t", suspects=[{**about, "reason": "own output loses to drums", "takes": takes, "worst": "a gap"}]
    )


def test_every_take_has_a_player_its_waveform_and_its_spectrogram(full):
    source = render(full)
    assert source.count("<audio ") == source.count('class="picture waveform"') == source.count("<image ") == 2
    assert source.count('class="marked"') == 3  # twice in the pictures, once in words


@pytest.mark.parametrize(
    "address",
    ["", "https://evil.example/x.ogg", "data:text/html;base64,AAAA", 'data:audio/ogg;base64,A"onerror="', "audio/../x"],
)
def test_an_address_that_is_no_sound_of_the_page_is_not_played(full, address):
    row = {**full.suspects[0], "takes": [dataclasses.replace(TAKE, source=address)]}
    page = Page(render(dataclasses.replace(full, suspects=[row])))
    assert "audio" not in page.tags
    assert "own output loses to drums" in page.text


def test_the_policy_allows_just_the_style_and_the_script_that_are_there(full):
    source = render(dataclasses.replace(full, listing=LISTING))
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', source)[1]
    style, script = (re.search(f"<{tag}>(.*?)</{tag}>", source, re.DOTALL)[1] for tag in ("style", "script"))
    for kind, text in (("style", style), ("script", script)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}';" in policy
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert "connect-src" not in policy
    assert " style=" not in source
    assert not [name for _, name, _ in Page(source).attributes if name.startswith("on")]


def test_no_name_ends_the_listing_early(full):
    source = render(dataclasses.replace(full, listing=LISTING))
    page = Page(source)
    assert page.tags.count("script") == 2  # the listing and the page's own
    told = json.loads(re.search(r'id="stems">(.*?)</script>', source, re.DOTALL)[1])
    assert {name: unpacked(column) for name, column in told["columns"].items()} == LISTING.columns
    assert told["tracks"] == LISTING.tracks


def unpacked(column: list | str) -> list:
    """As page.js reads it."""
    return column.split("\n") if isinstance(column, str) else column


@given(st.lists(st.text(alphabet="ab\n\r\t</\u2028 ", max_size=4), max_size=4) | st.lists(st.none() | st.integers()))
def test_a_column_comes_back_as_it_was(values):
    assert unpacked(json.loads(json.dumps(packed(values)))) == values


def test_the_script_speaks_before_there_is_anything_to_lay_out(full):
    """Else a browser lays out all cards, and then hides all but one."""
    source = render(dataclasses.replace(full, listing=LISTING))
    assert source.index('classList.add("js")') < source.index("<body>")


def test_what_is_missing_among_the_sounds_is_said_once(full):
    page = Page(render(dataclasses.replace(full, unheard="no <network>.")))
    assert page.text.count("no <network>.") == 1


def test_a_served_page_may_ask_its_own_server_and_nobody_else(full):
    source = render(dataclasses.replace(full, listing=LISTING, served=True))
    assert "media-src 'self'; connect-src 'self'" in source


def test_what_the_page_is_made_of_is_in_the_package():
    root = Path(__file__).resolve().parents[2]
    packed = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["raysep.report"]
    files = [file for file in (root / "raysep" / "report").iterdir() if file.is_file() and file.suffix != ".py"]
    assert {file.name for file in files} >= {"style.css", "page.js"}
    assert all(any(file.match(pattern) for pattern in packed) for file in files)
