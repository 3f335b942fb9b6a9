"""How long a run will still take: the longest path of what is left, or the work by the workers.

    left(t)     what is expected of an open task, less what it has run already
    path        the longest chain of `left` through the tasks that are open
    outlook     the larger of the path and of all that is left divided by the workers

What is expected is the task's estimate; of one without, the mean of what has run in its story, or
in the run: then the outlook is a guess, and says so. Both bounds are of Graham, 1969, "Bounds on
multiprocessing timing anomalies".
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from orch_nb.graph.topology import compiled
from orch_nb.model.plan import Plan
from orch_nb.model.task import Task

__all__ = ["Outlook", "outlook"]

_OVERDUE = 0.1  # of a task that runs longer than was expected, this part of what it has run is left


class Outlook(msgspec.Struct, frozen=True):
    """`remaining_s` seconds; `guessed` where some of it is expected from what has run already."""

    remaining_s: float
    guessed: bool = False


def outlook(
    plan: Plan,
    ended_s: Mapping[str, float | None],
    running_s: Mapping[str, float],
    workers: int,
    left_s: Mapping[str, float] | None = None,
) -> Outlook | None:
    """The outlook of a run of `plan`; None where nothing is known of what is left.

    `ended_s` has every task that has ended, with the seconds that it ran (None: it did not run);
    `running_s` every task that runs, with the seconds so far; `left_s` what is known to be left of
    some (of a `foreach` task by its instances). Gates and todo items count as no
    time: how long a person takes cannot be told.
    """
    numbers = compiled(plan)
    means = _means(plan, ended_s)
    left = [0.0] * len(numbers.ids)
    guessed = False
    for n, task in enumerate(plan.by_id.values()):
        if task.id in ended_s:
            continue
        if left_s is not None and task.id in left_s:
            left[n], guessed = left_s[task.id], True
            continue
        expected = _expected(task)
        if expected is None:
            expected = means.get(task.story, means.get(""))
            if expected is None:
                return None
            guessed = True
        run = running_s.get(task.id, 0.0)
        left[n] = expected - run if expected > run else run * _OVERDUE
    path = [0.0] * len(left)
    for n in reversed(numbers.order):
        path[n] = left[n] + max((path[m] for m in numbers.down[n]), default=0.0)
    return Outlook(max(max(path, default=0.0), sum(left) / max(1, workers)), guessed)


def _expected(task: Task) -> float | None:
    if task.waits_for_person or task.kind == "milestone":
        return 0.0
    return task.estimate_s


def _means(plan: Plan, ended_s: Mapping[str, float | None]) -> dict[str | None, float]:
    """The mean duration of what has run, by story; of all stories under ""."""
    sums: dict[str | None, tuple[float, int]] = {}
    for name, took in ended_s.items():
        if took is None or name not in plan:
            continue
        for story in {plan[name].story, ""}:
            total, many = sums.get(story, (0.0, 0))
            sums[story] = (total + took, many + 1)
    return {story: total / many for story, (total, many) in sums.items()}
