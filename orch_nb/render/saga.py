"""What ran because a run failed or was cancelled: compensations, then the plan's `on_failure`.

Undone at the end, in this order
1  pay    refund           ✗ failed twice     ConnectionError: the bank is closed
2  book   cancel_booking   ↶ compensated
3         tell             ✓ succeeded
"""

from __future__ import annotations

from orch_nb.model.account import account, began_last, failure_of, tried
from orch_nb.model.quantity import duration, number
from orch_nb.model.run import Run, TaskRun
from orch_nb.model.status import Status
from orch_nb.render.document import Badge, Code, Line, Table, line
from orch_nb.render.plaintext import one_line
from orch_nb.render.policies import action
from orch_nb.render.rows import table, task_name

__all__ = ["saga_table", "state_of"]

_MOST = 40


def saga_table(run: Run) -> Table | None:
    """None where nothing was undone and the plan has no `on_failure` that ran."""
    found = account(run)
    ran = list(found.undoing)
    if found.last is not None:  # what a person had undone later comes after it
        ran.append(found.last)
        ran.sort(key=lambda done: began_last(run, done))
    rows = [_row(run, n, done) for n, done in enumerate(ran[:_MOST], 1)]
    return table(
        "What ran at the end, in this order" if found.last is not None else "Undone, in this order",
        ("", "task", "undone by" if found.undoing else "does", "status", "attempts", "ran", "why"),
        rows,
        numeric=("", "attempts", "ran"),
        wrap=("undone by", "does", "why"),
        left_out=max(0, len(ran) - _MOST),
    )


def _row(run: Run, n: int, done: TaskRun) -> tuple[Line, ...]:
    error = failure_of(done)
    why = line(Code(one_line(str(error), 200))) if error is not None else ()
    if done.of and done.status is Status.SUCCEEDED and run[done.of].status is Status.SUCCEEDED:
        why = line("undone in an earlier round, and done anew since")
    tries = tried(done)
    return (
        line(number(n)),
        task_name(run.plan[done.of]) if done.of else line(Code(done.task)),
        line(Code(one_line(action(run.spec(done.task)), 160))),
        line(Badge(state_of(done))),
        line(number(tries) if tries else ""),
        line(duration(done.duration_s) if done.attempts else ""),
        why or line(one_line(done.reason, 200)),
    )


def state_of(done: TaskRun) -> str:
    """How a task shows: a compensation that succeeded is told by what it did."""
    undid = done.of is not None and done.index is None and done.status is Status.SUCCEEDED
    return str(Status.COMPENSATED if undid else done.status)
