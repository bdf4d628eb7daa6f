from __future__ import annotations

import pytest

from tests.report.pages import BROWSER


@pytest.fixture(scope="module")
def browser():
    """Not longer: while it is there, no other test of the process may have an event loop of its own."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(
            executable_path=BROWSER, args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required", "--mute-audio"]
        )
        yield found
        found.close()


@pytest.fixture
def open_page(browser):
    """open_page(address, …) → a page; at the end nothing may have been complained of in its console."""
    said, opened = [], []

    def open_it(address: str, **settings):
        context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True, **settings)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        opened.append(context)
        page.goto(address)
        return page

    yield open_it
    for context in opened:
        context.close()
    assert said == []
