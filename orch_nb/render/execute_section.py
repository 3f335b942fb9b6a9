"""EXECUTE: the run as time, as a todo list, and what failed with its own traceback."""

from __future__ import annotations

from datetime import datetime

from orch_nb.model.quantity import count, duration, number
from orch_nb.model.run import Attempt, Run, TaskRun
from orch_nb.model.status import RunStatus, Status
from orch_nb.model.task import Task
from orch_nb.render.document import Badge, Block, Code, CodeBlock, Fold, Line, Section, Text, line
from orch_nb.render.facts import Entry, planned_s, retries, situation, tally, tally_text
from orch_nb.render.header import failure_line
from orch_nb.render.palette import look
from orch_nb.render.plaintext import one_line
from orch_nb.render.rows import hierarchy, table, task_name
from orch_nb.render.timeline import timeline

__all__ = ["execute_section"]

_TRACEBACKS = 5


def execute_section(run: Run, *, now: datetime | None = None, is_open: bool = True) -> Section:
    """The run as it stands; `now` ends the bars of one that still runs."""
    drawn = timeline(run, now)
    blocks: list[Block | None] = [drawn, *_failures(run), _todo(run), _retries(run)]
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


def _todo(run: Run) -> Block | None:
    found = situation(run.plan)
    timed = planned_s(run.plan) is not None
    by_id = {done.task: done for done in run.tasks}

    def cells(task: Task) -> tuple[Line, ...]:
        done = by_id[task.id]
        slack = found.path.slack_s.get(task.id) if found and timed else None
        tries = len(done.attempts)
        return (
            line(Badge(str(done.status))),
            line(number(tries) if tries else ""),
            line(duration(done.duration_s) if tries else ""),
            line(duration(done.wait_s) if done.wait_s and done.wait_s >= 0.0005 else ""),
            line(duration(task.estimate_s)),
            line(duration(slack)),
            _reason(done),
        )

    def group(entry: Entry) -> tuple[Line, ...]:
        counted = tally(str(by_id[t].status) for t in entry.members if t in by_id)
        text = ", ".join(f"{number(n)} {look(state).word}" for state, n in counted)
        return (line(Text(text, muted=True)), (), (), (), (), (), ())

    return hierarchy(
        run.plan,
        "Todo",
        ("task", "status", "attempts", "ran", "waited", "plan", "slack", "why"),
        cells,
        group_cells=group,
        urgent=lambda task: by_id[task.id].status not in (Status.SUCCEEDED, Status.PENDING),
        numeric=("attempts", "ran", "waited", "plan", "slack"),
        wrap=("why",),
    )


def _reason(done: TaskRun) -> Line:
    if done.error is not None:
        return line(Code(one_line(str(done.error), 200)))
    parts = [one_line(done.reason, 200)]
    if done.decided_by:
        parts.append(f"decided by {one_line(done.decided_by, 80)}")
    if done.note:
        parts.append(f"“{one_line(done.note, 160)}”")
    return line("; ".join(part for part in parts if part))


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
    notes += ["its thread could not be stopped"] if attempt.abandoned else []
    error = [Code(one_line(str(attempt.error), 200))] if attempt.error is not None else []
    told = f" {', '.join(notes)}" if error else ", ".join(notes)
    return (
        line(number(attempt.number)),
        line(Badge(attempt.status)),
        line(duration(max(0.0, (attempt.started - run.started).total_seconds()))),
        line(duration(attempt.duration_s)),
        line(*error, told),
    )
