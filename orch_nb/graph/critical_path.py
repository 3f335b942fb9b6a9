"""The critical path: the chain of tasks that decides how long a plan takes.

Earliest and latest times by one pass each way over a topological order (Kelley and Walker 1959,
"Critical-Path Planning and Scheduling"), with as many workers as there are tasks:

    earliest finish(t) = duration(t) + max(earliest finish of upstream)
    latest finish(t)   = min(latest start of downstream)
    slack(t)           = latest finish(t) - earliest finish(t)

A task without an estimate counts as `default_s`. Of several longest chains the first in the order
of the plan is named.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from orch_nb.graph.topology import compiled, downstream, order, upstream
from orch_nb.model.plan import Plan
from orch_nb.model.task import Task

__all__ = ["CriticalPath", "critical_path", "durations", "planned_s", "remaining", "urgency"]


class CriticalPath(msgspec.Struct, frozen=True):
    """`tasks` in order, `length_s`, and by task: slack, earliest start and finish, in seconds."""

    tasks: tuple[str, ...]
    length_s: float
    slack_s: dict[str, float]
    start_s: dict[str, float]
    finish_s: dict[str, float]


def durations(plan: Plan, default_s: float = 1.0) -> dict[str, float]:
    """Expected seconds by task: the estimate; else 0 for a milestone or a gate, else `default_s`.

    A parent whose only work is its subtasks has no duration of its own.
    """
    return {task.id: _duration(task, default_s) for task in plan.tasks}


def _duration(task: Task, default_s: float) -> float:
    if task.estimate_s is not None:
        return task.estimate_s
    return 0.0 if task.kind in ("milestone", "approval") else default_s


def critical_path(
    plan: Plan, durations_s: Mapping[str, float] | None = None, default_s: float = 1.0
) -> CriticalPath:
    """The critical path of an acyclic plan. `durations_s` overrides the estimates, by task id."""
    lengths = {**durations(plan, default_s), **(durations_s or {})}
    edges = upstream(plan)
    after = downstream(plan)
    line = order(edges)
    start: dict[str, float] = {}
    finish: dict[str, float] = {}
    for task in line:
        start[task] = max((finish[other] for other in edges[task]), default=0.0)
        finish[task] = start[task] + lengths[task]
    end = max(finish.values(), default=0.0)
    latest: dict[str, float] = {}
    for task in reversed(line):
        latest[task] = min((latest[other] - lengths[other] for other in after[task]), default=end)
    # Sums in another order differ in their last bits: what is below a nanosecond is no slack.
    slack = {task: max(0.0, round(latest[task] - finish[task], 9)) for task in line}
    return CriticalPath(_walk(edges, finish, start, end), end, slack, start, finish)


def _walk(
    edges: Mapping[str, tuple[str, ...]],
    finish: Mapping[str, float],
    start: Mapping[str, float],
    end: float,
) -> tuple[str, ...]:
    """Back from a task that ends last through the upstream that ended when it began.

    Of several, the one with the longest chain behind it, so that a gate of no length is on the path
    and not stepped over; then the first in the order of the plan.
    """
    depth: dict[str, int] = {}
    for task in finish:  # in topological order
        depth[task] = max((depth[other] + 1 for other in edges[task]), default=0)
    rank = {task: (-depth[task], n) for n, task in enumerate(finish)}
    path: list[str] = []
    last = [task for task in finish if finish[task] >= end]
    while last:
        task = min(last, key=lambda t: rank[t])
        path.append(task)
        last = [other for other in edges[task] if finish[other] >= start[task]]
    return tuple(reversed(path))


def urgency(plan: Plan, default_s: float = 1.0) -> list[float]:
    """Seconds from the start of each task to the end of the longest chain that hangs behind it, by
    place in the plan (`topology.compiled`). The plan is acyclic.

    The priority of list scheduling ("longest remaining path first", Graham 1969, Hu 1961).
    """
    graph = compiled(plan)
    tasks = plan.tasks if len(plan.tasks) == len(graph.ids) else plan.by_id.values()
    left = [
        default_s if task.estimate_s is None and task.run is not None else
        _duration(task, default_s) for task in tasks
    ]  # fmt: skip
    down = graph.down
    for place in reversed(graph.order):
        longest = 0.0
        for behind in down[place]:
            if left[behind] > longest:  # noqa: PLR1730  # a call of max takes longer than the rest
                longest = left[behind]
        left[place] += longest
    return left


def remaining(plan: Plan, default_s: float = 1.0) -> dict[str, float]:
    """`urgency` by task id."""
    return dict(zip(compiled(plan).ids, urgency(plan, default_s), strict=True))


def planned_s(plan: Plan) -> float | None:
    """How long the plan takes by its estimates, in seconds, with workers enough; None where a task
    that takes time has none, since a sum of guesses and gaps is no plan."""
    working = [task for task in plan.tasks if task.kind in ("python", "shell", "notebook")]
    if not working or any(task.estimate_s is None for task in working):
        return None
    return critical_path(plan).length_s
