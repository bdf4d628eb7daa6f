"""Runs docs/tutorial.ipynb from its first cell to its last, and stores what it shows; a minute or two.

python docs/run_the_tutorial.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

TUTORIAL = Path(__file__).with_name("tutorial.ipynb")
HOME = "/home/you"  # stands where the folder was that it ran in


def main() -> None:
    notebook = nbformat.read(TUTORIAL, nbformat.NO_CONVERT)
    with tempfile.TemporaryDirectory() as folder:
        place = {"metadata": {"path": folder}}
        NotebookClient(notebook, timeout=1800, resources=place, record_timing=False).execute()
        TUTORIAL.write_text(nbformat.writes(notebook).replace(folder, HOME) + "\n")


if __name__ == "__main__":
    main()
