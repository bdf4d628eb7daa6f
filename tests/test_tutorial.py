"""docs/tutorial.ipynb: whole, and run from the first cell to the last."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pyarrow.parquet as parquet
import pytest

ROOT = Path(__file__).resolve().parents[1]
TUTORIAL = ROOT / "docs" / "tutorial.ipynb"
CELLS = json.loads(TUTORIAL.read_text())["cells"]


def sources(kind: str) -> list[str]:
    return ["".join(cell["source"]) for cell in CELLS if cell["cell_type"] == kind]


def test_its_code_compiles_and_its_links_lead_somewhere():
    for code in sources("code"):
        compile(code, TUTORIAL.name, "exec")
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", "\n".join(sources("markdown")))
    assert links
    assert [link for link in links if not (TUTORIAL.parent / link).exists()] == []


def test_what_it_shows_is_of_one_run_from_top_to_bottom_and_names_no_machine():
    counts = [cell["execution_count"] for cell in CELLS if cell["cell_type"] == "code"]
    assert counts == list(range(1, len(counts) + 1))
    shown = json.dumps([cell.get("outputs") for cell in CELLS])
    assert set(re.findall(r"/(?:home|tmp|root|work)/\w+", shown)) <= {"/home/you"}
    assert '"output_type": "error"' not in shown
    assert len(shown) < 200_000


@pytest.mark.slow
@pytest.mark.long
def test_it_runs_from_the_first_cell_to_the_last(ray_runtime, tmp_path, monkeypatch):
    """On the session's Ray; nbclient raises what a cell raises."""
    import nbformat
    import ray
    from nbclient import NotebookClient

    monkeypatch.setenv("RAY_ADDRESS", ray.get_runtime_context().gcs_address)
    notebook = nbformat.read(TUTORIAL, nbformat.NO_CONVERT)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    done = tmp_path / "tutorial"
    decision = parquet.read_table(done / "run" / "decision.parquet").to_pandas().set_index("stem_id")
    mine = parquet.read_table(done / "mine.parquet").to_pandas().set_index("stem_id")
    assert not decision["keep"].all()
    (overruled,) = mine.index[mine["verdict"] == "keep"]
    relabelled = mine["verdict"].isin(("vocals", "drums", "bass", "other"))
    assert mine.loc[overruled, "keep"]
    assert not decision.loc[overruled, "keep"]
    assert len(list((done / "pool").rglob("*.wav"))) == int((mine["keep"] | relabelled).sum())
    pictures = [output for cell in notebook.cells for output in cell.get("outputs", []) if "data" in output]
    assert any("data:image/svg+xml" in output["data"].get("text/html", "") for output in pictures)
