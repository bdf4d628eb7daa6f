"""The page of `raysep listen` in a real browser: any stem of the table, what the separator hears, and nothing for axe to say."""

from __future__ import annotations

import shutil
import threading

import pytest
import torch

from raysep.commands.listen import server
from raysep.report.evidence.of_run import Evidence
from raysep.report.evidence.separated import CHECKPOINT
from raysep.rundir import Run
from raysep.separators import registry
from raysep.separators.checkpoint import Checkpoint, to_bytes
from tests.made_run import RATE
from tests.report.pages import faults, needs_browser, wait

pytestmark = [needs_browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def run(made_run, small_arguments, tmp_path_factory) -> Run:
    """The made run with a network, of random weights."""
    copy = Run(str(tmp_path_factory.mktemp("heard") / "run"))
    shutil.copytree(made_run.root, copy.root)
    arguments = small_arguments("openunmix") | {
        "stems": ("bass", "drums", "vocals"),
        "sample_rate": RATE,
        "channels": 2,
    }
    torch.manual_seed(0)
    network = registry.build("openunmix", **arguments)
    copy.write_bytes(to_bytes(Checkpoint("openunmix", arguments, dict(network.state_dict()))), *CHECKPOINT)
    return copy


@pytest.fixture(scope="module")
def address(run):
    with server.listening(run, 0) as (address, serve):
        threading.Thread(target=serve, daemon=True).start()
        yield address


@pytest.fixture(scope="module")
def unheard(run):
    """unheard("bass") → a stem with that label that the page alone has no sound of."""
    chosen = {each.stem_id for each in Evidence(run).chosen()}
    rows = run.read_table("decision.parquet").to_pylist()
    return lambda label: next(r["stem_id"] for r in rows if r["stem"] == label and r["stem_id"] not in chosen)


def hear(page, stem_id: str) -> None:
    """Open the stem from the table."""
    page.fill("#search", stem_id.replace("/", " "))
    page.click("#rows button.track")
    wait(page, f"document.querySelector('.card.on').dataset.stem === '{stem_id}'")


def test_any_stem_of_the_table_plays_and_seeks(open_page, address, unheard):
    page = open_page(address)
    wait(page, "document.querySelectorAll('.card.on .take').length === 4")
    hear(page, unheard("bass"))
    page.keyboard.press("Space")
    wait(page, "document.querySelector('.card.on .take.on audio').currentTime > 0.1")
    box = page.locator(".card.on .take.on .scope").bounding_box()
    page.mouse.click(box["x"] + 0.75 * box["width"], box["y"] + 20)
    wait(page, "document.querySelector('.card.on .take.on audio').currentTime > 6.7")
    page.keyboard.press("k")
    assert page.inner_text("#said") == "1 verdict."


def test_what_the_separator_hears_comes_with_its_pictures_when_it_is_asked_for(open_page, address, unheard):
    page = open_page(address)
    hear(page, unheard("drums"))
    assert page.locator(".card.on .take:has-text('Separator') .scope").count() == 0
    page.keyboard.press("h")
    wait(page, "document.querySelectorAll('.card.on .take.on .scope image').length === 1")
    scope = page.locator(".card.on .take.on .scope")
    assert scope.get_attribute("role") == "slider"
    page.keyboard.press("Space")
    wait(page, "document.querySelector('.card.on .take.on audio').currentTime > 0.1")
    box = scope.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 20)
    wait(page, "document.querySelector('.card.on .take.on audio').currentTime > 3.4")
    page.keyboard.press("s")
    page.keyboard.press("h")
    assert page.locator(".card.on .take.on .scope").count() == 1  # not asked for again


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.long)])
def test_axe_finds_nothing(open_page, address, unheard, scheme):
    page = open_page(address, color_scheme=scheme)
    hear(page, unheard("bass"))
    page.keyboard.press("h")
    wait(page, "document.querySelectorAll('.card.on .take.on .scope image').length === 1")
    page.keyboard.press("k")
    assert faults(page) == ""
