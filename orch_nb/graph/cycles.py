"""Who waits for whom in a circle, told as a person would follow it.

    a ─► b ─► c ─► a, and d behind it        [["a", "c", "b"]]: a waits for c, c for b, b for a

Strongly connected components (Tarjan 1972, "Depth-First Search and Linear Graph Algorithms",
without recursion), then a shortest cycle in each: the knots are found in one linear pass, and of a
knot only as much is shown as it takes to untie it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

__all__ = ["find_cycles"]

_Edges = Mapping[str, tuple[str, ...]]


def find_cycles(edges: _Edges) -> list[list[str]]:
    """One cycle of each knot of tasks that wait for one another, in order: a waits for the next."""
    return [_shortest_cycle(edges, set(knot)) for knot in _components(edges)]


def _components(edges: _Edges) -> list[list[str]]:
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


def _shortest_cycle(edges: _Edges, knot: set[str]) -> list[str]:
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
