"""Async functions as tasks of the engine's loop."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Sequence

from orch_nb.engine.ports import AttemptKey, AttemptRequest, Clock, Outcome, Report, entered
from orch_nb.executors.failure import failure_of

__all__ = ["CoroutineExecutor"]


class CoroutineExecutor:
    """One asyncio task an attempt; cancelling it raises `CancelledError` in the function."""

    name = "loop"

    def start(self, clock: Clock) -> None:
        self._clock = clock
        self._tasks: dict[AttemptKey, asyncio.Task[Outcome]] = {}

    def submit(self, attempts: Sequence[AttemptRequest], report: Report) -> None:
        loop = asyncio.get_running_loop()
        for request in attempts:
            task = loop.create_task(self._run(request), name=f"orch_nb {request.task.id}")
            self._tasks[request.key] = task
            task.add_done_callback(functools.partial(self._ended, request.key, report))

    async def _run(self, request: AttemptRequest) -> Outcome:
        entered.set(request.current)  # an asyncio task has a context of its own
        started = self._clock.now()
        try:
            value = await request.task.run(*request.args, **request.kwargs)
        except asyncio.CancelledError:
            return Outcome(request.key, started, self._clock.now(), cancelled=True)
        except BaseException as error:  # noqa: BLE001  # a task that calls sys.exit has failed, and no more
            return Outcome(request.key, started, self._clock.now(), failure=failure_of(error))
        return Outcome(request.key, started, self._clock.now(), value)

    def _ended(self, key: AttemptKey, report: Report, task: asyncio.Task[Outcome]) -> None:
        self._tasks.pop(key, None)
        if task.cancelled():  # before its first step
            now = self._clock.now()
            report([Outcome(key, now, now, cancelled=True)])
        else:
            report([task.result()])

    def cancel(self, key: AttemptKey) -> bool:
        task = self._tasks.get(key)
        return task is not None and task.cancel()

    def stop(self) -> None:
        for task in self._tasks.values():
            task.cancel()
