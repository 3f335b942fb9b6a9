"""When each task would run with so many workers, before anything does.

List scheduling: whenever a worker is free it takes, of the tasks that are ready, the one with the
longest remaining path (Graham 1969, "Bounds on Multiprocessing Timing Anomalies"; Hu 1961). That is
at most 2 - 1/workers times the best there is, and

    makespan  >=  bound  =  max(critical path, all work / workers)

says how good this one is: where both are equal, no order of the tasks can be faster.

    workers=2      a ██████
                   b ███
                   c    ███        (waits for b)

A gate, a milestone and a thing that a person does take no worker.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping

import msgspec

from orch_nb.errors import PlanError, UsageError
from orch_nb.graph.critical_path import critical_path, durations
from orch_nb.graph.topology import Edges, invert, order, upstream
from orch_nb.graph.validate import check
from orch_nb.model.plan import Plan
from orch_nb.model.view import View

__all__ = ["Schedule", "ScheduleItem", "schedule"]


class ScheduleItem(msgspec.Struct, frozen=True):
    """One task in time, in seconds from the start; `worker` counts from 0, None for no worker."""

    task: str
    start_s: float
    finish_s: float
    worker: int | None = None


class Schedule(msgspec.Struct, frozen=True):
    """`items` in the order they start; `bound_s` is what no schedule can be shorter than.

    `df` is a pandas DataFrame with a row a task: `task, start_s, finish_s`.
    """

    makespan_s: float
    bound_s: float
    items: tuple[ScheduleItem, ...] = ()
    workers: int | None = None

    df = View("schedule.df")


def schedule(
    plan: Plan,
    workers: int | None = None,
    pools: Mapping[str, int] | None = None,
    budget_s: float | None = None,
    *,
    durations_s: Mapping[str, float] | None = None,
    default_s: float = 1.0,
) -> Schedule:
    """The schedule of `plan` for `workers` (None: as many as there is work for).

    `durations_s` overrides the estimates by task id; `default_s` stands for an estimate that is
    missing. `budget_s` bounds, in seconds, the search for a better schedule; a list schedule is
    made in one pass and needs none of it. `pools` (slots by name) have to stay empty: tasks have no
    pools yet. Raises UsageError, and PlanError for a broken plan.
    """
    if workers is not None and (isinstance(workers, bool) or workers < 1):
        raise UsageError(f"workers is at least 1, not {workers!r}")
    if pools:
        raise UsageError("pools are not yet supported: no task can name one; leave `pools` out")
    if budget_s is not None and not budget_s >= 0:
        raise UsageError(f"budget_s is a number of seconds, not {budget_s!r}")
    problems = check(plan)
    if problems:
        raise PlanError(problems)
    lengths = {**durations(plan, default_s), **(durations_s or {})}
    edges = upstream(plan)
    working = {t.id for t in plan.tasks if t.kind in ("python", "shell")}
    items = _listed(edges, lengths, working, workers)
    longest = critical_path(plan, lengths).length_s
    work = sum(lengths[task] for task in working)
    return Schedule(
        makespan_s=max((item.finish_s for item in items), default=0.0),
        bound_s=longest if workers is None else max(longest, work / workers),
        items=tuple(items),
        workers=workers,
    )


def _tails(edges: Edges, after: Edges, lengths: Mapping[str, float]) -> dict[str, float]:
    """Seconds from the start of each task to the end of the longest chain behind it."""
    tails: dict[str, float] = {}
    for task in reversed(order(edges)):
        tails[task] = lengths[task] + max((tails[other] for other in after[task]), default=0.0)
    return tails


def _listed(
    edges: Edges, lengths: Mapping[str, float], working: set[str], workers: int | None
) -> list[ScheduleItem]:
    after = invert(edges)
    tails = _tails(edges, after, lengths)
    left = {task: len(waits) for task, waits in edges.items()}
    place = {task: n for n, task in enumerate(edges)}
    ready = [(-tails[task], place[task], task) for task, count in left.items() if count == 0]
    heapq.heapify(ready)
    free = list(range(len(working) if workers is None else workers))
    running: list[tuple[float, int, str, int | None]] = []
    items: list[ScheduleItem] = []
    now = 0.0
    while ready or running:
        waiting = []
        while ready:
            entry = heapq.heappop(ready)
            task = entry[2]
            if task in working and not free:
                waiting.append(entry)
                continue
            worker = heapq.heappop(free) if task in working else None
            finish = now + lengths[task]
            items.append(ScheduleItem(task, now, finish, worker))
            heapq.heappush(running, (finish, place[task], task, worker))
        ready = waiting  # sorted as they were popped, and so a heap
        now = running[0][0]
        while running and running[0][0] <= now:
            _, _, task, worker = heapq.heappop(running)
            if worker is not None:
                heapq.heappush(free, worker)
            for other in after[task]:
                left[other] -= 1
                if left[other] == 0:
                    heapq.heappush(ready, (-tails[other], place[other], other))
    return items
