"""Tasks that Airflow knows as teardowns, with their setups.

    start ─► job ─► stop     stop: {needs: [start, job], trigger: all_done, required: false}
      └──────────────▲
                             stop.as_teardown(setups=start)

A teardown runs once all that it waits for has ended, and neither its own failure nor its success
says how the DAG run ended: what a plan says of a last task that is `all_done` and not required.
Its setups are what it waits for although what comes after them would do. Airflow then leaves out
the teardown of a setup that did not succeed, and what stands between the two: only where all of
that is `all_success` is this the same but for the teardown.

Source: https://airflow.apache.org/docs/apache-airflow/stable/howto/setup-and-teardown.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from orch_nb.graph import topology
from orch_nb.model.plan import Plan
from orch_nb.model.task import TriggerRule

__all__ = ["teardowns"]

_WORK = ("python", "shell", "notebook")


def teardowns(plan: Plan, up: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """The setups, maybe none, of each task that is a teardown."""
    if plan.on_failure is not None or any(task.compensate is not None for task in plan.tasks):
        return {}  # what looks whether the run has failed comes after every task
    down = topology.downstream(plan)
    found = [
        task.id
        for task in plan.tasks
        if task.trigger is TriggerRule.ALL_DONE
        and not task.required
        and up[task.id]
        and not down[task.id]
        and task.kind in _WORK
        and task.foreach is None
    ]
    return {name: _setups(plan, name, up) for name in found}


def _setups(plan: Plan, teardown: str, up: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Its needs that others of its needs come after, and that come after none of them."""
    needs = set(up[teardown])
    before = {need: _before(need, up) for need in needs}
    found = [
        need
        for need in up[teardown]
        if needs.isdisjoint(before[need]) and any(need in before[other] for other in needs)
    ]
    every = set().union(*before.values(), needs)
    between = {name for name in every if any(setup in _before(name, up) for setup in found)}
    if any(plan[name].trigger is not TriggerRule.ALL_SUCCESS for name in between):
        return ()
    if any(plan[name].kind not in _WORK or plan[name].foreach is not None for name in found):
        return ()
    return tuple(found)


def _before(task: str, up: Mapping[str, Sequence[str]]) -> set[str]:
    """All that a task waits for, at first or second hand."""
    found: set[str] = set()
    left = list(up[task])
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += up[name]
    return found
