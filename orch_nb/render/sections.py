"""The five phases as a document: header first, then one section a phase that there is.

    document(report.run.plan, report.run, report, analysis=report.analysis)

ANALYZE and RESEARCH are closed once there is a run, since by then they are past; what went wrong is
open.
"""

from __future__ import annotations

from orch_nb.model.analysis import Analysis
from orch_nb.model.plan import Plan
from orch_nb.model.report import Operation, Report
from orch_nb.model.research import Research
from orch_nb.model.run import Run
from orch_nb.render.analyze_section import analyze_section, research_section
from orch_nb.render.decompose_section import decompose_section
from orch_nb.render.document import Document, Section
from orch_nb.render.execute_section import execute_section
from orch_nb.render.header import header
from orch_nb.render.integrate_section import integrate_section

__all__ = [
    "analyze_section", "decompose_section", "document", "execute_section", "header",
    "integrate_section", "operation_document", "report_document", "research_section",
]  # fmt: skip


def document(
    plan: Plan,
    run: Run | None = None,
    report: Report | None = None,
    *,
    analysis: Analysis | None = None,
    research: Research | None = None,
    text: str = "",
    name: str = "",
    read_as: str = "",
) -> Document:
    """Header and sections of whatever there is; `text` is the plan as YAML."""
    sections: list[Section] = []
    if analysis is not None:
        sections.append(analyze_section(analysis, is_open=run is None))
    if research is not None:
        sections.append(research_section(research, is_open=run is None))
    sections.append(decompose_section(plan, run, document=text, read_as=read_as, analysis=analysis))
    if run is not None:
        sections.append(execute_section(run))
    if report is not None:
        sections.append(integrate_section(report))
    return Document(header(plan, run, report, name=name), tuple(sections))


def report_document(report: Report, *, plan: Plan | None = None, text: str = "") -> Document:
    """All five phases of a report."""
    return document(
        plan or report.run.plan,
        report.run,
        report,
        analysis=report.analysis,
        research=report.research,
        text=text,
    )


def operation_document(operation: Operation) -> Document:
    """What there is of an operation, a draft included."""
    return document(
        operation.plan,
        operation.run,
        operation.report,
        analysis=operation.analysis,
        research=operation.research,
        text=operation.document,
        name=operation.name or "_orch",
        read_as=operation.kind,
    )
