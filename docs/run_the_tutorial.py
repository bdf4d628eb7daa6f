"""Runs docs/tutorial.ipynb from its first cell to its last, and stores what it shows; a minute or two.

python docs/run_the_tutorial.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

TUTORIAL = Path(__file__).with_name("tutorial.ipynb")
HOME = "/home/you"  # stands where the folder was that it ran in


def _without_sound(output: Any) -> Any:
    """A player holds all of its sound: of it the page's readers see its words alone."""
    if "data:audio" in output.get("data", {}).get("text/html", ""):
        del output.data["text/html"]
    return output


def main() -> None:
    notebook = nbformat.read(TUTORIAL, nbformat.NO_CONVERT)
    with tempfile.TemporaryDirectory() as folder:
        place = {"metadata": {"path": folder}}
        NotebookClient(notebook, timeout=1800, resources=place, record_timing=False).execute()
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs = [_without_sound(each) for each in cell.outputs if each.get("name") != "stderr"]
        TUTORIAL.write_text(nbformat.writes(notebook).replace(folder, HOME) + "\n")


if __name__ == "__main__":
    main()
