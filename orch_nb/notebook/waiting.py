"""One story of a cell, two ways to wait: on the kernel's loop, or blocking where there is none.

The cell is written once, as a coroutine whose every wait goes through a `Waiting`. `OnLoop`
suspends it, so that clicks are handled meanwhile; `Blocking` never does, so that `perform` can run
the very same coroutine to its end without a loop: under `%%time`, in a terminal, in a nested cell.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import signal
import threading
import time
import warnings
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from orch_nb.model.plan import Plan
from orch_nb.notebook.display import polling
from orch_nb.planners.python import plan_from_source, plan_from_source_async

__all__ = ["Blocking", "OnLoop", "Waiting", "perform"]

T = TypeVar("T")

_STEP_S = 0.2
_FETCH_S, _FETCH = 0.05, 10  # how often, and how many at most


class Waiting(Protocol):
    """How a cell waits. `live`: whether a person can act on it meanwhile."""

    live: bool

    async def pause(self, seconds: float) -> None: ...

    async def off_loop(self, work: Callable[[], T]) -> T: ...

    async def python_body(
        self, source: str, names: dict[str, Any], goal: str, filename: str
    ) -> Plan: ...


class OnLoop:
    live = True

    async def pause(self, seconds: float) -> None:
        fetch = polling()
        if fetch is None:
            await asyncio.sleep(seconds)
            return
        end = time.monotonic() + seconds
        async with fetch as poll:
            while time.monotonic() < end:
                await asyncio.sleep(_FETCH_S)
                await poll(_FETCH)

    async def off_loop(self, work: Callable[[], T]) -> T:
        return await asyncio.to_thread(work)

    async def python_body(
        self, source: str, names: dict[str, Any], goal: str, filename: str
    ) -> Plan:
        if not _awaits(source):
            with _heard_at_once():
                return plan_from_source(source, names, goal=goal, filename=filename)
        # A task of its own, since Stop during one long await would arrive only when that ends.
        work = plan_from_source_async(source, names, goal=goal, filename=filename)
        task = asyncio.create_task(work)
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=_STEP_S)
        except asyncio.CancelledError:
            task.cancel()
            raise
        return task.result()


class Blocking:
    live = False

    async def pause(self, seconds: float) -> None:
        time.sleep(seconds)  # noqa: ASYNC251

    async def off_loop(self, work: Callable[[], T]) -> T:
        return work()

    async def python_body(
        self, source: str, names: dict[str, Any], goal: str, filename: str
    ) -> Plan:
        return plan_from_source(source, names, goal=goal, filename=filename)


def _awaits(source: str) -> bool:
    """Whether a body awaits at its top level; one that cannot be read does not."""
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    try:
        with warnings.catch_warnings(action="ignore"):  # they are told when the body is read
            code = compile(source, "<body>", "exec", flags, dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return bool(code.co_flags & inspect.CO_COROUTINE)


@contextmanager
def _heard_at_once() -> Iterator[None]:
    """Stop reaches code that never awaits: while a cell awaits, ipykernel turns it into a message
    to the loop, which such code keeps from being read."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def perform(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that waits by `Blocking` only. Raises what it raises."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        value: T = end.value
        return value
    coroutine.close()
    raise RuntimeError("a blocking cell has suspended")
