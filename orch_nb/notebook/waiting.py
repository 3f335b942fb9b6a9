"""One story of a cell, two ways to wait: on the kernel's loop, or blocking where there is none.

The cell is written once, as a coroutine whose every wait goes through a `Waiting`. `OnLoop`
suspends it, so that clicks are handled meanwhile; `Blocking` never does, so that `perform` can run
the very same coroutine to its end without a loop: under `%%time`, in a terminal, in a nested cell.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from orch_nb.model.plan import Plan
from orch_nb.planners.python import plan_from_source, plan_from_source_async

__all__ = ["Blocking", "OnLoop", "Waiting", "perform"]

T = TypeVar("T")


class Waiting(Protocol):
    """How a cell waits. `live`: whether a person can act on it meanwhile."""

    live: bool

    async def pause(self, seconds: float) -> None: ...

    async def off_loop(self, work: Callable[[], T]) -> T: ...

    async def python_body(self, source: str, names: dict[str, Any], goal: str) -> Plan: ...


class OnLoop:
    live = True

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def off_loop(self, work: Callable[[], T]) -> T:
        return await asyncio.to_thread(work)

    async def python_body(self, source: str, names: dict[str, Any], goal: str) -> Plan:
        return await plan_from_source_async(source, names, goal=goal)


class Blocking:
    live = False

    async def pause(self, seconds: float) -> None:
        time.sleep(seconds)  # noqa: ASYNC251

    async def off_loop(self, work: Callable[[], T]) -> T:
        return work()

    async def python_body(self, source: str, names: dict[str, Any], goal: str) -> Plan:
        return plan_from_source(source, names, goal=goal)


def perform(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that waits by `Blocking` only. Raises what it raises."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        value: T = end.value
        return value
    coroutine.close()
    raise RuntimeError("a blocking cell has suspended")
