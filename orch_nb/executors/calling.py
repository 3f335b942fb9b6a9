"""Calling a task's function, the same in every executor that runs it in this process."""

from __future__ import annotations

from contextvars import copy_context
from types import CoroutineType

from orch_nb.engine.ports import AttemptRequest, Clock, Outcome, entered
from orch_nb.executors.failure import failure_of

__all__ = ["call"]


def call(request: AttemptRequest, clock: Clock) -> Outcome:
    """Run one attempt of a synchronous function here and now, with `current()` set.

    Everything it may raise becomes an outcome, `SystemExit` and `KeyboardInterrupt` too: a task
    that calls `sys.exit` has failed, and must not take the engine along. What it sets of context
    variables is gone with it: the next attempt in this thread must not find it.
    """
    return copy_context().run(_called, request, clock)


def _called(request: AttemptRequest, clock: Clock) -> Outcome:
    entered.set(request)
    now = clock.now
    started = now()
    try:
        if request.args or request.kwargs:
            value = request.task.run(*request.args, **request.kwargs)
        else:
            value = request.task.run()
    except BaseException as error:  # noqa: BLE001
        return Outcome(request.key, started, now(), failure=failure_of(error))
    if type(value) is CoroutineType:  # nobody would ever await it
        value.close()
        told = TypeError(f"`{request.id}` gave a coroutine: write it as `async def`")
        return Outcome(request.key, started, now(), failure=failure_of(told))
    return Outcome((request.id, request.attempt), started, now(), value)
