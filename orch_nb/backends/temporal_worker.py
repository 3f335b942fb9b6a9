"""A worker for Temporal: it interprets plans and performs their tasks.

An attempt is an activity. Its heartbeat tells that the worker lives and hears of a cancel, and
carries the process group of a command: whoever does it again ends what is left of it first.
"""

from __future__ import annotations

import asyncio
import contextvars
import socket
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from orch_nb.backends.places import Place
from orch_nb.backends.temporal import QUEUE, connected
from orch_nb.backends.temporal_workflow import ATTEMPT, QUESTION, PlanInterpreter
from orch_nb.engine.away import Done, Errand, Hands, plain, shaped
from orch_nb.model import event as ev

__all__ = ["work"]

_BEAT_S = 2.0
_GROUP = 3  # what a heartbeat carries of a process group: its machine, its number, its birth


async def work(
    where: Place, hands: Hands, *, queue: str = "", most: int = 100,
    ready: Callable[[str], None] | None = None,
) -> None:  # fmt: skip
    """Work until cancelled. `most` attempts run at once. Raises BackendUnavailable."""
    client: Client = await connected(where)
    errands = _Errands(hands)
    worker = Worker(
        client,
        task_queue=queue or QUEUE,
        workflows=[PlanInterpreter],
        activities=[errands.attempt, errands.question],
        max_concurrent_activities=most,
        max_heartbeat_throttle_interval=timedelta(seconds=1),
        # Where another worker was killed, what it knew by heart is to be had elsewhere soon.
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=1),
        graceful_shutdown_timeout=timedelta(seconds=1),
        workflow_runner=SandboxedWorkflowRunner(
            restrictions=SandboxRestrictions.default.with_passthrough_modules("orch_nb", "msgspec")
        ),
    )
    with hands.ready():
        async with worker:
            if ready is not None:
                ready(f"temporal worker: {where}, task queue {queue or QUEUE}")
            await asyncio.Event().wait()


class _Errands:
    """The activities."""

    def __init__(self, hands: Hands) -> None:
        self._hands = hands

    @activity.defn(name=ATTEMPT)
    async def attempt(self, told: Any) -> Any:
        """One attempt of a task."""
        return await self._performed(shaped(told, Errand))

    @activity.defn(name=QUESTION)
    async def question(self, told: Any) -> Any:
        """Whether a task runs, and how often: its `when`, its `foreach`."""
        return await self._performed(shaped(told, Errand))

    async def _performed(self, errand: Errand) -> Any:
        beats = _Beats()
        left = activity.info().heartbeat_details  # of a worker that was lost
        if len(left) == _GROUP and left[0] == socket.gethostname():
            await asyncio.to_thread(self._hands.clear, int(left[1]), float(left[2]))
        job = self._hands.begin(errand, beats.process)
        beating = asyncio.create_task(beats.go_on())
        try:
            done = await job.done
        except asyncio.CancelledError:
            job.stop()
            details = activity.cancellation_details()
            if details is not None and details.worker_shutdown:
                raise
            done = await job.done
        finally:
            beating.cancel()
        return _told(done)


def _told(done: Done) -> Any:
    """A failure is one for Temporal, too, with our outcome in its details. Whether there is another
    attempt the workflow decides."""
    event = done.event
    if type(event) is ev.AttemptFailed:
        raise ApplicationError(
            event.error.message or event.error.type, plain(done), type=event.error.type,
            non_retryable=True, category=ApplicationErrorCategory.BENIGN,  # the journal tells it
        )  # fmt: skip
    return plain(done)


class _Beats:
    """The heartbeat of an attempt."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._told: tuple[Any, ...] = ()
        self._heartbeat, self._context = activity.heartbeat, contextvars.copy_context()

    async def go_on(self) -> None:
        while True:
            self._heartbeat(*self._told)
            await asyncio.sleep(_BEAT_S)

    def process(self, pid: int, born: float) -> None:
        """From the thread of a command, before it does its work."""
        self._told = (socket.gethostname(), pid, born)
        self._loop.call_soon_threadsafe(self._heartbeat, *self._told, context=self._context)
