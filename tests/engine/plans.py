"""Short forms for plans and what became of them.

plan_of(python("a"), python("b", needs="a"), gate("g"))
statuses(run) == {"a": "succeeded", ...}
"""

from __future__ import annotations

from typing import Any

from orch_nb.model.plan import Plan
from orch_nb.model.run import Run
from orch_nb.model.task import Approval, RetryPolicy, Task
from orch_nb.testing import START, nothing

__all__ = ["at", "gate", "plan_of", "python", "starts", "statuses", "steadily", "tries"]


def python(name: str, **fields: Any) -> Task:
    return Task(**{"run": nothing, **fields, "id": name})


def gate(name: str, default: str | None = None, timeout: Any = None, **fields: Any) -> Task:
    return Task(id=name, approval=Approval("Ship?", default, timeout), **fields)


def plan_of(*tasks: Task, **fields: Any) -> Plan:
    return Plan(goal="g", tasks=tasks, **fields)


def steadily(attempts: int, wait_s: float = 1.0) -> RetryPolicy:
    """The same wait before each attempt."""
    return RetryPolicy(
        maximum_attempts=attempts, initial_interval_s=wait_s, backoff_coefficient=1, jitter=0
    )


def statuses(run: Run) -> dict[str, str]:
    return {task.task: task.status.value for task in run}


def tries(run: Run, task: str) -> list[str]:
    """How the attempts of a task ended."""
    return [attempt.status for attempt in run[task].attempts]


def starts(run: Run, *tasks: str) -> list[float]:
    """When the attempts of these tasks started, in seconds from the start of the clock."""
    found = [attempt.started for task in tasks for attempt in run[task].attempts]
    return sorted(at(when) for when in found)


def at(when: Any) -> float:
    return round(when.timestamp() - START, 3)
