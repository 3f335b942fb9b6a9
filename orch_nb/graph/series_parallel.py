"""Is an order of tasks made of "one after another" and "side by side" alone?

    a ─► b, c ─► d      Series(("a", Parallel(("b", "c")), "d"))
    a ─► c, b ─► c, d   an N: b comes before d, a does not, and no nesting of the two can say so

An order is series-parallel exactly if no four of its tasks make an N (Valdes, Tarjan and Lawler,
"The recognition of series parallel digraphs", 1982). What counts is the order, near and far: a need
that follows from others changes nothing.

A set of tasks falls apart into what no need connects (parallel), or, along a topological order, at
each place where all that ends a part comes directly before all that begins the rest (series). Both
are found in one pass over tasks and needs, so the work is that times the depth of the nesting.
Where a set does neither there is an N: the shortest stretch of the order that has one begins and
ends with tasks of it.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from orch_nb.graph.topology import Edges, invert, order

__all__ = ["N", "Parallel", "Piece", "Series", "decomposed"]


class Series(msgspec.Struct, frozen=True):
    """Each part wholly after the one before it."""

    parts: tuple[Piece, ...]


class Parallel(msgspec.Struct, frozen=True):
    """Parts of which none waits for another."""

    parts: tuple[Piece, ...]


Piece = str | Series | Parallel


class N(msgspec.Struct, frozen=True):
    """Four tasks: `a` and `b` come before `c`, `b` before `d`, and no other before another."""

    a: str
    b: str
    c: str
    d: str


def decomposed(edges: Edges) -> Piece | N | None:
    """The tasks of an acyclic graph (each with what it waits for) as series and parallels; an `N`
    where they are none; None where there are no tasks."""
    poset = _Poset(edges)
    if not poset.size:
        return None
    found = poset.split(range(poset.size))
    return found if not isinstance(found, range) else poset.forbidden(found)


class _Block(msgspec.Struct):
    """A part still to be taken apart, and the list that its result is the `place`th entry of."""

    members: Sequence[int]
    into: list[Piece]
    place: int
    parts: list[Piece] | None = None
    series: bool = False


class _Poset:
    """The tasks as numbers in a topological order. Every block that is looked at holds, with two
    tasks, all that lies between them: so its order is that of the needs within it."""

    def __init__(self, edges: Edges) -> None:
        self.names = order(edges)
        place = {name: n for n, name in enumerate(self.names)}
        after = invert(edges)
        self.up = [sorted({place[o] for o in edges[name]}) for name in self.names]
        self.down = [sorted({place[o] for o in after[name]}) for name in self.names]
        self.size = len(self.names)
        self._block = [0] * self.size  # which block a task is in, of those being looked at
        self._count = 0

    def split(self, members: Sequence[int]) -> Piece | range:
        """The block as a piece; else the stretch of the order that cannot be taken apart."""
        top: list[Piece] = [""]
        todo = [_Block(members, top, 0)]
        while todo:
            block = todo.pop()
            if block.parts is not None:  # its parts are done
                kind = Series if block.series else Parallel
                block.into[block.place] = kind(tuple(block.parts))
                continue
            if len(block.members) == 1:
                block.into[block.place] = self.names[block.members[0]]
                continue
            pieces, series = self._components(block.members), False
            if len(pieces) == 1:
                pieces, series = self._cuts(block.members), True
            if len(pieces) == 1:
                return range(block.members[0], block.members[-1] + 1)
            block.parts, block.series = [""] * len(pieces), series
            todo.append(block)
            todo += [_Block(piece, block.parts, n) for n, piece in enumerate(pieces)]
        return top[0]

    def _mark(self, members: Sequence[int]) -> int:
        self._count += 1
        for n in members:
            self._block[n] = self._count
        return self._count

    def _components(self, members: Sequence[int]) -> list[list[int]]:
        """What needs connect within the block, each in order, the first ones first."""
        own, block = self._mark(members), self._block
        found = []
        for first in members:
            if block[first] != own:
                continue
            block[first] = 0
            component = [first]
            for n in component:  # which grows meanwhile
                for other in (*self.up[n], *self.down[n]):
                    if block[other] == own:
                        block[other] = 0
                        component.append(other)
            found.append(sorted(component))
        return found

    def _cuts(self, members: Sequence[int]) -> list[list[int]]:
        """The block cut wherever all that was so far comes before all that is to come: where each
        end of the former is a need of each beginning of the latter."""
        own, block = self._mark(members), self._block
        up = {n: [o for o in self.up[n] if block[o] == own] for n in members}
        down = {n: [o for o in self.down[n] if block[o] == own] for n in members}
        ends: set[int] = set()
        begins = {n for n in members if not up[n]}
        left = {n: len(up[n]) for n in members}
        between = 0  # needs from an end to a beginning
        found: list[list[int]] = [[]]
        for n in members:
            if ends and begins and between == len(ends) * len(begins):
                found.append([])
            found[-1].append(n)
            begins.remove(n)
            between -= sum(o in ends for o in up[n])
            for other in up[n]:
                if other in ends:
                    ends.remove(other)
                    between -= sum(o in begins for o in down[other])
            ends.add(n)
            for other in down[n]:
                left[other] -= 1
                if not left[other]:
                    begins.add(other)
                    between += sum(o in ends for o in up[other])
        return found

    # -- the proof that it is none

    def forbidden(self, within: range) -> N:
        """An N of a stretch of the order that has one."""
        # A beginning of a stretch and an end of it hold all that lies between two of their tasks.
        low, high = within.start, within.stop
        bad = high
        while low < bad:  # the shortest beginning that has an N; its last task is of each N in it
            middle = (low + bad) // 2
            if isinstance(self.split(range(within.start, middle)), range):
                bad = middle
            else:
                low = middle + 1
        low, high = within.start, bad
        good = bad  # from here on there is none
        while good - low > 1:
            middle = (low + good) // 2
            if isinstance(self.split(range(middle, high)), range):
                low = middle
            else:
                good = middle
        return self._named(range(low, high))

    def _named(self, within: range) -> N:
        """The N that has the first and the last task of a stretch."""
        first, last = within.start, within.stop - 1
        before, after = self._reach(within)
        apart = {
            n: ~(before[n] | after[n] | 1 << (n - first)) & ((1 << len(within)) - 1) for n in within
        }

        def numbers(found: int) -> list[int]:
            return [n for n in within if found >> (n - first) & 1]

        # The first one is a or b, the last one c or d; of the other two one is tried after another.
        for b in numbers(before[last] & apart[first]):
            others = after[b] & apart[last]
            if not before[last] & 1 and (found := others & after[first]):
                return self._n(first, b, numbers(found)[0], last)
            if before[last] & 1 and (found := others & apart[first]):
                return self._n(first, b, last, numbers(found)[0])
        for d in numbers(after[first] & apart[last]):
            if not before[last] & 1:
                break
            if found := before[last] & apart[first] & apart[d]:
                return self._n(numbers(found)[0], first, last, d)
            if found := before[d] & apart[first] & apart[last]:
                return self._n(numbers(found)[0], first, d, last)
        raise AssertionError("a stretch of the order that has no N")

    def _reach(self, within: range) -> tuple[dict[int, int], dict[int, int]]:
        """All that comes before and after each task of a stretch, as bits."""
        before, after = dict.fromkeys(within, 0), dict.fromkeys(within, 0)
        for n in within:
            for other in self.up[n]:
                if other in before:
                    before[n] |= before[other] | 1 << (other - within.start)
        for n in reversed(within):
            for other in self.down[n]:
                if other in after:
                    after[n] |= after[other] | 1 << (other - within.start)
        return before, after

    def _n(self, a: int, b: int, c: int, d: int) -> N:
        return N(*(self.names[n] for n in (a, b, c, d)))
