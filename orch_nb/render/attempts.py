"""The attempts of what was tried more than once, and those that failed on purpose."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from orch_nb.model.account import account
from orch_nb.model.quantity import count, duration, number
from orch_nb.model.run import Attempt, Run, TaskRun
from orch_nb.model.status import Status
from orch_nb.render.document import Badge, Block, Code, Fold, Line, Text, line
from orch_nb.render.plaintext import one_line
from orch_nb.render.rows import table, task_name

__all__ = ["attempt_state", "attempts_fold"]

_MOST = 60


def attempts_fold(run: Run) -> Block | None:
    """A table behind a fold; None where each task was tried once and nothing failed on purpose.

    Of more than 60 attempts, those of what did not succeed come first.
    """
    again = [
        done
        for part in (run.tasks, run.derived)
        for done in part
        if len(done.attempts) > 1 or any(attempt.injected for attempt in done.attempts)
    ]
    total = sum(len(done.attempts) for done in again)
    if total > _MOST:
        again.sort(key=lambda done: done.status is Status.SUCCEEDED)
    found = table(
        "Attempts of what was tried more than once",
        ("task", "attempt", "status", "began at", "ran", "error"),
        list(islice(_rows(run, again), _MOST)),
        numeric=("attempt", "began at", "ran"),
        wrap=("error",),
        left_out=max(0, total - _MOST),
    )
    if found is None:
        return None
    beyond = sum(len(done.attempts) - 1 for done in again)
    told = [f"{count(beyond, 'attempt')} beyond the first"] if beyond else []
    hit = account(run).injected
    told += [f"{count(hit, 'attempt')} failed on purpose"] if hit else []
    return Fold(line(Text(", ".join(told), muted=True)), (found,))


def _rows(run: Run, again: list[TaskRun]) -> Iterator[tuple[Line, ...]]:
    for done in again:
        for n, attempt in enumerate(done.attempts):
            name: Line = ()
            if not n:
                own = done.task in run.plan
                name = task_name(run.plan[done.task]) if own else line(one_line(done.task, 120))
            yield (name, *_attempt(run, attempt))


def attempt_state(attempt: Attempt) -> str:
    """How an attempt shows: a failure on purpose is never told as one of the task's own."""
    return "injected" if attempt.injected else attempt.status


def _attempt(run: Run, attempt: Attempt) -> tuple[Line, ...]:
    notes = [f"exit code {attempt.exit_code}"] if attempt.exit_code else []
    notes += ["timed out"] if attempt.timed_out else []
    notes += ["it could not be stopped"] if attempt.abandoned else []
    error = [Code(one_line(str(attempt.error), 200))] if attempt.error is not None else []
    told = f" {', '.join(notes)}" if error else ", ".join(notes)
    return (
        line(number(attempt.number)),
        line(Badge(attempt_state(attempt))),
        line(duration(max(0.0, (attempt.started - run.started).total_seconds()))),
        line(duration(attempt.duration_s)),
        line(*error, told),
    )
