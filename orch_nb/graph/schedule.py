"""When each task would run with so many workers, before anything does.

List scheduling: whenever a worker is free it takes, of the tasks that are ready, the one of highest
priority, and of those the one with the longest remaining path (Graham 1969, "Bounds on
Multiprocessing Timing Anomalies"; Hu 1961). Where neither priorities nor pools interfere, that is
at most 2 - 1/workers times the best there is, and

    makespan  >=  bound  =  max(critical path, all work / workers, work in a pool / its slots)

says how good this one is: where both are equal, no order of the tasks can be faster.

    workers=2      a ██████
                   b ███
                   c    ███        (waits for b)

A gate, a milestone and a thing that a person does take no worker. A task whose pool has no slot
left waits, and lets others pass. Rates are not looked at; a task with `foreach` counts as one.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping

import msgspec

from orch_nb.errors import PlanError, UsageError
from orch_nb.graph.critical_path import critical_path, durations
from orch_nb.graph.nearest import did_you_mean
from orch_nb.graph.topology import Edges, downstream, order, upstream
from orch_nb.graph.validate import check
from orch_nb.model.plan import Plan
from orch_nb.model.task import Task
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
    missing. `pools` are slots by name, in place of the plan's own. `budget_s` bounds, in seconds,
    the search for a better schedule; a list schedule is made in one pass and needs none of it.
    Raises UsageError, and PlanError for a broken plan.
    """
    if workers is not None and (isinstance(workers, bool) or workers < 1):
        raise UsageError(f"workers is at least 1, not {workers!r}")
    if budget_s is not None and not budget_s >= 0:
        raise UsageError(f"budget_s is a number of seconds, not {budget_s!r}")
    problems = check(plan)
    if problems:
        raise PlanError(problems)
    lengths = {**durations(plan, default_s), **(durations_s or {})}
    slots = _slots(plan, pools or {})
    working = [task for task in plan.tasks if task.kind in ("python", "shell", "notebook")]
    holds = {task.id: _holds(task, slots) for task in working}
    items = _listed(plan, lengths, holds, workers, slots)
    bounds = [critical_path(plan, lengths).length_s]
    if workers is not None:
        bounds.append(sum(lengths[task.id] for task in working) / workers)
    for pool, count in slots.items():
        work = sum(lengths[task] * dict(held).get(pool, 0) for task, held in holds.items())
        bounds.append(work / count)
    return Schedule(
        makespan_s=max((item.finish_s for item in items), default=0.0),
        bound_s=max(bounds),
        items=tuple(items),
        workers=workers,
    )


#: Slots that a task holds while it runs, by pool, of those that have a number of them.
_Held = tuple[tuple[str, int], ...]


def _slots(plan: Plan, pools: Mapping[str, int]) -> dict[str, int]:
    """How many slots each pool has that has a number of them."""
    found = {name: pool.slots for name, pool in plan.pools.items() if pool.slots is not None}
    for name, count in pools.items():
        if name not in plan.pools:
            near = did_you_mean(name, plan.pools)
            raise UsageError(f"`{name}` is no pool of the plan. {near}".strip())
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise UsageError(f"pool `{name}` has at least 1 slot, not {count!r}")
        found[name] = count
    return found


def _holds(task: Task, slots: Mapping[str, int]) -> _Held:
    held = tuple(sorted((name, n) for name, n in (task.pool or {}).items() if name in slots))
    for name, count in held:
        if count > slots[name]:
            raise UsageError(
                f"`{task.id}` holds {count} slots of pool `{name}`, which has {slots[name]}"
            )
    return held


class _Ready:
    """The tasks that are ready, by what they hold: of those that hold the same, if the first cannot
    start, none can. `None` is of those that take no worker."""

    def __init__(self, slots: Mapping[str, int], workers: int) -> None:
        self._heaps: dict[_Held | None, list[tuple[int, float, int, str]]] = {}
        self._slots = dict(slots)
        self.workers = list(range(workers))

    def add(self, entry: tuple[int, float, int, str], held: _Held | None) -> None:
        heapq.heappush(self._heaps.setdefault(held, []), entry)

    def take(self) -> tuple[str, _Held | None] | None:
        """The first of the tasks that can start now; its slots are taken."""
        free = [held for held, heap in self._heaps.items() if heap and self._fits(held)]
        if not free:
            return None
        held = min(free, key=lambda one: self._heaps[one][0])
        for pool, count in held or ():
            self._slots[pool] -= count
        return heapq.heappop(self._heaps[held])[-1], held

    def _fits(self, held: _Held | None) -> bool:
        if held is None:
            return True
        return bool(self.workers) and all(self._slots[pool] >= count for pool, count in held)

    def give_back(self, held: _Held | None, worker: int | None) -> None:
        for pool, count in held or ():
            self._slots[pool] += count
        if worker is not None:
            heapq.heappush(self.workers, worker)


def _listed(
    plan: Plan,
    lengths: Mapping[str, float],
    holds: Mapping[str, _Held],
    workers: int | None,
    slots: Mapping[str, int],
) -> list[ScheduleItem]:
    edges, after = upstream(plan), downstream(plan)
    tails = _tails(edges, after, lengths)
    ranks = {t.id: (-t.priority, -tails[t.id], n, t.id) for n, t in enumerate(plan.tasks)}
    left = {task: len(waits) for task, waits in edges.items()}
    ready = _Ready(slots, len(holds) if workers is None else min(workers, len(holds)))
    for task, count in left.items():
        if count == 0:
            ready.add(ranks[task], holds.get(task))
    running: list[tuple[float, int, str, _Held | None, int | None]] = []
    items: list[ScheduleItem] = []
    now = 0.0
    while True:
        while (taken := ready.take()) is not None:
            task, held = taken
            worker = heapq.heappop(ready.workers) if held is not None else None
            items.append(ScheduleItem(task, now, now + lengths[task], worker))
            heapq.heappush(running, (now + lengths[task], ranks[task][2], task, held, worker))
        if not running:
            return items
        now = running[0][0]
        while running and running[0][0] <= now:
            _, _, task, held, worker = heapq.heappop(running)
            ready.give_back(held, worker)
            for other in after[task]:
                left[other] -= 1
                if left[other] == 0:
                    ready.add(ranks[other], holds.get(other))


def _tails(edges: Edges, after: Edges, lengths: Mapping[str, float]) -> dict[str, float]:
    """Seconds from the start of each task to the end of the longest chain behind it."""
    tails: dict[str, float] = {}
    for task in reversed(order(edges)):
        tails[task] = lengths[task] + max((tails[other] for other in after[task]), default=0.0)
    return tails
