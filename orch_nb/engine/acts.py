"""What passes between scheduler and driver and is never journaled.

What must be done, from the scheduler: `Stop` an attempt, `Ask` before a task starts, `Arm` a timer.
What has come of that, from the driver: `Go`, `Elapsed`, `Overdue`, `Unanswered`, `Tick`.
"""

from __future__ import annotations

from typing import Any

import msgspec

__all__ = [
    "UNRECORDED",
    "Act",
    "Arm",
    "Ask",
    "Elapsed",
    "Go",
    "Overdue",
    "Stop",
    "Tick",
    "Unanswered",
]  # fmt: skip


class Elapsed(msgspec.Struct, frozen=True):
    """A task's backing-off time is over. Like all of this kind never journaled: what follows is."""

    at: float
    task: str


class Overdue(msgspec.Struct, frozen=True):
    """A task's time over all attempts is over."""

    at: float
    task: str


class Unanswered(msgspec.Struct, frozen=True):
    """A gate's time is over and nobody has answered."""

    at: float
    task: str


class Tick(msgspec.Struct, frozen=True):
    """A period has passed that a rate limit spoke of."""

    at: float
    task: str = ""


class Go(msgspec.Struct, frozen=True):
    """The answer to `Ask`: nothing is in the way of running the task itself."""

    at: float
    task: str


class Stop(msgspec.Struct, frozen=True):
    """The running attempt of this task must be stopped; `why` is cancelled or total_timeout."""

    task: str
    attempt: int
    why: str = "cancelled"


class Ask(msgspec.Struct, frozen=True):
    """Before this task starts: judge its `when`, expand its `foreach`, look for a kept result."""

    task: str


class Arm(msgspec.Struct, frozen=True):
    """At `at` (seconds since the epoch) hand in `kind(at, task)`."""

    at: float
    kind: type[Any]
    task: str = ""


Act = Stop | Ask | Arm

UNRECORDED = frozenset({Elapsed, Overdue, Unanswered, Tick, Go})
