"""A worker for Temporal: it interprets plans and performs their tasks.

An attempt is an activity. Its heartbeat tells that the worker lives, and hears of a cancel.
"""

from __future__ import annotations

import asyncio
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

_PATIENCE_S = 15.0


async def work(
    where: Place, hands: Hands, *, queue: str = QUEUE, listen: str = "", most: int = 16,
    patience_s: float = _PATIENCE_S, ready: Callable[[str], None] | None = None,
) -> None:  # fmt: skip
    """Work until cancelled. It calls the server, and listens nowhere. `most` attempts run at once.
    Steps whose worker is silent for `patience_s` go to another. Raises BackendUnavailable."""
    client: Client = await connected(where, patient=True)
    errands = _Errands(hands, min(2.0, patience_s / 5))
    PlanInterpreter.patience = timedelta(seconds=patience_s)
    worker = Worker(
        client,
        task_queue=queue,
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
                ready(f"temporal worker: {where}, task queue {queue}")
            await asyncio.Event().wait()


class _Errands:
    """The activities."""

    def __init__(self, hands: Hands, beat_s: float) -> None:
        self._hands, self._beat_s = hands, beat_s

    @activity.defn(name=ATTEMPT)
    async def attempt(self, told: Any) -> Any:
        """One attempt of a task."""
        return await self._performed(shaped(told, Errand))

    @activity.defn(name=QUESTION)
    async def question(self, told: Any) -> Any:
        """Whether a task runs, and how often: its `when`, its `foreach`."""
        return await self._performed(shaped(told, Errand))

    async def _performed(self, errand: Errand) -> Any:
        job = self._hands.begin(errand)
        beating = asyncio.create_task(_beat(self._beat_s))
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


async def _beat(every_s: float) -> None:
    """The heartbeat of an attempt: the worker lives, and hears of a cancel."""
    while True:
        activity.heartbeat()
        await asyncio.sleep(every_s)
