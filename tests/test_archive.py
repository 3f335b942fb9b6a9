"""What is left of a run: it can be had again as values, from a file or from the journal."""

from __future__ import annotations

import json
import re
import sys
from xml.etree import ElementTree as ET

import nbformat
import pytest
from nbconvert import HTMLExporter

import orch_nb as nb
from orch_nb.archive import write_report
from orch_nb.model.record import MIMETYPE, seal
from orch_nb.render.bundle import integrate_bundles
from orch_nb.render.integrate_section import integrate_section
from orch_nb.render.pdf import browser


def ran(tmp_path, name="weekly", **options):
    """load ─► clean ─► broken (fails)."""
    plan = nb.Plan(
        goal="Publish <i>it</i>",
        tasks=[
            nb.Task(id="load", sh="echo 3"),
            nb.Task(id="clean", sh="echo {{ load }}", needs=["load"], story="Build"),
            nb.Task(id="broken", sh="exit 4", needs=["clean"]),
        ],
    )
    run = nb.execute(plan, journal=tmp_path / "j.db", name=name, **options)
    return nb.Operation(
        plan=plan, kind="yaml", name=name, run=run, report=nb.integrate(run), document="goal: g"
    )


def notebook(path, *operations, source="%%orchestrate --name weekly\ngoal: g\n"):
    """What a cell leaves in the file, one cell an operation."""
    cells = []
    for operation in operations:
        outputs = [
            nbformat.v4.new_output("display_data", bundle)
            for bundle in integrate_bundles(
                integrate_section(operation.report), operation.report, operation
            )
        ]
        cells.append(nbformat.v4.new_code_cell(source, outputs=outputs))
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# A title"), *cells])
    nbformat.validate(made)
    nbformat.write(made, path)
    return path


@pytest.fixture
def told(tmp_path):
    return ran(tmp_path)


# -- from a file


def test_a_notebook_gives_back_its_operation(told, tmp_path):
    back = nb.load(notebook(tmp_path / "r.ipynb", told))
    assert back.run.df.equals(told.run.df)
    assert back.report.checks == told.report.checks
    assert back.plan.hash == told.plan.hash
    assert (back.name, back.document, back.body) == ("weekly", "goal: g", "goal: g\n")
    assert back.run.results["clean"] == "3"


def test_an_html_report_gives_back_the_same(told, tmp_path):
    path = told.report.to_html(tmp_path / "r.html", document="goal: g")
    back = nb.load(path)
    assert back.run.df.equals(told.run.df)
    assert back.report.failures == told.report.failures
    assert back.document == "goal: g"


def test_of_several_the_last_is_taken_or_the_one_that_is_named(told, tmp_path):
    second = ran(tmp_path, "daily")
    path = notebook(tmp_path / "r.ipynb", told, second)
    assert nb.load(path).run.run_id == "daily-1"
    assert nb.load(path, "weekly").run.run_id == "weekly-1"
    assert nb.load(str(path), "weekly-1").run.run_id == "weekly-1"
    with pytest.raises(nb.UsageError, match=r"weekli.*weekly-1`\? It has: weekly-1, daily-1\."):
        nb.load(path, "weekli")


def test_a_draft_is_in_the_file_too(tmp_path):
    draft = nb.decompose("goal: Move it\ntasks: {copy: {todo: Copy it}}")
    bundle = nb.Operation(plan=draft, kind="goal", name="move")._repr_mimebundle_()
    cell = nbformat.v4.new_code_cell(
        "_orch", outputs=[nbformat.v4.new_output("display_data", bundle)]
    )
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "d.ipynb")
    back = nb.load(tmp_path / "d.ipynb", "move")
    assert back.draft
    assert back.plan == draft


def test_a_run_that_shows_itself_leaves_its_data(told, tmp_path):
    for value in (told.run, told.report, told):
        assert value._repr_mimebundle_()[MIMETYPE]["run_id"] == "weekly-1"


def test_a_file_without_a_run_says_so(tmp_path):
    path = tmp_path / "empty.ipynb"
    nbformat.write(nbformat.v4.new_notebook(), path)
    with pytest.raises(nb.RecordError, match=r"empty\.ipynb has no run of orch_nb in it"):
        nb.load(path)
    (tmp_path / "page.html").write_text("<p>hello</p>")
    with pytest.raises(nb.RecordError, match=r"page\.html has no run .* executed notebook itself"):
        nb.load(tmp_path / "page.html")


def test_of_what_nbconvert_made_it_is_said_why_it_has_no_run_and_which_file_has(tmp_path):
    path = tmp_path / "n.html"
    page, _ = HTMLExporter().from_notebook_node(nbformat.v4.new_notebook())
    path.write_text(page)
    with pytest.raises(nb.RecordError, match=r"nbconvert keeps what is .*\(\.ipynb\), and an HTML"):
        nb.load(path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "cannot be read"),
        ("{", "cannot be read"),
        ("[]", "no notebook of version 4"),
        ('{"worksheets": []}', "no notebook of version 4"),
        ('{"cells": [5, {"outputs": 5}, {"outputs": [5, {"data": 5}]}]}', "no run of orch_nb"),
        ("[" * 100_000, "cannot be read"),
        (json.dumps({"cells": [{"outputs": [{"data": {MIMETYPE: {}}}]}]}), r"n\.ipynb: .*not what"),
    ],
)
def test_what_is_no_notebook_is_refused_in_words(text, says, tmp_path):
    path = tmp_path / "n.ipynb"
    path.write_text(text)
    with pytest.raises(nb.RecordError, match=says):
        nb.load(path)


def test_a_plan_that_could_not_run_is_refused(told, tmp_path):
    broken = nb.Plan(goal="g", tasks=[nb.Task(id="a", sh="x", needs=["b"])])
    data = {MIMETYPE: seal(nb.Operation(plan=broken, kind="yaml"))}
    text = json.dumps({"cells": [{"outputs": [{"data": data}]}]})
    (tmp_path / "n.ipynb").write_text(text)
    with pytest.raises(nb.RecordError, match=r"the plan of its run cannot be: .*`b`"):
        nb.load(tmp_path / "n.ipynb")


def test_a_file_that_is_not_there_or_of_another_kind_says_so(tmp_path):
    with pytest.raises(nb.UsageError, match="there is no file"):
        nb.load(tmp_path / "nowhere.ipynb")
    (tmp_path / "run.pkl").write_bytes(b"x")
    with pytest.raises(nb.UsageError, match=r"is no report: .* \.ipynb, \.html"):
        nb.load(tmp_path / "run.pkl")


# -- from the journal


def test_a_run_of_the_journal_is_loaded_by_its_id(told, tmp_path):
    back = nb.load("weekly-1", journal=tmp_path / "j.db")
    assert back.run.df.equals(told.run.df)
    assert back.report.outcome == told.report.outcome
    assert nb.load(tmp_path / "j.db").run.run_id == "weekly-1"
    with pytest.raises(nb.RunNotFound, match="weekly-9"):
        nb.load("weekly-9", journal=tmp_path / "j.db")


def test_loading_makes_no_journal(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(nb.RunNotFound, match="no file of that name, and no journal"):
        nb.load("weekly-1")
    assert list(tmp_path.iterdir()) == []


def test_the_journal_keeps_what_was_known_before_the_run(tmp_path):
    (tmp_path / "app.py").write_text("print(1)\n")
    whole = nb.orchestrate(
        "goal: Release 2.4\ntasks: {a: {sh: 'echo 1'}}", workspace=tmp_path,
        journal=tmp_path / "j.db", name="rel",
    )  # fmt: skip
    back = nb.load("rel-1", journal=tmp_path / "j.db")
    assert back.analysis == whole.analysis
    assert back.research == whole.research
    assert back.document == whole.document
    assert back.report.analysis == whole.analysis
    html = back.report.to_html()
    assert all(phase in html for phase in ("1 ANALYZE", "2 RESEARCH", "5 INTEGRATE"))


# -- its history


def test_a_run_has_the_events_that_it_was_folded_from(told):
    kinds = [type(event).__name__ for event in told.run.history]
    assert kinds[0] == "RunStarted"
    assert kinds[-1] == "RunEnded"


def test_the_history_of_a_run_ends_where_it_was_looked_at(tmp_path):
    first = ran(tmp_path).run
    before = len(first.history) and len(nb.load("weekly-1", journal=tmp_path / "j.db").run.history)
    later = nb.recover("weekly-1", journal=tmp_path / "j.db", retry="broken")
    fresh = ran(tmp_path, "other").run
    nb.recover("other-1", journal=tmp_path / "j.db", retry="broken")
    assert len(later.history) > before
    assert type(fresh.history[-1]).__name__ == "RunEnded"
    assert len(fresh.history) == before


# -- as a file


def test_the_suffix_says_what_is_written(told, tmp_path):
    html = write_report(told, tmp_path / "r.html")
    assert html.read_text().startswith("<!DOCTYPE html>")
    assert ET.parse(write_report(told, tmp_path / "r.xml")).getroot().tag == "testsuites"
    assert write_report(told, tmp_path / "r.md").read_text().startswith("# Publish")
    with pytest.raises(
        nb.UsageError, match=r"\.html, \.htm, \.md, \.pdf, \.xml, .* not `.*r\.doc`"
    ):
        write_report(told, tmp_path / "r.doc")
    with pytest.raises(nb.UsageError, match="does not exist"):
        write_report(told, tmp_path / "nowhere" / "r.html")


def test_the_pictures_of_markdown_lie_beside_it(told, tmp_path):
    folder = tmp_path / "r_files"
    folder.mkdir()
    for name in ("9.svg", "mine.svg"):
        (folder / name).write_text("<svg/>")
    text = write_report(told, tmp_path / "r.md").read_text()
    named = re.findall(r"!\[[^\]]{20,}\]\((r_files/\d+\.svg)\)", text)
    assert named
    for path in named:
        ET.parse(tmp_path / path)
    there = {file.name for file in folder.iterdir()}
    assert there == {"mine.svg", *(path.removeprefix("r_files/") for path in named)}


def test_a_page_has_the_cells_only_when_they_are_asked_for(told, tmp_path):
    plain = write_report(told, tmp_path / "r.html").read_text()
    assert "CODE" not in plain
    with_code = write_report(told, tmp_path / "r.html", code=["a = '</pre><script>'"]).read_text()
    assert "a = &#x27;&lt;/pre&gt;&lt;script&gt;&#x27;" in with_code


def test_several_operations_are_in_one_page_and_each_can_be_loaded(told, tmp_path):
    page = write_report([told, ran(tmp_path, "daily")], tmp_path / "r.html")
    assert nb.load(page).run.run_id == "daily-1"
    assert nb.load(page, "weekly-1").run.df.equals(told.run.df)


def test_a_pdf_is_printed_by_a_browser_of_the_machine(told, tmp_path):
    if browser() is None:
        pytest.skip("no Chromium, Chrome or Edge on the PATH")
    assert write_report(told, tmp_path / "r.pdf").read_bytes()[:5] == b"%PDF-"


@pytest.mark.skipif(sys.platform == "win32", reason="the browsers are scripts of sh")
@pytest.mark.parametrize(
    ("script", "says"),
    [
        (None, "no Chromium, Chrome or Edge is on the PATH.* write the report as .html"),
        ("echo something is wrong >&2; exit 3", r"exit code 3: something is wrong\)"),
        ("exit 0", "exit code 0: it said nothing"),
    ],
)
def test_a_browser_that_is_missing_or_does_not_print_is_told(
    told, tmp_path, monkeypatch, script, says
):
    program = tmp_path / "browser"
    if script is not None:
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    monkeypatch.setenv("ORCH_NB_BROWSER", str(program))
    (tmp_path / "r.pdf").write_text("before")
    with pytest.raises(nb.BackendUnavailable, match=says):
        write_report(told, tmp_path / "r.pdf")
    assert (tmp_path / "r.pdf").read_text() == "before"
