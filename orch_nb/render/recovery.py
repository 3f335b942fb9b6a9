"""What going on with a run that was cut off means: what is kept, what runs again, and why."""

from __future__ import annotations

from collections.abc import Sequence

from orch_nb.model.account import account
from orch_nb.model.quantity import count, number, times
from orch_nb.model.run import Run, TaskRun
from orch_nb.model.status import Status
from orch_nb.render.document import Badge, Block, Code, Column, Paragraph, Row, Table, Text, line
from orch_nb.render.header import purpose_line

__all__ = ["recovery_blocks"]

_MOST = 40


def recovery_blocks(run: Run) -> tuple[Block, ...]:
    """A sentence and a table for a run that is about to go on."""
    kept = [task for task in run if task.status.ended]
    if run.options.on:
        return (_followed(run, len(kept)),)
    made = account(run).instances
    again = [(task, why) for task in run if (why := _why(task, made.get(task.task, ())))]
    head = Paragraph(
        line(
            Text(f"Going on with run {run.run_id}", strong=True),
            f", which was cut off: {len(kept)} of {count(len(run), 'task')} have ended and are "
            f"kept, {len(again)} run now.",
        )
    )
    rows = tuple(
        Row((line(Code(task.task)), line(Badge(task.status)), line(why)))
        for task, why in again[:_MOST]
    )
    note = f"and {len(again) - _MOST} more" if len(again) > _MOST else ""
    columns = (Column("task"), Column("stood at"), Column("why it runs", wrap=True))
    blocks: list[Block] = [head]
    if purpose := purpose_line(run):
        blocks.append(Paragraph(purpose))
    return (*blocks, Table("Runs now", columns, rows, note)) if rows else tuple(blocks)


def _followed(run: Run, ended: int) -> Block:
    """Of a run that another system owns: nobody looked on, and nothing of it stopped by that."""
    where = run.options.on.partition("://")[0].capitalize()
    return Paragraph(
        line(
            Text(f"Following run {run.run_id} again", strong=True),
            f", which {where} owns: it went on while nobody looked. {ended} of "
            f"{count(len(run), 'task')} had ended when it was last heard of, and nothing runs "
            "twice by this.",
        )
    )


def _why(task: TaskRun, instances: Sequence[TaskRun]) -> str:
    if not task.status.ended and instances:
        ended = sum(one.status.ended for one in instances)
        of = f"{number(ended)} of {count(len(instances), 'instance')}"
        return f"{of} have ended and are kept, the others run"
    if task.lost:
        return "was running when the process ended: it runs again (at least once)"
    if task.status is Status.BACKING_OFF:
        return f"failed {times(len(task.attempts))} and was waiting for its next attempt"
    if task.status is Status.WAITING:
        return "waits for a person"
    if task.status.ended:
        if task.result is not None and task.result.format == "unstored":
            return f"its result could not be kept ({task.result.reason}): it runs again if needed"
        return ""
    return "had not started"
