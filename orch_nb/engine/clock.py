"""The clock of a driver: wall time that cannot run backwards.

A journal needs times that another process understands, and timers must not fire early or late when
somebody sets the machine's clock. So the wall clock is read once and carried on by the monotonic
one; a process that lives on through a change of the clock keeps its own, consistent, time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

__all__ = ["SystemClock"]


class SystemClock:
    """`now()` in seconds since the epoch (UTC); timers on the running asyncio loop."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()
        self._loop = asyncio.get_running_loop()

    def now(self) -> float:
        return time.monotonic() + self._offset

    def call_at(self, when: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        return self._loop.call_later(max(0.0, when - self.now()), callback)
