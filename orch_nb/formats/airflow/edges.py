"""Who waits for whom: `>>`, chains and groups, as Airflow's own classes set relatives.

Source: airflow/sdk/definitions/taskgroup.py (`get_roots`, `get_leaves`), _internal/node.py
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from orch_nb.formats.airflow.symbols import Group, Item, Operator, Xcom

__all__ = ["connect", "ends", "leaves", "link", "results_in", "roots"]


def link(upstream: Operator, downstream: Operator) -> None:
    """One edge; a task without a DAG joins that of the other."""
    upstream.down[downstream] = None
    downstream.up[upstream] = None
    for one, other in ((upstream, downstream), (downstream, upstream)):
        if one.dag is None and other.dag is not None:
            one.dag = other.dag
            other.dag.tasks.setdefault(one.id, one)


def ends(value: Any) -> Iterator[Any]:
    """The tasks and groups in what stands beside `>>`."""
    if isinstance(value, (Operator, Group)):
        yield value
    elif isinstance(value, Xcom):
        yield from value.tasks
    elif isinstance(value, (list, tuple, set)):
        for item in value:
            yield from ends(item)


def connect(before: Any, after: Any) -> bool:
    """Everything in `before` upstream of everything in `after`; False if either has no task."""
    first, then = list(ends(before)), list(ends(after))
    for one in first:
        for other in then:
            for upstream in leaves(one):
                for downstream in roots(other):
                    link(upstream, downstream)
    return bool(first and then)


def roots(value: Operator | Group) -> list[Operator]:
    """Where one enters: the tasks of a group that wait for none in it."""
    if isinstance(value, Operator):
        return [value]
    tasks = value.every()
    inside = set(tasks)
    return [task for task in tasks if inside.isdisjoint(task.up)]


def leaves(value: Operator | Group) -> list[Operator]:
    """Where one comes out: nobody waits for them inside, teardowns left aside."""
    if isinstance(value, Operator):
        return [value]
    tasks = value.every()
    inside = set(tasks)
    found: dict[Operator, None] = {}
    for task in tasks:
        if inside.isdisjoint(task.down):
            last = [task] if not task.teardown else _before_teardown(task, inside)
            found |= dict.fromkeys(last)
    return list(found)


def _before_teardown(task: Operator, inside: set[Operator]) -> Iterable[Operator]:
    for upstream in task.up:
        if upstream not in inside or (task.teardown and upstream.setup):
            continue
        if upstream.teardown:
            yield from _before_teardown(upstream, inside)
        elif not any(
            down in inside and down is not task and not down.teardown for down in upstream.down
        ):
            yield upstream


def results_in(value: Any, depth: int = 6) -> Iterator[Operator]:
    """The tasks whose results are somewhere in an argument, which is bounded in size."""
    if isinstance(value, Xcom):
        yield from value.tasks
    elif isinstance(value, Item):
        yield from results_in(value.over, depth)
    elif depth and isinstance(value, (list, tuple, set)):
        for item in value:
            yield from results_in(item, depth - 1)
    elif depth and isinstance(value, dict):
        for item in value.values():
            yield from results_in(item, depth - 1)
