"""A hook of mkdocs: what the site cannot link to is text there. The same pages are read in the repository, where it is a link."""

from __future__ import annotations

import re
from typing import Any

OUTSIDE = re.compile(r"\[([^\]]*)\]\(\.\./(?!results/)[^)]*\)")


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """``[cluster.yaml](../cluster.yaml)`` of a page at the top of docs/ leads out of it."""
    return markdown if "/" in page.file.src_uri else OUTSIDE.sub(r"\1", markdown)
