"""The shape of a plan: who waits for whom, how deep, how wide.

`needs` is what a person declared; `upstream` is what follows from it. Three rules make the one from
the other:

    1. a task waits for its needs;
    2. a subtask that waits for no sibling waits for its parent's needs as well;
    3. a parent waits for those of its subtasks that no sibling waits for: it ends after them all.

    load (needs: fetch)               fetch ─► load.split ─► load.store ─► load ─► report
      ├── split
      └── store (after split)

Everything is a dict of tuples by task id, and every function is linear in tasks and edges. Needs
that name no task are left out here; `graph.validate` reports them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping

import msgspec

from orch_nb.model.plan import Plan

__all__ = [
    "Edges", "Shape", "ancestors", "children", "descendants", "downstream", "find_cycles",
    "invert", "levels", "order", "shape", "upstream",
]  # fmt: skip

Edges = Mapping[str, tuple[str, ...]]


class Shape(msgspec.Struct, frozen=True):
    """Depth (tasks on the longest chain), width (most tasks on one level), edges, roots, leaves."""

    tasks: int
    edges: int
    depth: int
    width: int
    roots: tuple[str, ...]
    leaves: tuple[str, ...]


def children(plan: Plan) -> dict[str, tuple[str, ...]]:
    """The subtasks of each task that has any, in the order of the plan."""
    found: dict[str, list[str]] = {}
    for task in plan.tasks:
        if task.parent is not None:
            found.setdefault(task.parent, []).append(task.id)
    return {parent: tuple(ids) for parent, ids in found.items()}


def upstream(plan: Plan) -> dict[str, tuple[str, ...]]:
    """What each task waits for: its needs first, in their order, then what its family adds."""
    known = plan.by_id
    families = children(plan)
    if not families:
        return {
            task.id: tuple(dict.fromkeys(n for n in task.needs or () if n in known))
            for task in plan.tasks
        }
    siblings = {parent: frozenset(ids) for parent, ids in families.items()}
    edges: dict[str, tuple[str, ...]] = {}
    for task in plan.tasks:
        waits = dict.fromkeys(n for n in task.needs or () if n in known)
        if task.parent is not None:
            waits.update(dict.fromkeys(_inherited(plan, task.id, siblings)))
        if task.id in families:
            waits.update(dict.fromkeys(_sinks(plan, families[task.id])))
        edges[task.id] = tuple(waits)
    return edges


def _inherited(plan: Plan, task: str, siblings: Mapping[str, frozenset[str]]) -> list[str]:
    """The needs of the ancestors in the hierarchy, up to one whose subtask waits for a sibling."""
    known, found, seen = plan.by_id, [], {task}
    current = known[task]
    while current.parent is not None and current.parent in known and current.parent not in seen:
        family = siblings[current.parent]
        if any(need in family for need in current.needs or ()):
            break
        parent = known[current.parent]
        found += [need for need in parent.needs or () if need in known]
        seen.add(parent.id)
        current = parent
    return found


def _sinks(plan: Plan, family: tuple[str, ...]) -> list[str]:
    waited = {need for child in family for need in plan.by_id[child].needs or ()}
    sinks = [child for child in family if child not in waited]
    return sinks or list(family)  # a family that is one cycle has no sink; validate reports it


def invert(edges: Edges) -> dict[str, tuple[str, ...]]:
    """The same edges the other way round."""
    found: dict[str, list[str]] = {task: [] for task in edges}
    for task, waits in edges.items():
        for other in waits:
            found[other].append(task)
    return {task: tuple(others) for task, others in found.items()}


def downstream(plan: Plan) -> dict[str, tuple[str, ...]]:
    """Which tasks wait for each task."""
    return invert(upstream(plan))


def order(edges: Edges) -> tuple[str, ...]:
    """A topological order (Kahn 1962), ties in the plan's order; tasks on a cycle are absent."""
    left = {task: len(waits) for task, waits in edges.items()}
    after = invert(edges)
    queue = deque(task for task, count in left.items() if count == 0)
    found: list[str] = []
    while queue:
        task = queue.popleft()
        found.append(task)
        for other in after[task]:
            left[other] -= 1
            if left[other] == 0:
                queue.append(other)
    return tuple(found)


def levels(plan: Plan) -> tuple[tuple[str, ...], ...]:
    """Tasks by their longest distance from a root, in edges."""
    edges = upstream(plan)
    depth: dict[str, int] = {}
    rows: list[list[str]] = []
    for task in order(edges):
        level = max((depth[other] + 1 for other in edges[task]), default=0)
        depth[task] = level
        if level == len(rows):
            rows.append([])
        rows[level].append(task)
    return tuple(tuple(row) for row in rows)


def shape(plan: Plan) -> Shape:
    edges = upstream(plan)
    after = invert(edges)
    rows = levels(plan)
    return Shape(
        tasks=len(plan.tasks),
        edges=sum(map(len, edges.values())),
        depth=len(rows),
        width=max(map(len, rows), default=0),
        roots=tuple(task for task, waits in edges.items() if not waits),
        leaves=tuple(task for task, others in after.items() if not others),
    )


def _reach(edges: Edges, start: Iterable[str]) -> set[str]:
    seen: set[str] = set()
    stack = list(start)
    while stack:
        for other in edges.get(stack.pop(), ()):
            if other not in seen:
                seen.add(other)
                stack.append(other)
    return seen


def descendants(edges: Edges, task: str) -> set[str]:
    """All that waits for `task`, near and far; `edges` as `downstream` gives them."""
    return _reach(edges, [task])


def ancestors(edges: Edges, task: str) -> set[str]:
    """All that `task` waits for, near and far; `edges` as `upstream` gives them."""
    return _reach(edges, [task])


def find_cycles(edges: Edges) -> list[list[str]]:
    """One cycle of each knot of tasks that wait for one another, in order: a waits for the next.

    Strongly connected components (Tarjan 1972, without recursion), then a shortest cycle in each.
    """
    return [_shortest_cycle(edges, set(knot)) for knot in _components(edges)]


def _components(edges: Edges) -> list[list[str]]:
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    on_stack: set[str] = set()
    found: list[list[str]] = []
    for root in edges:
        if root in index:
            continue
        work = [(root, iter(edges[root]))]
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        while work:
            task, rest = work[-1]
            for other in rest:
                if other not in index:
                    index[other] = low[other] = len(index)
                    stack.append(other)
                    on_stack.add(other)
                    work.append((other, iter(edges[other])))
                    break
                if other in on_stack:
                    low[task] = min(low[task], index[other])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[task])
                if low[task] == index[task]:
                    knot: list[str] = []
                    while not knot or knot[-1] != task:
                        knot.append(stack.pop())
                        on_stack.discard(knot[-1])
                    if len(knot) > 1 or task in edges[task]:
                        found.append(knot[::-1])
    return found


def _shortest_cycle(edges: Edges, knot: set[str]) -> list[str]:
    start = next(task for task in edges if task in knot)
    before: dict[str, str | None] = {start: None}
    queue = deque([start])
    while queue:
        task = queue.popleft()
        for other in edges[task]:
            if other == start:
                path: list[str] = []
                at: str | None = task
                while at is not None:
                    path.append(at)
                    at = before[at]
                return path[::-1]
            if other in knot and other not in before:
                before[other] = task
                queue.append(other)
    raise AssertionError("a strongly connected component has a cycle through each of its tasks")
