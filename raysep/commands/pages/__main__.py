"""``python -m raysep.commands.pages docs`` writes docs/commands.md and docs/api.md; ``make docs`` does."""

from __future__ import annotations

import sys
from pathlib import Path

from raysep.commands.pages import of_commands, of_functions

PAGES = {"commands.md": of_commands.page, "api.md": of_functions.page}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (Path(sys.argv[1]) / name).write_text(page())
