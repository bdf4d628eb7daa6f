"""The documents as a site: built with warnings as errors, whole, and without anything from elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
NAMED = re.findall(r"^\s+- (?:.+: )?(\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The site, made by the real program. A link, an anchor or a page that is missing ends it."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_every_page_has_its_place_and_is_made(site):
    assert len(set(NAMED)) == len(NAMED)
    pages = {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")}
    assert set(NAMED) == pages
    for page in pages:
        assert (site / page).with_suffix(".html").is_file()


def test_a_heading_is_found_by_the_name_that_it_has_in_the_repository(site):
    page = (site / "how-a-stem-is-scored.html").read_text()
    assert 'id="fréchet-distance"' in page


def test_what_leads_out_of_the_documents_is_text(site):
    page = (site / "cluster.html").read_text()
    assert "cluster.yaml" in page
    assert 'href="../cluster.yaml"' not in page


def test_the_site_fetches_nothing_from_elsewhere(site):
    fetched = re.compile(r'<(?:script|link|img|iframe)[^>]+(?:src|href)="(https?:)?//[^"]*"')
    for page in site.rglob("*.html"):
        assert not fetched.search(page.read_text()), page


def test_the_notebook_is_there_to_be_taken(site):
    assert (site / "tutorial.ipynb").read_bytes() == (DOCS / "tutorial.ipynb").read_bytes()
    assert not list(site.rglob("*.py"))
