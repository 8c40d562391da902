"""The notebook, run from the first cell to the last."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest
from fixtures.examples import EXAMPLES


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shutil.copytree(EXAMPLES / "notebook", tmp_path_factory.mktemp("notebook") / "run")


@pytest.fixture(scope="module")
def cells(folder: Path) -> list[Any]:
    """The cells of code, run; a cell that raises is an error here."""
    notebook = nbformat.read(folder / "which_way.ipynb", as_version=4)
    where = {"metadata": {"path": str(folder)}}
    nbclient.NotebookClient(notebook, timeout=240, resources=where).execute()
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_delays_tell_the_direction(cells: list[Any]) -> None:
    (said,) = [
        output.data["text/plain"]
        for cell in cells
        for output in cell.outputs
        if "'without'" in output.get("data", {}).get("text/plain", "")
    ]
    without, with_delays = (float(part.split(":")[1].strip(" }")) for part in said.split(","))
    assert without < 0.5
    assert with_delays > 0.9


def test_what_it_makes(cells: list[Any], folder: Path) -> None:
    printed = "".join(o.get("text", "") for cell in cells for o in cell.outputs)
    assert "384,000 spikes compared, 0 differ" in printed
    pictures = [o for c in cells for o in c.outputs if "image/png" in o.get("data", {})]
    assert len(pictures) == 2
    assert (folder / "report.html").read_text().startswith("<!doctype html>")
    assert (folder / "artifact" / "lib" / "libears.so").exists()


def test_it_is_kept_without_outputs() -> None:
    notebook = nbformat.read(EXAMPLES / "notebook" / "which_way.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)
