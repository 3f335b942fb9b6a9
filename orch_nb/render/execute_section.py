"""EXECUTE: the run as time, as a todo list, and what failed with its own traceback."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from orch_nb.graph.critical_path import planned_s
from orch_nb.model.quantity import count, duration, number
from orch_nb.model.run import Attempt, Run, TaskRun
from orch_nb.model.status import RunStatus, Status
from orch_nb.model.task import Task
from orch_nb.render.document import (
    Badge,
    Block,
    Code,
    CodeBlock,
    Fold,
    Line,
    Section,
    Table,
    Text,
    line,
    said,
)
from orch_nb.render.facts import Entry, entries, retries, situation, tally_text, waited
from orch_nb.render.header import failure_line
from orch_nb.render.plaintext import one_line
from orch_nb.render.rows import hierarchy, table, task_name
from orch_nb.render.timeline import timeline

__all__ = ["execute_section"]

_TRACEBACKS = 5
_LONG = 60


def execute_section(run: Run, *, now: datetime | None = None, is_open: bool = True) -> Section:
    """The run as it stands; `now` ends the bars of one that still runs."""
    drawn = timeline(run, now)
    blocks: list[Block | None] = [drawn, *_failures(run), *_todo(run), _retries(run)]
    kept = tuple(block for block in blocks if block is not None)
    return Section(4, "EXECUTE", _finding(run), kept, is_open)


def _finding(run: Run) -> str:
    parts = [duration(run.duration_s) or "running"]
    planned = planned_s(run.plan)
    parts += [f"planned {duration(planned)}"] if planned is not None else []
    if run.status in (RunStatus.SUCCEEDED, RunStatus.RUNNING) and run.finished:
        again = retries(run)
        parts += [count(again, "retry", "retries")] if again else []
    parts.append(tally_text(str(done.status) for done in run.tasks))
    return " · ".join(part for part in parts if part)


def _todo(run: Run) -> list[Block | None]:
    """The todo list; of a long one what needs attention, and all of it behind a fold."""
    if len(run) <= _LONG:
        return [_todo_table(run, "Todo", entries(run.plan))]
    quiet = (Status.SUCCEEDED, Status.PENDING, Status.UPSTREAM_FAILED, Status.SKIPPED)
    short = [e for e in entries(run.plan) if e.task is None or run[e.task.id].status not in quiet]
    whole = _todo_table(run, "", entries(run.plan))
    first = _todo_table(run, "Todo: what needs attention", short[:_LONG]) if short else None
    fold = Fold(line(Text(f"All {count(len(run), 'task')}", muted=True)), (whole,) if whole else ())
    return [first, fold]


def _todo_table(run: Run, caption: str, shown: Sequence[Entry]) -> Table | None:
    found = situation(run.plan)
    timed = planned_s(run.plan) is not None

    def cells(task: Task) -> tuple[Line, ...]:
        done = run[task.id]
        slack = found.path.slack_s.get(task.id) if found and timed else None
        tries = len(done.attempts)
        return (
            line(Badge(str(done.status))),
            line(number(tries) if tries else ""),
            line(duration(done.duration_s) if tries else ""),
            line(waited(done.wait_s)),
            line(duration(task.estimate_s)),
            line(duration(slack)),
            _reason(done),
        )

    def group(entry: Entry) -> tuple[Line, ...]:
        good = sum(run[task].status == Status.SUCCEEDED for task in entry.members)
        text = f"{number(good)} of {number(len(entry.members))} succeeded"
        return (line(Text(text, muted=True)), (), (), (), (), (), ())

    return hierarchy(
        shown,
        caption,
        ("task", "status", "attempts", "ran", "waited", "plan", "slack", "why"),
        cells,
        group_cells=group,
        urgent=lambda task: run[task.id].status not in (Status.SUCCEEDED, Status.PENDING),
        numeric=("attempts", "ran", "waited", "plan", "slack"),
        wrap=("why",),
    )


def _reason(done: TaskRun) -> Line:
    if done.error is not None:
        return line(Code(one_line(str(done.error), 200)))
    # The reason of a gate says who decided, and their note.
    return said(one_line(done.reason, 360))


def _failures(run: Run) -> list[Block]:
    failed = run.with_status(Status.FAILED)
    blocks: list[Block] = []
    for at, done in enumerate(failed[:_TRACEBACKS]):
        error = done.error
        trace = error.traceback if error is not None else ""
        inner = CodeBlock(trace, "pytb") if trace else None
        summary = failure_line(run, done)
        if inner is not None:
            blocks.append(Fold(summary, (inner,), open=at < 2))
    return blocks


def _retries(run: Run) -> Block | None:
    again = [done for done in run.tasks if len(done.attempts) > 1]
    rows = []
    for done in again:
        for attempt in done.attempts:
            first = task_name(run.plan[done.task]) if attempt is done.attempts[0] else ()
            rows.append((first, *_attempt(run, attempt)))
    found = table(
        "Attempts of what was tried more than once",
        ("task", "attempt", "status", "began at", "ran", "error"),
        rows,
        numeric=("attempt", "began at", "ran"),
        wrap=("error",),
        most=60,
    )
    if found is None:
        return None
    summary = f"{count(sum(len(done.attempts) - 1 for done in again), 'attempt')} beyond the first"
    return Fold(line(Text(summary, muted=True)), (found,))


def _attempt(run: Run, attempt: Attempt) -> tuple[Line, ...]:
    notes = [f"exit code {attempt.exit_code}"] if attempt.exit_code else []
    notes += ["timed out"] if attempt.timed_out else []
    notes += ["it could not be stopped"] if attempt.abandoned else []
    error = [Code(one_line(str(attempt.error), 200))] if attempt.error is not None else []
    told = f" {', '.join(notes)}" if error else ", ".join(notes)
    return (
        line(number(attempt.number)),
        line(Badge(attempt.status)),
        line(duration(max(0.0, (attempt.started - run.started).total_seconds()))),
        line(duration(attempt.duration_s)),
        line(*error, told),
    )
