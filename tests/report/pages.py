"""What the tests of the page share: a strict reader of it, a sound with its pictures, a listing, a name that means harm, and
what is asked of it in a browser."""

from __future__ import annotations

import base64
import shutil
import time
from html.parser import HTMLParser

import numpy as np
import pytest

from raysep.audio.files import encode
from raysep.report.data import Listing, Outline, Take

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_browser = pytest.mark.skipif(not BROWSER, reason="no Chromium on this machine (apt-get install chromium)")

EVIL = "<script>alert('x')</script>\"&"
VOID = {"meta", "br", "link", "img", "input"}
N = "\u202f"


class Page(HTMLParser):
    """Collects text and attributes, and insists that every element is closed by its own end tag."""

    def __init__(self, source):
        super().__init__(convert_charrefs=True)
        self.open, self.words, self.attributes, self.tags = [], [], [], []
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        assert len({name for name, _ in attrs}) == len(attrs), f"{tag} repeats an attribute"
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split(" "))

    def values(self, name):
        return [value for _, attribute, value in self.attributes if attribute == name]


def sound():
    time = np.arange(8000) / 8000
    return encode(np.sin(2 * np.pi * 220 * time)[None].astype(np.float32), 8000)


TAKE = Take(
    "Stem",
    "data:audio/wav;base64," + base64.b64encode(sound()).decode(),
    1.0,
    Outline([-0.5, -0.2], [0.5, 0.2], 1.0),
    b"\x89PNG",
    (("200 Hz", 0.2),),
    (1.5, 2.0),
    "as it is",
)


LISTING = Listing(
    {
        **{
            "track": [0, 1],
            "label": [0, 0],
            "suspicion": [4.0, None],
            "p": [0.9, None],
            "place": [1, 3],
            "fate": [1, 0],
            "kind": [1, 0],
        },
        **{"evidence": ["</script><script>alert(1)</script>", ""], "file": ["*/vocals.wav", ""]},
    },
    ["a", EVIL],
    ["vocals"],
    ["", "swap"],
    ["not readable", "used as bass"],
    "/music/",
    "runs/first",
    "abc",
)


def wait(page, holds: str, seconds: float = 20.0) -> None:
    """Until this holds in the page; asked from outside, as the page's policy lets nothing be evaluated in it."""
    end = time.monotonic() + seconds
    while not page.evaluate(holds):
        assert time.monotonic() < end, holds
        page.wait_for_timeout(20)


def faults(page) -> str:
    """What axe-core says against it by all its rules, its best practices too, with what unfolds unfolded."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    found = axe.Axe().run(page)
    assert len(found.response["passes"]) > 20  # it did look
    return found.generate_report() if found.violations_count else ""
