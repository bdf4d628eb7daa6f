"""Makes the picture of the page in README and docs/listen.md anew, in a headless Chromium:

python docs/picture_of_the_page.py runs/demo/report.html docs/images/page.png
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

WIDTH, HEIGHT = 1180, 1000  # in pixels, more than is kept
EDGE = 12


def main(report: str, picture: str) -> None:
    """The first stem of the page down to the buttons for a verdict, beside the list of the others."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        page.goto(Path(report).resolve().as_uri())
        page.evaluate("document.querySelector('.desk').scrollIntoView({behavior: 'instant'})")
        desk, buttons = (page.locator(name).first.bounding_box() for name in (".desk", ".card.on .verdict"))
        assert desk, report
        assert buttons, report
        x, y = desk["x"] - EDGE, desk["y"] - 1
        bottom = buttons["y"] + buttons["height"] + EDGE
        page.screenshot(path=picture, clip={"x": x, "y": y, "width": desk["width"] + 2 * EDGE, "height": bottom - y})
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
