"""The one workflow that the package ships: it interprets any plan.

It decides by the scheduler of every other run (`engine.interpreter`) and acts by what Temporal has:

    an attempt              an activity `fetch #2`; its outcome is in the history
    the wait before a retry a timer
    a gate                  a signal `ask`; so is all that people do
    cancel                  the workflow's own cancel, or `ask`; it cancels the activities
    a lost worker           the heartbeat fails, and Temporal's own RetryPolicy sends it out again

A worker that is lost uses up no try of the task, as everywhere in orch_nb; that is why the retries
of a plan are not Temporal's RetryPolicy, which counts both alike and keeps the last error only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError
from temporalio.exceptions import TimeoutError as StepTimeout

with workflow.unsafe.imports_passed_through():
    import msgspec

    from orch_nb.engine.acts import Arm
    from orch_nb.engine.away import ASK, Done, Errand, Seed, plain, shaped, version
    from orch_nb.engine.interpreter import Interpreter, Work
    from orch_nb.engine.ports import AttemptKey, Request
    from orch_nb.model import event as ev
    from orch_nb.model.status import RunStatus, Status

__all__ = ["ATTEMPT", "QUESTION", "PlanInterpreter"]

ATTEMPT, QUESTION = "attempt", "question"

#: What Temporal does by itself: another worker gets what one was lost with.
_LOST = RetryPolicy(
    initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=5),
    maximum_attempts=10,
)  # fmt: skip
_LONG = timedelta(days=365)  # of a task without a timeout
_GRACE_S = 30.0  # the worker ends an attempt at its timeout; Temporal where it does not


@workflow.defn(name="orch_nb.plan")
class PlanInterpreter:
    """Runs a plan. `ask` is the signal for all that people do, `news` the query for its events."""

    #: After what silence of its worker a step goes to another. No history depends on it.
    patience = timedelta(seconds=15)
    #: Temporal terminates a workflow at 51,200 events, or 50 MB.
    most_events, most_bytes = 44_000, 30_000_000

    def __init__(self) -> None:
        self._mind: Interpreter | None = None
        self._early: list[list[Request]] = []
        self._steps: dict[AttemptKey, workflow.ActivityHandle[Any]] = {}
        self._timers: dict[Any, asyncio.Task[None]] = {}
        self._awaited: dict[int, asyncio.Task[None]] = {}
        self._over: RunStatus | None = None
        self._full = False

    @workflow.run
    async def run(self, told: Any) -> dict[str, Any]:
        self._mind = mind = Interpreter(_understood(told))
        workflow.set_current_details(mind.plan.goal)
        self._do(mind.begin(workflow.time()))
        for requests in self._early:
            self._ask(mind, requests)
        while not self._closed():
            try:
                await workflow.wait_condition(self._closed)
            except asyncio.CancelledError:  # by Temporal's own cancel
                self._ask(mind, [Request("cancel", by="Temporal")])
        return self._ended(mind)

    def _closed(self) -> bool:
        return self._over not in (None, RunStatus.WAITING)

    def _ended(self, mind: Interpreter) -> dict[str, Any]:
        """Temporal shows the run as it ended."""
        if self._over is RunStatus.CANCELLED:
            raise CancelledError("the run was cancelled")
        if self._over is RunStatus.FAILED:
            failed = [t.task for t in mind.state.every() if t.status is Status.FAILED]
            raise ApplicationError(f"failed: {', '.join(failed)}", type="RunFailed",
                                   non_retryable=True)  # fmt: skip
        return {"run": mind.run_id, "status": str(self._over), "events": mind.told()}

    # -- what comes from outside ---------------------------------------------------------------

    @workflow.signal
    def ask(self, told: Any) -> None:
        requests = shaped(told, list[Request])
        if self._mind is None:
            self._early.append(requests)
        else:
            self._ask(self._mind, requests)

    def _ask(self, mind: Interpreter, requests: list[Request]) -> None:
        if not self._closed():
            self._over = None
            self._do(mind.asked(workflow.time(), *requests))

    @workflow.query
    def news(self, after: int) -> Any:
        told = plain(self._mind.news(after)) if self._mind is not None else {}
        return {**told, "version": version()}

    # -- doing what was decided ----------------------------------------------------------------

    def _do(self, work: Work) -> None:
        assert self._mind is not None
        self._over = work.ended or self._over
        for errand in work.errands:
            self._begin(errand)
        for key in work.stops:
            step = self._steps.get(key)
            if step is not None:
                step.cancel()
        for arm in work.timers:
            before = self._timers.pop((arm.kind, arm.task), None)
            if before is not None:
                before.cancel()
            self._timers[arm.kind, arm.task] = asyncio.create_task(self._wait(arm))

    async def _wait(self, arm: Arm) -> None:
        await asyncio.sleep(max(0.0, arm.at - workflow.time()))
        self._timers.pop((arm.kind, arm.task), None)
        self._turn(lambda mind, at: mind.due(at, arm))

    def _begin(self, errand: Errand) -> None:
        task, asks = errand.task, errand.attempt == ASK
        self._steps[errand.key] = step = workflow.start_activity(
            QUESTION if asks else ATTEMPT,
            plain(errand),
            activity_id=f"{task} ?" if asks else f"{task} #{errand.attempt}",
            summary=f"{task}: when, foreach" if asks else f"{task}, attempt {errand.attempt}",
            start_to_close_timeout=_limit(errand),
            heartbeat_timeout=self.patience,
            retry_policy=_LOST,
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )
        number = len(self._awaited)
        self._awaited[number] = asyncio.create_task(self._end(errand, step))

    async def _end(self, errand: Errand, step: Any) -> None:
        try:
            done = shaped(await step, Done)
        except (ActivityError, asyncio.CancelledError) as error:  # the latter: it never began
            done = _failed(errand, error)
        self._steps.pop(errand.key, None)
        self._turn(lambda mind, at: mind.done(at, errand.key, done))

    def _turn(self, take: Callable[[Interpreter, float], Work]) -> None:
        assert self._mind is not None
        if not self._closed():
            self._do(take(self._mind, workflow.time()))
            self._leave_room(self._mind)

    def _leave_room(self, mind: Interpreter) -> None:
        """Cancel a run whose history is nearly full, while there is room to undo what it did:
        Temporal would terminate it."""
        info = workflow.info()
        events, size = info.get_current_history_length(), info.get_current_history_size()
        if not self._full and (events > self.most_events or size > self.most_bytes):
            self._full = True
            by = f"Temporal (its history is nearly full: {events:,} events, {size:,} bytes)"
            self._ask(mind, [Request("cancel", by=by)])


def _understood(told: Any) -> Seed:
    try:
        seed = shaped(told, Seed)
        _ = seed.history
    except msgspec.MsgspecError as error:
        told = f"this worker, of orch_nb {version()}, does not understand the run: {error}"
        raise ApplicationError(told, type="RunNotUnderstood", non_retryable=True) from None
    return seed


def _limit(errand: Errand) -> timedelta:
    if errand.attempt == ASK:
        return _LONG
    plan, name = errand.plan, errand.task
    task = plan.by_id.get(name) or plan.by_id.get(name.rpartition("[")[0]) or plan.on_failure
    if task is None or task.timeout_s is None:
        return _LONG
    return timedelta(seconds=task.timeout_s + _GRACE_S)


def _failed(errand: Errand, error: BaseException) -> Done:
    """What a failed activity stands for: the outcome that the worker told, or that nobody did."""
    cause = error.cause if isinstance(error, ActivityError) else error
    if isinstance(cause, ApplicationError) and cause.details:
        return shaped(cause.details[0], Done)
    at = workflow.time()
    kind = "WorkerLost" if isinstance(cause, StepTimeout) else type(cause).__name__
    cancelled = isinstance(cause, (CancelledError, asyncio.CancelledError))
    failure = ev.Failure(
        "Cancelled" if cancelled else kind,
        "" if cancelled else f"no worker brought it to an end: {cause}", kinds=("Exception",),
    )  # fmt: skip
    if errand.attempt == ASK:
        return Done(
            event=ev.TaskEnded(at=at, task=errand.task, status=Status.FAILED, reason=str(failure))
        )
    return Done(
        event=ev.AttemptFailed(
            at=at, task=errand.task, attempt=errand.attempt, started=errand.at, error=failure,
            cancelled=cancelled,
        )
    )  # fmt: skip
