"""Values and phases as mimebundles: what a notebook displays and keeps.

A value shows itself as one bundle, `text/html`, `text/markdown` and `text/plain`, drawings within.

A cell's phases are displayed by `section_bundles`, drawings and tables in outputs of their own:

    {text/html: <details open><summary>3 DECOMPOSE ...</summary><img alt>..., image/png, text/plain}
    {text/html: the tables, text/markdown, text/plain}

JupyterLab, nbviewer and `nbconvert --to html` take the HTML of both and read as one; GitHub too,
which keeps `<details>` and drops the data URI, so that the `alt` speaks; `nbconvert --to markdown`
takes the HTML; a LaTeX export takes the PNG of the first and the Markdown or text of the second. In
one bundle with a PNG the tables would be lost to LaTeX, which prefers the picture. The phase's line
is the summary of the first output, so that every phase has exactly one line whatever is closed; the
tables stand in the second under a line of their own only where they may be closed. No bundle has
`image/svg+xml`: it is dropped by an untrusted notebook and stops a LaTeX export.

INTEGRATE, and a run, report or operation that shows itself, have one mimetype more, which nothing
displays: the values themselves (`model.record`), so that `orch_nb.load` gives them back.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from msgspec.structs import replace

from orch_nb.errors import JournalError
from orch_nb.model import record
from orch_nb.model.analysis import Analysis
from orch_nb.model.contrast import Contrast
from orch_nb.model.plan import Plan
from orch_nb.model.report import Operation, Report
from orch_nb.model.research import Research
from orch_nb.model.run import Run
from orch_nb.render import html, markdown, text
from orch_nb.render.contrast import contrast_document
from orch_nb.render.document import Block, Document, Drawing, Fold, Header, Section, Text, line
from orch_nb.render.sections import (
    analyze_section,
    document,
    header,
    operation_document,
    report_document,
    research_section,
)

__all__ = [
    "Bundle", "analysis_bundle", "blocks_bundle", "closed_report", "contrast_bundle",
    "document_bundle",
    "header_bundle", "integrate_bundles", "operation_bundle", "plan_bundle", "report_bundle",
    "research_bundle", "run_bundle", "section_bundle", "section_bundles", "shown_operation",
    "shown_report", "shown_run",
]  # fmt: skip

Bundle: TypeAlias = dict[str, Any]


def document_bundle(shown: Document) -> Bundle:
    """A whole document as one bundle."""
    return {
        "text/html": html.document_html(shown),
        "text/markdown": markdown.document_markdown(shown),
        "text/plain": text.document_text(shown),
    }


def plan_bundle(plan: Plan) -> Bundle:
    return document_bundle(document(plan))


def run_bundle(run: Run) -> Bundle:
    return document_bundle(document(run.plan, run))


def analysis_bundle(analysis: Analysis) -> Bundle:
    return section_bundle(analyze_section(analysis))


def research_bundle(research: Research) -> Bundle:
    return section_bundle(research_section(research))


def report_bundle(report: Report) -> Bundle:
    return document_bundle(report_document(report))


def operation_bundle(operation: Operation) -> Bundle:
    return document_bundle(operation_document(operation))


def shown_run(run: Run) -> Bundle:
    """What a run shows of itself, and the run."""
    return {**run_bundle(run), **_data(Operation(plan=run.plan, kind="", run=run))}


def shown_report(report: Report) -> Bundle:
    return {**report_bundle(report), **_data(_operation(report))}


def closed_report(report: Report) -> Bundle:
    """The same with every phase closed: the lines tell the story, and a click opens a phase."""
    found = report_document(report)
    closed = tuple(replace(section, open=False) for section in found.sections)
    shown = document_bundle(replace(found, sections=closed))
    return {**shown, **_data(_operation(report))}


def shown_operation(operation: Operation) -> Bundle:
    return {**operation_bundle(operation), **_data(operation)}


def integrate_bundles(
    section: Section, report: Report, operation: Operation | None = None
) -> list[Bundle]:
    """INTEGRATE for display in a cell, the run's data in the last of its bundles.

    `section` is what there is to show of the report; `operation` is what that is of, where more is
    known of it than the report says.
    """
    *before, last = section_bundles(section)
    return [*before, {**last, **_data(operation or _operation(report))}]


def _operation(report: Report) -> Operation:
    return Operation(
        plan=report.run.plan, kind="", run=report.run, report=report,
        analysis=report.analysis, research=report.research,
    )  # fmt: skip


def _data(operation: Operation) -> Bundle:
    """The values, for whoever loads the file; nothing where the events of the run are not known."""
    try:
        sealed = record.seal(operation)
    except JournalError:  # what a value shows must not depend on a file that may be gone by now
        return {}
    return {record.MIMETYPE: sealed} if sealed is not None else {}


def contrast_bundle(found: Contrast) -> Bundle:
    """Two runs side by side."""
    return document_bundle(contrast_document(found))


def section_bundle(section: Section) -> Bundle:
    """A section as one bundle, drawings and all."""
    return document_bundle(Document(None, (section,)))


def header_bundle(
    plan: Plan, run: Run | None = None, report: Report | None = None, *, name: str = ""
) -> Bundle:
    """The outcome's lines; for the head of a cell's output."""
    return made_header_bundle(header(plan, run, report, name=name))


def made_header_bundle(made: Header) -> Bundle:
    return {
        "text/html": html.wrap(html.header_html(made)),
        "text/markdown": markdown.header_markdown(made),
        "text/plain": text.header_text(made),
    }


def section_bundles(section: Section) -> list[Bundle]:
    """A phase for display in a cell: see the module's docstring."""
    drawings = tuple(block for block in section.blocks if isinstance(block, Drawing))
    rest = tuple(block for block in section.blocks if not isinstance(block, Drawing))
    if not drawings:
        return [section_bundle(section)]
    first = Section(section.number, section.title, section.finding, drawings, section.open)
    picture: Bundle = {
        "text/html": html.document_html(Document(None, (first,))),
        "text/plain": text.section_text(first),
    }
    png = drawings[0].png() if drawings[0].png is not None else None
    if png is not None:
        picture["image/png"] = png
    return [picture, _detail(section, rest)] if rest else [picture]


def _detail(section: Section, rest: tuple[Block, ...]) -> Bundle:
    """The tables of a phase, indented like the drawing above them."""
    name = section.title.capitalize()
    body: tuple[Block, ...] = rest
    if not section.open:
        body = (Fold(line(Text(f"{name} in detail", muted=True)), rest),)
    inner = "".join(html.block_html(block) for block in body)
    return {
        "text/html": html.wrap(f'<div style="padding:0 0 4px 16px">{inner}</div>'),
        "text/markdown": "\n\n".join(markdown.block_markdown(block) for block in body),
        "text/plain": "\n\n".join(text.block_text(block) for block in body),
    }


def blocks_bundle(blocks: tuple[Block, ...]) -> Bundle:
    """A few blocks as an output of their own."""
    return {
        "text/html": html.wrap("".join(html.block_html(block) for block in blocks)),
        "text/markdown": "\n\n".join(markdown.block_markdown(block) for block in blocks),
        "text/plain": "\n\n".join(text.block_text(block) for block in blocks),
    }
