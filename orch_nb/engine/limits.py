"""Limits that tasks share: the slots of a pool, the starts in a period, the instances of a group.

    want ─► free? ─► take ─► (attempt) ─► give back ─► the most urgent that waited is ready again
              └ no: park

Pure: times come with the calls. A task that does not get what it wants is parked at the limit that
refused it, and nothing less urgent passes it there, or a task that wants two slots would starve
behind those that want one. One that waits no longer (it was cancelled) stays parked until it would
be next, and is passed over then.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Mapping, Sequence

from orch_nb.engine.states import READY
from orch_nb.model.task import Pool, Rate

__all__ = ["Limit", "Limits"]

_MASK = 0xFFFFFFFF


class Limit:
    """One limit: `slots` that may be held at once, `rate` of starts; None where there is none."""

    __slots__ = ("_begun", "name", "parked", "rate", "slots", "used")

    def __init__(self, name: str, slots: int | None = None, rate: Rate | None = None) -> None:
        self.name, self.slots, self.rate = name, slots, rate
        self.used = 0
        self.parked: list[int] = []
        self._begun: deque[float] = deque(maxlen=rate.starts if rate is not None else 0)

    def free_at(self, wants: int, at: float) -> float | None:
        """When `wants` slots and a start can be had: `at` if now, None if only an end will tell."""
        if self.slots is not None and self.used + wants > self.slots:
            return None
        if self.rate is not None and len(self._begun) == self.rate.starts:
            return max(at, self._begun[0] + self.rate.period_s)
        return at

    def take(self, wants: int, at: float) -> None:
        self.used += wants
        if self.rate is not None:
            self._begun.append(at)

    def busy(self) -> str:
        """In words what a task that is parked here waits for."""
        if self.slots is not None and self.used >= self.slots:
            return f"{self.name} ({self.used} of {self.slots} in use)"
        if self.rate is not None:
            starts = "1 start" if self.rate.starts == 1 else f"{self.rate.starts} starts"
            return f"{self.name} ({starts} in {self.rate.period_s:g} s)"
        return self.name


class Limits:
    """All limits of one run. Tasks are indices, urgency a number: the smaller, the more urgent."""

    def __init__(self, pools: Mapping[str, Pool], states: Sequence[int]) -> None:
        self._states = states
        self._pools = {name: Limit(f"pool {name}", p.slots, p.rate) for name, p in pools.items()}
        self._wants: dict[int, tuple[tuple[Limit, int], ...]] = {}
        self.parked = 0

    def want(self, n: int, pools: Mapping[str, int] | None, group: Limit | None = None) -> bool:
        """Say what task `n` holds while it runs; True if that is anything."""
        wants = [(self._pools[name], slots) for name, slots in (pools or {}).items()]
        if group is not None:
            wants.append((group, 1))
        if wants:
            self._wants[n] = tuple(wants)
        return bool(wants)

    def refuse(self, n: int, key: int, at: float) -> Limit | None:
        """None if `n` can start; else the limit that is in its way, where it is parked now."""
        for limit, wants in self._wants[n]:
            first = self._first(limit)
            if limit.free_at(wants, at) == at and (first is None or first >= key):
                continue
            heapq.heappush(limit.parked, key)
            self.parked += 1
            return limit
        return None

    def _first(self, limit: Limit) -> int | None:
        """The most urgent key that still waits at this limit."""
        while limit.parked:
            if self._states[limit.parked[0] & _MASK] == READY:
                return limit.parked[0]
            heapq.heappop(limit.parked)
            self.parked -= 1
        return None

    def passed_on(self, n: int, refused: Limit | None, at: float) -> list[int]:
        """`n` was let through by one limit and refused by the next, or (None) waits no longer: the
        keys that may have its place."""
        found: list[int] = []
        for limit, _ in self._wants[n]:
            if limit is not refused and limit.parked:
                found += self.unpark(limit, at)
        return found

    def next_at(self, at: float) -> float | None:
        """When the next period passes that a parked task waits for."""
        times = [
            when
            for limit in self._pools.values()
            if limit.parked and (when := limit.free_at(0, at)) is not None and when > at
        ]
        return min(times, default=None)

    def take(self, n: int, at: float) -> None:
        for limit, wants in self._wants[n]:
            limit.take(wants, at)

    def give_back(self, n: int, at: float) -> list[int]:
        """The slots of `n` are free; the keys that were parked for them and can be had now."""
        found: list[int] = []
        for limit, wants in self._wants[n]:
            limit.used -= wants
            found += self.unpark(limit, at)
        return found

    def unpark(self, limit: Limit, at: float) -> list[int]:
        """The most urgent keys that this limit lets through now; they may be refused elsewhere."""
        found: list[int] = []
        used, begun = limit.used, 0
        while (key := self._first(limit)) is not None:
            held = self._wants[key & _MASK]
            wants = next((slots for other, slots in held if other is limit), 1)
            if limit.slots is not None and used + wants > limit.slots:
                break
            if limit.rate is not None and (begun >= limit.rate.starts or self._early(limit, at)):
                break
            found.append(heapq.heappop(limit.parked))
            self.parked -= 1
            used += wants
            begun += 1
        return found

    @staticmethod
    def _early(limit: Limit, at: float) -> bool:
        return limit.free_at(0, at) not in (at, None)

    def over(self, at: float) -> list[int]:
        """The keys that wait for a period to pass and need not any more."""
        found: list[int] = []
        for limit in self._pools.values():
            if limit.rate is not None and limit.parked:
                found += self.unpark(limit, at)
        return found

    def holder(self, n: int) -> Limit | None:
        """The limit that task `n` is parked at."""
        for limit, _ in self._wants.get(n, ()):
            if any(key & _MASK == n for key in limit.parked):
                return limit
        return None
