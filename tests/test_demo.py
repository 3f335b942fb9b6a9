"""`make demo`: notebooks run in a real kernel where they stand, and leave their reports."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

SCRIPT = Path(__file__).parent.parent / ".ci" / "demo.py"


def demo(folder: Path, *cells: str) -> subprocess.CompletedProcess[str]:
    notebooks = folder / "notebooks"
    notebooks.mkdir()
    (notebooks / "data.txt").write_text("beside the notebook")
    if cells:
        notebook = new_notebook(cells=[new_code_cell(cell) for cell in cells])
        nbformat.write(notebook, notebooks / "one.ipynb")
    command = [sys.executable, SCRIPT, "notebooks", "out"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_a_notebook_runs_where_it_stands_and_leaves_a_report(tmp_path):
    done = demo(tmp_path, "print(open('data.txt').read().upper())")
    assert done.returncode == 0, done.stderr
    report = tmp_path / "out" / "one.html"
    assert str(report) in done.stdout
    assert "BESIDE THE NOTEBOOK" in report.read_text(encoding="utf-8")
    source = nbformat.read(tmp_path / "notebooks" / "one.ipynb", as_version=4)
    assert source.cells[0].outputs == [], "the notebook itself is left as it was"


def test_a_cell_that_raises_ends_the_demo_and_leaves_the_report_as_far_as_it_came(tmp_path):
    done = demo(tmp_path, "print('so far')", "1 / 0", "print('not' + ' reached')")
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr
    report = (tmp_path / "out" / "one.html").read_text(encoding="utf-8")
    assert "so far" in report
    assert "not reached" not in report


def test_no_notebook_is_an_error_and_no_empty_success(tmp_path):
    done = demo(tmp_path)
    assert (done.returncode, done.stderr) == (1, "no notebook in notebooks/\n")
