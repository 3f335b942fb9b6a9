"""What a run will do, told before it starts: which kept results it uses, and what it could lose.

    fetch    its result of run report-3 is used
    clean    runs, since its source (or that of what it calls) changed
    chart    runs, since what it needs, clean, runs (unless that gives the same again)

Nothing is executed. A task whose upstream runs again may still find its result when its turn comes,
if what it is given turns out the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from orch_nb.engine.arguments import Inputs
from orch_nb.engine.cache import Cache, key_of
from orch_nb.engine.keeping import unkeepable_result
from orch_nb.engine.ports import Cached, Journal
from orch_nb.engine.results_view import Results
from orch_nb.graph import topology
from orch_nb.model.event import RunOptions, RunStarted
from orch_nb.model.fold import RunState
from orch_nb.model.plan import Plan
from orch_nb.model.status import Status
from orch_nb.model.task import Task

__all__ = ["Forecast", "forecast", "not_kept"]

_MANY = 3


class Forecast(msgspec.Struct, frozen=True):
    """What will be done about one task that uses kept results: `run_id` is whose result is used,
    empty if it runs; `why` says it in words."""

    task: str
    run_id: str
    why: str

    @property
    def kept(self) -> bool:
        return bool(self.run_id)


def forecast(plan: Plan, journal: Journal, options: RunOptions) -> list[Forecast]:
    """For each task that uses kept results, in topological order; empty if none does."""
    state = RunState()
    state.apply(RunStarted(at=0.0, run_id="", plan=plan, options=options))
    cache = Cache(state, Inputs(state, Results(state, journal)), journal)
    if not cache.active:
        return []
    found: list[Forecast] = []
    edges = topology.upstream(plan)
    for name in topology.order(edges):
        task = plan[name]
        again = [n for n in edges[name] if state.tasks[n].status is not Status.SUCCEEDED]
        if task.kind == "milestone" and not again and task.when is None:
            state.tasks[name].status = Status.SUCCEEDED
        if not cache.uses(task):
            continue
        kept, why = _judged(name, task, again, cache, journal, fresh=options.fresh)
        if kept is not None:
            state.tasks[name].status, state.tasks[name].result = Status.SUCCEEDED, kept.ref
        found.append(Forecast(name, kept.run_id if kept is not None else "", why))
    return found


def not_kept(plan: Plan, journal: Journal) -> dict[str, str]:
    """Tasks whose result no journal can hold, with the reason: they would run again on recovery.

    Known from what a function says that it returns, and from earlier runs of this goal. Empty for a
    journal in memory, from which nothing is recovered.
    """
    if journal.path == "memory":
        return {}
    waited_for = {need for waits in topology.upstream(plan).values() for need in waits}
    found = {
        name: reason
        for name, reason in journal.known_unstored(waited_for, plan.goal).items()
        if name in plan
    }
    for task in plan.tasks:
        if task.run is not None and task.id in waited_for and callable(task.run):
            reason = unkeepable_result(task.run)
            if reason is not None:
                found.setdefault(task.id, reason)
    return found


def _judged(
    name: str, task: Task, again: Sequence[str], cache: Cache, journal: Journal, *, fresh: bool
) -> tuple[Cached | None, str]:
    if fresh:
        return None, "runs, since --fresh uses no kept results"
    if task.foreach is not None:
        return None, "its instances are looked up one by one, when their items are known"
    before = journal.last_cached(name)
    if before is None:
        return None, "runs, since no result of it is kept yet"
    if again:
        some = ", ".join(again[:_MANY]) + (f" and {len(again) - _MANY} more" * (len(again) > _MANY))
        return None, f"runs, since what it needs, {some}, runs (unless that gives the same again)"
    parts = cache.parts(name, task)
    if parts is None:
        return None, "runs, since the result of something that it needs was not kept"
    kept = journal.recall(key_of(parts))
    if kept is not None:
        judged = " if its condition holds" if task.when is not None else ""
        return kept, f"its result of run {kept.run_id} is used{judged}"
    changed = [_named(part) for part in parts if before.parts.get(part) != parts[part]]
    changed += [f"{part} is no longer needed" for part in before.parts if part not in parts]
    if not changed:
        return None, "runs, since its result is no longer in the journal"
    return None, f"runs, since {' and '.join(changed)} changed"


def _named(part: str) -> str:
    known = {"source": "its source (or that of what it calls)", "arguments": "its arguments"}
    return known.get(part, f"the {part}")
