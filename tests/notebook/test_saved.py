"""The executed notebook as a file: run by nbclient, where nobody watches, then exported."""

from __future__ import annotations

import base64
import re

import nbformat
import pytest
from nbclient import NotebookClient
from nbconvert import HTMLExporter, LatexExporter, MarkdownExporter

from orch_nb.model.record import MIMETYPE

PHASES = ("ANALYZE", "RESEARCH", "DECOMPOSE", "EXECUTE", "INTEGRATE")

# orders ─┐
#         ├─ joined ─► gate (nobody answers)        broken
# refunds ┘
CELLS = (
    "%load_ext orch_nb",
    (
        "%%orchestrate Publish the weekly sales report\n"
        "@task(retry=2)\n"
        "def orders(): return [1, 2]\n"
        "@task\n"
        "def refunds(): return [3]\n"
        "@task(story='Build')\n"
        "def joined(orders, refunds): return orders + refunds\n"
        "@task\n"
        "def broken(): raise ValueError('a <b>bold</b> claim')\n"
        "@task(approval='Publish?')\n"
        "def gate(joined): ...\n"
    ),
    "%%orchestrate\nMove the carts of this shop from Redis to Postgres without downtime.\n",
)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in CELLS])
    client = NotebookClient(
        notebook,
        timeout=60,
        kernel_name="python3",
        extra_arguments=["--IPKernelApp.log_level=50"],
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute()
    nbformat.write(notebook, folder / "saved.ipynb")
    return nbformat.read(folder / "saved.ipynb", as_version=4)


def outputs(notebook, cell):
    return [one.data for one in notebook.cells[cell].outputs if "data" in one]


def test_a_run_that_nobody_watches_waits_for_nobody(saved):
    header = outputs(saved, 1)[0]["text/plain"]
    assert "⏸ waiting" in header
    assert "%orchestrate approve gate" in header


def test_nothing_in_the_file_needs_a_kernel_or_a_widget_manager(saved):
    types = {name for n in (1, 2) for one in outputs(saved, n) for name in one}
    assert types == {"text/html", "text/markdown", "text/plain", "image/png", MIMETYPE}
    assert "widgets" not in saved.metadata


def test_the_html_survives_an_untrusted_notebook(saved):
    html = "\n".join(one.get("text/html", "") for n in (1, 2) for one in outputs(saved, n))
    for lost in ("<svg", "<style", "<script", "var(--", " onclick", "aria-", "role="):
        assert lost not in html.replace("data:image/svg+xml", "")
    assert "<b>bold</b>" not in html


def test_every_drawing_has_an_alternative_and_a_bitmap(saved):
    drawings = [one for n in (1, 2) for one in outputs(saved, n) if "image/png" in one]
    assert len(drawings) == 3, "the graph and the timeline of the run, the graph of the draft"
    for one in drawings:
        assert re.search(r'<img [^>]*alt="[^"]{20,}"', one["text/html"])
        assert "data:image/svg+xml;base64," in one["text/html"]
        assert base64.b64decode(one["image/png"])[:4] == b"\x89PNG"
        assert len(one["text/plain"]) > 20


def test_the_html_export_has_every_phase_with_its_pictures(saved):
    body, _ = HTMLExporter(embed_images=True).from_notebook_node(saved)
    for phase in PHASES:
        assert phase in body
    pictures = re.findall(r'<img [^>]*src="data:image/svg\+xml;base64,[^>]*>', body)
    assert len(pictures) == 4, "the graph, the timeline and the strip of the run; the draft's graph"
    assert all(re.search(r'alt="[^"]{20,}"', picture) for picture in pictures)
    assert "%orchestrate approve gate" in body
    assert "a &lt;b&gt;bold&lt;/b&gt; claim" in body


def test_the_markdown_export_has_every_phase_with_its_pictures(saved):
    body, resources = MarkdownExporter().from_notebook_node(saved)
    for phase in PHASES:
        assert phase in body
    assert body.count("![") + body.count("<img") == 4
    assert len(resources["outputs"]) in (0, 3, 4)
    assert "%orchestrate approve gate" in body


def test_the_latex_export_does_not_abort(saved):
    # An SVG output would start Inkscape; turning Markdown into LaTeX would start pandoc, which is
    # not what is tested.
    as_it_is = {"convert_pandoc": lambda text, *_: text, "markdown2latex": lambda text, *_: text}
    body, _ = LatexExporter(filters=as_it_is).from_notebook_node(saved)
    assert body.count(r"\adjustimage{") == 3
    assert "INTEGRATE" in body


def test_a_plan_error_stops_run_all(kernel):
    cell = kernel.run("%%orchestrate\ngoal: g\ntasks: {a: {needs: [b]}}\n")
    assert cell.reply["status"] == "error"
    assert (cell.reply["ename"], "no task" in cell.reply["evalue"]) == ("PlanError", True)
