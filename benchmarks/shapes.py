"""The shapes that are measured, as the upstream of each task.

    chain    0 ─► 1 ─► 2 ─► ...               nothing is ever parallel
    fan      0 ─► each of 1..n-2 ─► n-1       one task has n-2 needs
    layered  layers of 100, each task needs two of the layer before
    grid     a square; each task needs the one above it and the one to its left

and, for whom wants to see others (`overhead.py --shapes`)

    lanes    eight chains side by side
    tree     a binary tree, from its root
    random   each task needs up to four of all that stand before it

A shape is spelled `layered:10000`. Tasks are numbered in an order that respects their needs, which
no contender makes use of, and are called `t0`, `t1`, ... where a name is wanted.
"""

from __future__ import annotations

import functools
import math
import random
from collections.abc import Callable, Sequence

__all__ = ["LAYER", "Shape", "shape"]

LAYER = 100
_LANES = 8


class Shape:
    """`upstream[n]` are the numbers of the tasks that task n needs; `label` is "layered 10k"."""

    def __init__(self, kind: str, upstream: list[tuple[int, ...]]) -> None:
        self.kind = kind
        self.upstream = upstream

    def __len__(self) -> int:
        return len(self.upstream)

    @property
    def spelled(self) -> str:
        return f"{self.kind}:{len(self)}"

    @property
    def label(self) -> str:
        return label(self.spelled)

    @functools.cached_property
    def downstream(self) -> list[list[int]]:
        found: list[list[int]] = [[] for _ in self.upstream]
        for n, needs in enumerate(self.upstream):
            for other in needs:
                found[other].append(n)
        return found

    @functools.cached_property
    def ids(self) -> list[str]:
        return [f"t{n}" for n in range(len(self))]

    @property
    def needs(self) -> list[list[str]]:
        """The upstream by name."""
        ids = self.ids
        return [[ids[other] for other in needs] for needs in self.upstream]

    @property
    def sinks(self) -> list[int]:
        """The tasks that nothing needs."""
        return [n for n, below in enumerate(self.downstream) if not below]

    def with_last(self) -> Shape:
        """The same with one task more, which needs every sink and so is the last to run."""
        return Shape(self.kind, [*self.upstream, tuple(self.sinks)])

    def check(self, order: Sequence[int]) -> None:
        """Raises AssertionError unless `order` has every task once, each after what it needs."""
        place = dict(zip(order, range(len(order)), strict=True))
        assert len(order) == len(place) == len(self), f"{len(order)} runs of {len(self)} tasks"
        for n, needs in enumerate(self.upstream):
            for other in needs:
                assert place[other] < place[n], f"{n} ran before {other}, which it needs"


def _chain(size: int) -> list[tuple[int, ...]]:
    return [(n - 1,) if n else () for n in range(size)]


def _fan(size: int) -> list[tuple[int, ...]]:
    return [(), *[(0,)] * (size - 2), tuple(range(1, size - 1))]


def _layered(size: int) -> list[tuple[int, ...]]:
    draw = random.Random(1)  # noqa: S311  # the same shape every time
    upstream: list[tuple[int, ...]] = []
    for n in range(size):
        first = (n // LAYER - 1) * LAYER
        upstream.append(tuple(draw.sample(range(first, first + LAYER), 2)) if first >= 0 else ())
    return upstream


def _grid(size: int) -> list[tuple[int, ...]]:
    side = math.isqrt(size)
    return [
        ((n - side,) if n >= side else ()) + ((n - 1,) if n % side else ())
        for n in range(side * side)
    ]


def _lanes(size: int) -> list[tuple[int, ...]]:
    return [(n - _LANES,) if n >= _LANES else () for n in range(size)]


def _tree(size: int) -> list[tuple[int, ...]]:
    return [((n - 1) // 2,) if n else () for n in range(size)]


def _random(size: int) -> list[tuple[int, ...]]:
    draw = random.Random(2)  # noqa: S311  # the same shape every time
    return [tuple(draw.sample(range(n), min(n, draw.randrange(5)))) for n in range(size)]


_KINDS: dict[str, Callable[[int], list[tuple[int, ...]]]] = {
    "chain": _chain, "fan": _fan, "layered": _layered, "grid": _grid, "lanes": _lanes,
    "random": _random, "tree": _tree,
}  # fmt: skip


def shape(spelled: str) -> Shape:
    """`chain:1000` as a shape. Raises ValueError for a kind that is none."""
    kind, _, size = spelled.partition(":")
    if kind not in _KINDS or not size.isdigit() or int(size) < 3:
        raise ValueError(f"a shape is one of {', '.join(_KINDS)}, a colon and at least 3 tasks")
    return Shape(kind, _KINDS[kind](int(size)))


def label(spelled: str) -> str:
    """`layered:10000` as people read it: "layered 10k"."""
    kind, _, size = spelled.partition(":")
    n = int(size)
    for unit, letter in ((1_000_000, "M"), (1000, "k")):
        if n >= unit and n % unit == 0:
            return f"{kind} {n // unit}{letter}"
    return f"{kind} {n}"
