"""EXECUTE: the run as time, as a todo list, what was undone, and what failed with its traceback."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from orch_nb.graph.critical_path import planned_s
from orch_nb.model.account import account, failed_instances, failure_of, left_undone, on_purpose
from orch_nb.model.quantity import count, duration, listed
from orch_nb.model.run import Run, TaskRun
from orch_nb.model.status import RunStatus, Status
from orch_nb.render.attempts import attempts_fold
from orch_nb.render.document import (
    Block,
    CodeBlock,
    Fold,
    Paragraph,
    Section,
)
from orch_nb.render.facts import tally_text
from orch_nb.render.filmstrip import filmstrip
from orch_nb.render.header import failure_line, purpose_line, undone_line
from orch_nb.render.saga import saga_table
from orch_nb.render.timeline import timeline
from orch_nb.render.todo import todo

__all__ = ["execute_section"]

_TRACEBACKS = 5
_OF_ONE = 2


def execute_section(run: Run, *, now: datetime | None = None, is_open: bool = True) -> Section:
    """The run as it stands; `now` ends the bars of one that still runs."""
    blocks: list[Block | None] = [
        _purpose(run), timeline(run, now), filmstrip(run), *_failures(run), saga_table(run),
        *todo(run), attempts_fold(run),
    ]  # fmt: skip
    kept = tuple(block for block in blocks if block is not None)
    return Section(4, "EXECUTE", _finding(run), kept, is_open)


def _purpose(run: Run) -> Block | None:
    told = purpose_line(run)
    return Paragraph(told) if told else None


def _finding(run: Run) -> str:
    found = account(run)
    parts = [duration(run.duration_s) or ("paused" if run.paused else "running")]
    planned = planned_s(run.plan)
    parts += [f"planned {duration(planned)}"] if planned is not None else []
    if run.status in (RunStatus.SUCCEEDED, RunStatus.RUNNING) and run.finished:
        again = found.retries
        parts += [count(again, "retry", "retries")] if again else []
    parts.append(tally_text(str(done.status) for done in run.tasks))
    made = [str(done.status) for members in found.instances.values() for done in members]
    if made:
        parts.append(f"{count(len(made), 'instance')}: {tally_text(made)}")
    parts += [f"from run {run_id}: {count(len(tasks), 'result')}"
              for run_id, tasks in list(found.cached.items())[:2]]  # fmt: skip
    if on_purpose(run):
        parts.append(f"⚑ faults on purpose: {listed(list(run.faults)) or 'of an earlier start'}")
    return " · ".join(part for part in parts if part)


def _failures(run: Run) -> list[Block]:
    """The tracebacks of what failed: first of what could not be undone, then task by task, of a
    `foreach` task those of its first instances."""
    blocks: list[Block] = []
    undone = left_undone(run)
    for done in _failed(run, undone):
        error = failure_of(done)
        if error is None or not error.traceback:
            continue
        summary = undone_line(run, done) if done in undone else failure_line(run, done)
        inner = CodeBlock(error.traceback, "pytb")
        tolerated = done.index is not None and run[done.of or ""].status is Status.SUCCEEDED
        blocks.append(Fold(summary, (inner,), open=len(blocks) < 2 and not tolerated))
        if len(blocks) == _TRACEBACKS:
            break
    return blocks


def _failed(run: Run, undone: tuple[TaskRun, ...]) -> Iterator[TaskRun]:
    yield from undone
    for done in run.tasks:
        if done.instances:
            yield from failed_instances(run, done.task)[:_OF_ONE]
        elif done.status is Status.FAILED:
            yield done
    last = account(run).last
    if last is not None and last.status is Status.FAILED:
        yield last
