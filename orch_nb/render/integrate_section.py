"""INTEGRATE: what came of it, why not all of it, what can be done, and where it comes from.

Read from the top by somebody who was not there: the outcome in a sentence, what was delivered, who
acts next; then what failed and the lines that go on; completeness with its evidence; results; and
behind folds what was tried again, plan against run, the environment. A run in which all went well
has little to say, and says little.
"""

from __future__ import annotations

from orch_nb.model.quantity import count, duration, listed, number
from orch_nb.model.report import Check, Report
from orch_nb.model.status import Status
from orch_nb.render.causes import (
    acts_next,
    failures_table,
    label,
    last_words,
    other_lines,
    retries_table,
    ways_table,
)
from orch_nb.render.document import (
    Badge,
    Block,
    Code,
    Fold,
    Line,
    Paragraph,
    Section,
    Text,
    line,
    said,
)
from orch_nb.render.facts import waited
from orch_nb.render.plaintext import one_line
from orch_nb.render.provenance import decisions_table, environment_fold
from orch_nb.render.returned import results_blocks
from orch_nb.render.rows import MOST_ROWS, table

__all__ = ["integrate_section"]

_OPEN_ROWS = 15
_FAILED_ROWS = 5  # why each failed stands above


def integrate_section(report: Report, *, is_open: bool = True) -> Section:
    """The report's own part: outcome, completeness, results, failures, plan against run, next."""
    who = acts_next(report)
    blocks: list[Block | None] = [
        Paragraph(said(one_line(report.outcome, 600))) if report.outcome else None,
        _delivered(report),
        Paragraph(who) if who else None,
        failures_table(report),
        other_lines(report),
        ways_table(report),
        *last_words(report),
        _completeness(report),
        *results_blocks(report),
        retries_table(report),
        _comparison(report),
        decisions_table(report.run),
        environment_fold(report),
    ]
    kept = tuple(block for block in blocks if block is not None)
    return Section(5, "INTEGRATE", _finding(report), kept, is_open)


def _delivered(report: Report) -> Block | None:
    """The files that are there now, told before any table: they are what somebody waited for."""
    files = [
        check.evidence.partition(",")[0]
        for check in report.checks
        if check.kind == "output" and check.met and check.evidence.startswith("`")
    ]
    if not files:
        return None
    return Paragraph(line(Text("Delivered: ", muted=True), *said(one_line(listed(files, 6), 400))))


def _finding(report: Report) -> str:
    parts = []
    words = {
        "task": ("required task", "required tasks", "succeeded"),
        "output": ("output", "outputs", "there"),
        "contract": ("contract", "contracts", "held"),
        "criterion": ("criterion", "criteria", "met"),
    }
    for kind, (one, many, how) in words.items():
        checks = [check for check in report.checks if check.kind == kind]
        if checks:
            met = sum(check.met for check in checks)
            noun = one if len(checks) == 1 else many
            skipped = sum(_skipped(report, check) for check in checks)
            rest = f" ({number(skipped)} skipped)" if skipped else ""
            parts.append(f"{number(met - skipped)} of {number(len(checks))} {noun} {how}{rest}")
    return " · ".join(parts) or one_line(report.outcome, 200)


def _completeness(report: Report) -> Block | None:
    """What is missing comes first; required tasks that succeeded are counted, not listed."""
    shown = [check for check in report.checks if check.kind != "task" or not check.met]
    shown.sort(key=lambda check: check.met)
    fine = [check for check in report.checks if check.kind == "task" and check.met]
    if not shown:
        return None  # that every task succeeded stands above already
    failed = any(check.kind == "task" for check in shown)
    tasks = [check for check in shown if check.kind == "task"]
    rest = tasks[_FAILED_ROWS:] if len(tasks) > _FAILED_ROWS + 1 else []
    if rest:
        shown = [*tasks[:_FAILED_ROWS], *(check for check in shown if check.kind != "task")]
    rows = [_check(check) for check in shown[:MOST_ROWS]]
    if rest:
        names = listed([label(report, check.tasks[0]) for check in rest], 4)
        what = count(len(rest), "required task")
        rows.append((line("task"), line(f"{what} more: {names}"), (), (), line(Badge("missing"))))
    if fine:
        what = count(len(fine), "other required task" if failed else "required task")
        also = " or skipped" if any(_skipped(report, check) for check in fine) else ""
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
    coded = check.kind in ("output", "contract")
    subject = one_line(check.subject, 240)
    what = Code(subject) if coded else Text(subject)
    tasks = listed(tuple(one_line(task, 60) for task in check.tasks), 8)
    return (
        line(check.kind if check.required else f"{check.kind} (optional)"),
        line(what),
        line("" if check.kind == "task" else tasks),
        said(one_line(check.evidence, 300)),
        line(Badge(_so(check))),
    )


def _so(check: Check) -> str:
    if not check.known:
        return "unknown"
    if check.met:
        return "met"
    return "broken" if check.kind == "contract" else "missing"


def _comparison(report: Report) -> Block | None:
    rows = []
    for row in report.comparison[:MOST_ROWS]:
        apart = None
        if row.estimate_s is not None and row.duration_s is not None:
            apart = row.duration_s - row.estimate_s
        rows.append(
            (
                line(label(report, row.task)),
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
        line(Text(caption, muted=True)),
        (found,),
        open=bool(planned) and len(report.comparison) <= _OPEN_ROWS,
    )


def _signed(seconds: float) -> str:
    if abs(seconds) < 0.0005:
        return "0 s"
    return duration(seconds) if seconds < 0 else f"+{duration(seconds)}"
