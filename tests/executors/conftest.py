"""Attempts handed to an executor without a driver: what it reports is all that is looked at."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from orch_nb.engine.clock import SystemClock
from orch_nb.engine.ports import AttemptRequest, Outcome, Setting
from orch_nb.executors.local import local_executor
from orch_nb.model.task import Task


class Bench:
    """`bench(task, task, ...)` gives the outcomes by task; `.logs` what they printed."""

    def __init__(self, executor: str) -> None:
        self.executor = executor
        self.logs: dict[tuple[str, str], str] = {}
        self.pids: dict[str, int] = {}

    def __call__(
        self, *tasks: Task, meanwhile: Callable[[Any], None] | None = None, within_s: float = 20.0,
        **fields: Any,
    ) -> dict[str, Outcome]:  # fmt: skip
        """`meanwhile(executor)` is called, on the loop, 0.3 s after the attempts began."""
        return asyncio.run(self._run(tasks, meanwhile, within_s, fields))

    async def _run(self, tasks: Any, meanwhile: Any, within_s: float, fields: Any) -> Any:
        executor, loop = local_executor(self.executor), asyncio.get_running_loop()
        executor.start(SystemClock(), 8)
        outcomes: dict[str, Outcome] = {}
        done = asyncio.Event()

        def take(found: Any) -> None:
            outcomes.update({one.key[0]: one for one in found})
            if len(outcomes) == len(tasks):
                done.set()

        def report(found: Any) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(take, found)

        executor.submit([self._request(task, **fields) for task in tasks], report)
        if meanwhile is not None:
            loop.call_later(0.3, meanwhile, executor)
        try:
            await asyncio.wait_for(done.wait(), within_s)
        finally:
            executor.stop()
        return outcomes

    def _request(
        self, task: Task, args: Any = (), attempt: int = 1, params: Any = None, workspace: str = ""
    ) -> AttemptRequest:
        def log(task: str, attempt: int, stream: str, text: str) -> None:
            self.logs[task, stream] = self.logs.get((task, stream), "") + text

        def process(task: str, attempt: int, pid: int) -> None:
            self.pids[task] = pid

        setting = Setting(
            run_id="nightly-1", params=params or {}, workspace=workspace, log=log, process=process
        )
        return AttemptRequest(task, task.id, attempt, setting, args)


@pytest.fixture
def bench_of() -> type[Bench]:
    return Bench


@pytest.fixture
def shell() -> Bench:
    return Bench("threads")
