"""INTEGRATE: what came of it, whether it is complete, and how the plan compares with the run."""

from __future__ import annotations

from orch_nb.model.quantity import count, duration, listed, number, size
from orch_nb.model.report import Check, FailureReport, Report
from orch_nb.model.status import Status
from orch_nb.render.document import (
    Badge,
    Block,
    Code,
    Fold,
    Line,
    Listing,
    Paragraph,
    Section,
    Text,
    line,
    said,
)
from orch_nb.render.facts import waited
from orch_nb.render.plaintext import one_line
from orch_nb.render.rows import MOST_ROWS, table, task_name

__all__ = ["integrate_section"]

_OPEN_ROWS = 15
_FAILURES, _RESULTS = 50, 100


def integrate_section(report: Report, *, is_open: bool = True) -> Section:
    """The report's own part: outcome, completeness, results, failures, plan against run, next."""
    blocks: list[Block | None] = [
        Paragraph(said(one_line(report.outcome, 600))) if report.outcome else None,
        _completeness(report),
        _failures(report),
        _results(report),
        _comparison(report),
    ]
    if report.next_lines:
        items = tuple(line(Code(text)) for text in report.next_lines)
        blocks.append(Listing(items, "What can be done now"))
    kept = tuple(block for block in blocks if block is not None)
    return Section(5, "INTEGRATE", _finding(report), kept, is_open)


def _finding(report: Report) -> str:
    parts = []
    words = {
        "task": ("required task", "required tasks", "succeeded"),
        "output": ("output", "outputs", "there"),
        "criterion": ("criterion", "criteria", "met"),
    }
    for kind, (one, many, how) in words.items():
        checks = [check for check in report.checks if check.kind == kind]
        if checks:
            met = sum(check.met for check in checks)
            noun = one if len(checks) == 1 else many
            skipped = sum(_skipped(report, check) for check in checks)
            rest = f" ({number(skipped)} skipped by rule)" if skipped else ""
            parts.append(f"{number(met - skipped)} of {number(len(checks))} {noun} {how}{rest}")
    return " · ".join(parts) or one_line(report.outcome, 200)


def _completeness(report: Report) -> Block | None:
    """What is missing comes first; required tasks that succeeded are counted, not listed."""
    shown = [check for check in report.checks if check.kind != "task" or not check.met]
    shown.sort(key=lambda check: check.met)
    fine = [check for check in report.checks if check.kind == "task" and check.met]
    failed = any(check.kind == "task" for check in shown)
    rows = [_check(check) for check in shown[:MOST_ROWS]]
    if fine:
        what = count(len(fine), "other required task" if failed else "required task")
        also = " or skipped by rule" if any(_skipped(report, check) for check in fine) else ""
        rows.append((line("task"), line(f"{what} succeeded{also}"), (), (), line(Badge("met"))))
    return table(
        "Completeness",
        ("", "what had to be", "by", "evidence", "so"),
        rows,
        wrap=("what had to be", "by", "evidence"),
        most=MOST_ROWS + 1,
        left_out=max(0, len(shown) - MOST_ROWS),
    )


def _skipped(report: Report, check: Check) -> bool:
    """Whether a required task counts as met because it rightly did not run."""
    name = check.tasks[0] if check.kind == "task" and check.met and check.tasks else ""
    return name in report.run.plan and report.run[name].status is Status.SKIPPED


def _check(check: Check) -> tuple[Line, ...]:
    what = Code(check.subject) if check.kind == "output" else Text(one_line(check.subject, 240))
    tasks = listed(tuple(one_line(task, 60) for task in check.tasks), 8)
    return (
        line(check.kind),
        line(what),
        line("" if check.kind == "task" else tasks),
        said(one_line(check.evidence, 300)),
        line(Badge("met" if check.met else "missing")),
    )


def _failures(report: Report) -> Block | None:
    return table(
        "Failures",
        ("task", "error", "attempts", "kept from running", "owner", "next"),
        [
            (
                _failed(report, failure),
                line(Code(one_line(str(failure.error), 240))),
                line(number(failure.attempts) if failure.attempts else ""),
                line(listed(tuple(_label(report, task) for task in failure.kept), 8)),
                line(one_line(failure.owner, 60)),
                line(Code(failure.next_line) if failure.next_line else ""),
            )
            for failure in report.failures[:_FAILURES]
        ],
        numeric=("attempts",),
        wrap=("error", "kept from running"),
        left_out=max(0, len(report.failures) - _FAILURES),
    )


def _failed(report: Report, failure: FailureReport) -> Line:
    """What failed: of what could not be undone, the task that it is about."""
    if failure.undo:
        return line(Text(_label(report, failure.of), strong=True), " is not undone")
    allowed = " (tolerated)" if failure.tolerated else ""
    return line(Text(_label(report, failure.task), strong=True), allowed)


def _label(report: Report, task: str) -> str:
    plan = report.run.plan
    return one_line(plan[task].label if task in plan else task, 80)


def _results(report: Report) -> Block | None:
    """By task, from the bounded previews that the journal keeps; nothing is unpickled."""
    plan = report.run.plan
    rows = [
        (
            task_name(plan[result.task]) if result.task in plan else line(result.task),
            line(Code(one_line(result.text, 300)) if result.kind != "unstored" else result.text),
            line(size(result.size_bytes) if result.size_bytes else ""),
        )
        for result in report.results[:_RESULTS]
    ]
    return table(
        "Results", ("task", "result", "stored"), rows, numeric=("stored",), wrap=("result",),
        left_out=max(0, len(report.results) - _RESULTS),
    )  # fmt: skip


def _comparison(report: Report) -> Block | None:
    rows = []
    for row in report.comparison[:MOST_ROWS]:
        apart = None
        if row.estimate_s is not None and row.duration_s is not None:
            apart = row.duration_s - row.estimate_s
        rows.append(
            (
                line(_label(report, row.task)),
                line(duration(row.estimate_s)),
                line(duration(row.duration_s)),
                line("" if apart is None else _signed(apart)),
                line(waited(row.wait_s)),
                line("◆" if row.critical_plan else ""),
                line("◆" if row.critical_run else ""),
            )
        )
    planned, took = duration(report.planned_s), duration(report.run.duration_s)
    caption = (
        f"Plan against run: {planned} planned, {took} taken" if planned else "Plan against run"
    )
    found = table(
        "",
        ("task", "plan", "ran", "apart", "waited", "critical in plan", "critical in run"),
        rows,
        numeric=("plan", "ran", "apart", "waited"),
        left_out=max(0, len(report.comparison) - MOST_ROWS),
    )
    if found is None:
        return None
    return Fold(
        line(Text(caption, muted=True)), (found,), open=len(report.comparison) <= _OPEN_ROWS
    )


def _signed(seconds: float) -> str:
    if abs(seconds) < 0.0005:
        return "0 s"
    return duration(seconds) if seconds < 0 else f"+{duration(seconds)}"
