"""Ready tasks in the order in which they start: keys, the smaller the more urgent.

    fresh ─ sort ─► ordered (the most urgent last)        a wave that becomes ready at once
          └───────► heap                                  a few that join a long list

Sorting a wave once and taking from the end of a list costs a fraction of a heap; sorting a few into
a long list would look at all of it, so they go to a heap beside it.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

__all__ = ["Ready"]

_FEW = 8  # below this part of what is ordered, what joins goes to the heap


class Ready:
    """The keys of ready tasks. False if there are none. `fresh.append(key)` adds one."""

    __slots__ = ("fresh", "heap", "ordered")

    def __init__(self) -> None:
        self.fresh: list[int] = []
        self.ordered: list[int] = []
        self.heap: list[int] = []

    def settle(self) -> None:
        """Put the fresh ones in their places."""
        fresh, ordered = self.fresh, self.ordered
        if len(fresh) * _FEW >= len(ordered):
            ordered += fresh
            if len(ordered) > 1:
                ordered.sort(reverse=True)
        else:
            for key in fresh:
                heapq.heappush(self.heap, key)
        fresh.clear()

    def pop(self) -> int:
        """The most urgent of those in their places. IndexError if there is none."""
        heap, ordered = self.heap, self.ordered
        if heap and (not ordered or heap[0] < ordered[-1]):
            return heapq.heappop(heap)
        return ordered.pop()

    def take(self, count: int) -> list[int]:
        """As many as that, the most urgent first; fewer if there are fewer."""
        ordered = self.ordered
        if self.fresh:
            if len(self.fresh) == 1 and not (ordered or self.heap):
                return [self.fresh.pop()]
            self.settle()
        if self.heap:
            return [self.pop() for _ in range(min(count, len(ordered) + len(self.heap)))]
        taken = ordered[-count:]
        del ordered[-count:]
        taken.reverse()
        return taken

    def translate(self, keys: Sequence[int]) -> None:
        """Put keys[k], which stand in the same order, in the place of every k."""
        for held in (self.fresh, self.ordered, self.heap):
            held[:] = [keys[key] for key in held]

    def clear(self) -> None:
        self.fresh.clear()
        self.ordered.clear()
        self.heap.clear()

    def __bool__(self) -> bool:
        return bool(self.fresh or self.ordered or self.heap)
