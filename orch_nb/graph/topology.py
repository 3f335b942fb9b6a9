"""The shape of a plan: who waits for whom, how deep, how wide.

`needs` is what a person declared; `upstream` is what follows from it. Three rules make the one from
the other:

    1. a task waits for its needs;
    2. a subtask that waits for no sibling waits for its parent's needs as well;
    3. a parent waits for those of its subtasks that no sibling waits for: it ends after them all.

    load (needs: fetch)               fetch ─► load.split ─► load.store ─► load ─► report
      ├── split
      └── store (after split)

What runs and checks a plan reads it as numbers, the places of its tasks (`compiled`); what shows it
reads dicts of tuples by task id (`upstream`, `downstream`). Both are made once and kept with the
plan: they are to be read, not changed. Every function is linear in tasks and edges. Needs that name
no task are left out here; `graph.validate` reports them.

    ids     fetch  load    split  store  report
    up      ()     (0, 3)  (0,)   (2,)   (1,)
    down    (1, 2) (4,)    (3,)   (1,)   ()
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any

import msgspec

from orch_nb.graph.cycles import find_cycles
from orch_nb.model.plan import Plan
from orch_nb.model.task import Task

__all__ = [
    "Compiled", "Edges", "Shape", "ancestors", "children", "compiled", "descendants", "downstream",
    "find_cycles", "invert", "levels", "order", "shape", "upstream",
]  # fmt: skip

Edges = Mapping[str, tuple[str, ...]]

_NONE: tuple[int, ...] = ()
_PARENT = attrgetter("parent")


class Compiled(msgspec.Struct, frozen=True, gc=False):  # of numbers and names no cycle is made
    """A plan by the places of its tasks: `ids[n]` and `index[id]`, what task n waits for (`up[n]`,
    in the order of `upstream`), what waits for it (`down[n]`, in the order of the plan).

    `order` is topological, the plan's own order where that will do, and lacks the tasks on and
    behind a cycle. `whole`: every need is a task.
    """

    ids: list[str]
    index: dict[str, int]
    up: list[tuple[int, ...]]
    down: list[tuple[int, ...]]
    order: list[int]
    whole: bool


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


def compiled(plan: Plan) -> Compiled:
    """The plan as numbers, made when first asked for; of tasks of one name the last counts."""
    found: Compiled | None = plan.__dict__.get("_compiled")
    if found is None:
        collecting = gc.isenabled()
        gc.disable()  # all that is made here stays, and there would be many looks for what does not
        try:
            found = plan.__dict__["_compiled"] = _compile(plan)
        finally:
            if collecting:
                gc.enable()
    return found


def _compile(plan: Plan) -> Compiled:
    tasks: Sequence[Task] = plan.tasks
    ids = [task.id for task in tasks]
    places = list(range(len(ids)))  # each number is made once, and held by many
    index = dict(zip(ids, places, strict=True))
    if len(index) < len(ids):
        tasks, ids = list(plan.by_id.values()), list(plan.by_id)
        places = places[: len(ids)]
        index = dict(zip(ids, places, strict=True))
    nested = any(map(_PARENT, tasks))
    alone = list(zip(places, strict=True))  # most tuples have one number, and are shared
    up, whole = _up(tasks, index, alone, _family_needs(plan) if nested else {})
    down, in_order = _down(up, alone)
    return Compiled(ids, index, up, down, places if in_order else _order(up, down), whole)


def _up(
    tasks: Sequence[Task],
    index: Mapping[str, int],
    alone: Sequence[tuple[int]],
    families: Mapping[str, Sequence[str]],
) -> tuple[list[tuple[int, ...]], bool]:
    """What each task waits for, and whether all of it was found; `families` has the needs of those
    that get some from their parent or their subtasks."""
    up: list[tuple[int, ...]] = []
    place_of = index.__getitem__
    whole = True
    for task in tasks:
        needs = families.get(task.id, task.needs) if families else task.needs
        if not needs:
            up.append(_NONE)
            continue
        try:
            waits = alone[index[needs[0]]] if len(needs) == 1 else tuple(map(place_of, needs))
        except KeyError:
            waits, whole = tuple(index[n] for n in needs if n in index), False
        if len(waits) > 1 and len(set(waits)) < len(waits):
            waits = tuple(dict.fromkeys(waits))
        up.append(waits)
    return up, whole


def _down(
    up: Sequence[tuple[int, ...]], alone: Sequence[tuple[int]]
) -> tuple[list[tuple[int, ...]], bool]:
    """What waits for each task, and whether no task waits for one behind it in the plan."""
    down: list[Any] = [_NONE] * len(up)
    spread: list[int] = []  # where more than one task waits, for as long as that grows a list
    in_order = True
    for one, waits in zip(alone, up, strict=True):
        place = one[0]
        for other in waits:
            behind = down[other]
            if not behind:
                down[other] = one
            elif type(behind) is tuple:
                down[other] = [*behind, place]
                spread.append(other)
            else:
                behind.append(place)
            if other >= place:
                in_order = False
    for place in spread:  # tuples are smaller, and of numbers soon none of the collector's business
        down[place] = tuple(down[place])
    return down, in_order


def _order(up: Sequence[tuple[int, ...]], down: Sequence[tuple[int, ...]]) -> list[int]:
    """A topological order (Kahn 1962), ties in the plan's order; tasks on a cycle are absent."""
    left = list(map(len, up))
    found = [place for place, count in enumerate(left) if not count]
    for place in found:  # which grows meanwhile
        for other in down[place]:
            left[other] -= 1
            if not left[other]:
                found.append(other)
    return found


def upstream(plan: Plan) -> dict[str, tuple[str, ...]]:
    """What each task waits for: its needs first, in their order, then what its family adds."""
    graph = compiled(plan)
    return _named(plan, "_upstream", graph.ids, graph.up)


def downstream(plan: Plan) -> dict[str, tuple[str, ...]]:
    """Which tasks wait for each task."""
    graph = compiled(plan)
    return _named(plan, "_downstream", graph.ids, graph.down)


def _named(
    plan: Plan, kept: str, ids: Sequence[str], edges: Sequence[tuple[int, ...]]
) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] | None = plan.__dict__.get(kept)
    if found is None:
        found = plan.__dict__[kept] = {
            task: tuple([ids[n] for n in others]) for task, others in zip(ids, edges, strict=True)
        }
    return found


def _family_needs(plan: Plan) -> dict[str, list[str]]:
    """The needs of each task that is a subtask or has some, its family's included."""
    known, families = plan.by_id, children(plan)
    siblings = {parent: frozenset(ids) for parent, ids in families.items()}
    found: dict[str, list[str]] = {}
    for task in known.values():
        if task.parent is not None:
            found[task.id] = [*(task.needs or ()), *_inherited(plan, task.id, siblings)]
        if task.id in families:
            own = found.get(task.id, task.needs or ())
            found[task.id] = [*own, *_sinks(plan, families[task.id])]
    return found


def _inherited(plan: Plan, task: str, siblings: Mapping[str, frozenset[str]]) -> list[str]:
    """The needs of the ancestors in the hierarchy, up to one whose subtask waits for a sibling."""
    known, seen = plan.by_id, {task}
    found: list[str] = []
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


def order(edges: Edges) -> tuple[str, ...]:
    """A topological order (Kahn 1962), ties in the plan's order; tasks on a cycle are absent."""
    left = {task: len(waits) for task, waits in edges.items()}
    after = invert(edges)
    found = [task for task, count in left.items() if count == 0]
    for task in found:  # which grows meanwhile
        for other in after[task]:
            left[other] -= 1
            if left[other] == 0:
                found.append(other)
    return tuple(found)


def levels(plan: Plan) -> tuple[tuple[str, ...], ...]:
    """Tasks by their longest distance from a root, in edges."""
    graph = compiled(plan)
    up, ids = graph.up, graph.ids
    depth = [0] * len(ids)
    rows: list[list[str]] = []
    for place in _order(up, graph.down):
        waits = up[place]
        level = depth[place] = max([depth[other] for other in waits]) + 1 if waits else 0
        if level == len(rows):
            rows.append([])
        rows[level].append(ids[place])
    return tuple(map(tuple, rows))


def shape(plan: Plan) -> Shape:
    graph = compiled(plan)
    ids, rows = graph.ids, levels(plan)
    return Shape(
        tasks=len(plan.tasks),
        edges=sum(map(len, graph.up)),
        depth=len(rows),
        width=max(map(len, rows), default=0),
        roots=tuple(task for task, waits in zip(ids, graph.up, strict=True) if not waits),
        leaves=tuple(task for task, others in zip(ids, graph.down, strict=True) if not others),
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


def descendants(edges: Edges, *tasks: str) -> set[str]:
    """All that waits for any of `tasks`, near and far; `edges` as `downstream` gives them."""
    return _reach(edges, tasks)


def ancestors(edges: Edges, task: str) -> set[str]:
    """All that `task` waits for, near and far; `edges` as `upstream` gives them."""
    return _reach(edges, [task])
