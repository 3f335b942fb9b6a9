"""Ready tasks in the order in which they start: keys, the smaller the more urgent.

A whole wave that becomes ready at once is sorted once and taken from the end of a list, which costs a
fraction of a heap; a few that join a long list go to a heap beside it, since sorting them in would
look at all of it.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

__all__ = ["Ready"]

_FEW = 8  # below this part of what is there, what joins goes to the heap


class Ready:
    """The keys of ready tasks. False if there are none."""

    __slots__ = ("_heap", "_sorted")

    def __init__(self) -> None:
        self._sorted: list[int] = []  # the most urgent last
        self._heap: list[int] = []

    def add(self, keys: Sequence[int]) -> None:
        if len(keys) * _FEW >= len(self._sorted):
            self._sorted += keys
            self._sorted.sort(reverse=True)
        else:
            for key in keys:
                heapq.heappush(self._heap, key)

    def pop(self) -> int:
        """The most urgent. IndexError if there is none."""
        heap, ordered = self._heap, self._sorted
        if heap and (not ordered or heap[0] < ordered[-1]):
            return heapq.heappop(heap)
        return ordered.pop()

    def clear(self) -> None:
        self._sorted.clear()
        self._heap.clear()

    def __bool__(self) -> bool:
        return bool(self._sorted or self._heap)

    def __len__(self) -> int:
        return len(self._sorted) + len(self._heap)
