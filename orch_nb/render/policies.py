"""What a task's policies say, in a few words: for tables, drawings and frames alike.

when: "fetch.rows > 0"               if fetch.rows > 0
foreach: {region: params.regions}    each region of params.regions
pool: {db: 2, api: 1}                db: 2, api
compensate: {sh: "make yank"}        make yank
rate: 10/min                         10/min
"""

from __future__ import annotations

from typing import Any

from orch_nb.model.quantity import count, duration, number
from orch_nb.model.task import Call, Rate, Task, callable_name

__all__ = [
    "action", "condition", "limits", "over", "pools", "rate", "spread", "time_limits", "tolerated",
]  # fmt: skip

_UNITS = {1.0: "s", 60.0: "min", 3600.0: "h", 86400.0: "d"}


def _called(function: Any) -> str:
    """A callable by its own name, without the module and the functions that it stands in."""
    name = callable_name(function).rpartition(":")[2].rpartition(".")[2]
    return "a function" if name == "<lambda>" else name


def condition(task: Task) -> str:
    """What `when` asks, as it is written; a callable by its name."""
    if task.when is None:
        return ""
    return task.when if isinstance(task.when, str) else _called(task.when.function)


def over(task: Task) -> str:
    """What `foreach` goes over, as it is written; a list is counted."""
    if task.foreach is None:
        return ""
    items = task.foreach.over
    if isinstance(items, Call):
        return _called(items.function)
    return items if isinstance(items, str) else count(len(items), "item")


def spread(task: Task) -> str:
    """`each of urls`, `each region of params.regions`; "" for a task that is one."""
    if task.foreach is None:
        return ""
    item = f"each {task.foreach.item} of" if task.foreach.item else "each of"
    return f"{item} {over(task)}"


def tolerated(task: Task) -> str:
    """How many instances may fail: `2`, `20%`, `all`; "" where none may."""
    return str(task.tolerate) if task.foreach is not None and task.tolerate not in (0, "0") else ""


def limits(task: Task) -> str:
    """How `foreach` is bounded: `4 at once, 20% may fail`."""
    most = f"{number(task.max_active)} at once" if task.max_active is not None else ""
    lost = f"{tolerated(task)} may fail" if tolerated(task) else ""
    return ", ".join(part for part in (most, lost) if part)


def pools(task: Task) -> str:
    """The pools whose slots an attempt holds; one slot goes without saying."""
    slots = (task.pool or {}).items()
    return ", ".join(name if held == 1 else f"{name}: {held}" for name, held in slots)


def rate(found: Rate | None) -> str:
    """`10/s`, or `10 in 5 s` where a period has no name of its own."""
    if found is None:
        return ""
    unit = _UNITS.get(found.period_s)
    starts = number(found.starts)
    return f"{starts}/{unit}" if unit else f"{starts} in {duration(found.period_s)}"


def time_limits(task: Task) -> str:
    """`30 s, 5 min in all`: of one attempt, and of all with the waits between them."""
    one, every = duration(task.timeout_s), duration(task.total_timeout_s)
    return ", ".join(part for part in (one, f"{every} in all" if every else "") if part)


def action(task: Task | None) -> str:
    """What a task does, by its command, its file or its function's name."""
    if task is None:
        return ""
    if task.sh is not None:
        return task.sh
    if task.notebook is not None:
        return task.notebook
    if task.run is not None:
        return _called(task.run)
    return (task.approval.prompt if task.approval is not None else task.todo) or task.label
