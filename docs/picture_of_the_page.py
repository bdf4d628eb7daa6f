"""Makes the picture of the page in README and docs/listen.md anew, in a headless Chromium:

python docs/picture_of_the_page.py runs/demo/report.html docs/images/page.png
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

WIDTH, HEIGHT = 1096, 700


def main(report: str, picture: str) -> None:
    """The first stem of the page, as it stands when one has scrolled to it."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        page.goto(Path(report).resolve().as_uri())
        page.evaluate("document.querySelector('.desk').scrollIntoView({behavior: 'instant'})")
        page.screenshot(path=picture)
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
