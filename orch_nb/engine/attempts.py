"""The attempts in flight: what each is called with, what stops it, what its end means.

An attempt is *live* from its request until its outcome is taken. One that must stop (its timeout,
a cancel) is asked to by its executor; one that cannot be stopped, or does not end within a grace,
is *abandoned*: recorded as ended, told to the person, and what it still reports is ignored.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from orch_nb.engine.arguments import arguments
from orch_nb.engine.ports import (
    AttemptKey,
    AttemptRequest,
    Clock,
    Current,
    Executor,
    Outcome,
    Timer,
)
from orch_nb.engine.results_view import Results
from orch_nb.graph.topology import Edges
from orch_nb.model import event as ev
from orch_nb.model.plan import Plan
from orch_nb.model.run import RunState

__all__ = ["Attempts"]

_GRACE_S = 5.0  # how long a stopped attempt may take to end before it is given up
_ABANDONED = object()


class Attempts:
    """The live attempts of one run. `report` is the driver's, for outcomes that are made here."""

    def __init__(
        self,
        plan: Plan,
        edges: Edges,
        state: RunState,
        results: Results,
        *,
        executor: Executor,
        clock: Clock,
        report: Callable[[Sequence[Outcome]], None],
        log: Callable[[str, int, str, str], None],
        process: Callable[[str, int, int], None],
    ) -> None:
        self._plan, self._edges, self._state, self._results = plan, edges, state, results
        self._executor, self._clock = executor, clock
        self._report, self._log, self._process = report, log, process
        self._live: set[AttemptKey] = set()
        self._stopping: dict[AttemptKey, str] = {}
        self._timers: dict[AttemptKey, Timer] = {}

    def request(self, event: ev.AttemptStarted) -> AttemptRequest | None:
        """What the executor gets; None if the attempt has ended before it could begin."""
        task, key = self._plan[event.task], (event.task, event.attempt)
        self._live.add(key)
        args: tuple[Any, ...] = ()
        kwargs: dict[str, Any] = {}
        if task.run is not None:
            try:
                needs = self._edges[task.id]
                args, kwargs = arguments(task, needs, self._results.given, self._plan.params)
            except LookupError as error:
                now = self._clock.now()
                failure = ev.Failure("LookupError", str(error.args[0] if error.args else error))
                self._report([Outcome(key, now, now, failure=failure)])
                return None
        if task.timeout_s is not None:
            self._timers[key] = self._clock.call_at(
                event.at + task.timeout_s, functools.partial(self.stop, key, "timeout")
            )
        current = Current(
            task=task.id, attempt=event.attempt, run_id=self._state.run_id, params=self._plan.params
        )
        log = functools.partial(self._log, task.id, event.attempt)
        process = functools.partial(self._process, task.id, event.attempt)
        where = self._state.options.workspace
        return AttemptRequest(task, event.attempt, current, args, kwargs, log, process, where)

    def never_began(self, event: ev.AttemptStarted) -> None:
        """An attempt that was cancelled in the very turn of its start: it must not begin at all."""
        key = (event.task, event.attempt)
        self._live.add(key)
        self._stopping[key] = "cancelled"
        self._report([Outcome(key, event.at, event.at, cancelled=True)])

    def stop(self, key: AttemptKey, why: str) -> None:
        """Have a live attempt end; `why` is timeout or cancelled."""
        if key not in self._live or key in self._stopping:
            return
        self._stopping[key] = why
        if self._executor.cancel(key):
            self._timers[key] = self._clock.call_at(
                self._clock.now() + _GRACE_S, functools.partial(self._abandon, key)
            )
        else:
            self._abandon(key)

    def stop_all(self) -> None:
        """Ask every live attempt to end, and wait for none: the engine cannot go on."""
        for key in list(self._live):
            self._executor.cancel(key)

    def close(self) -> None:
        for timer in self._timers.values():
            timer.cancel()

    def ended(self, outcome: Outcome) -> ev.Event | None:
        """The event that an outcome is; None for one of an attempt that was abandoned before."""
        key = outcome.key
        if key not in self._live:
            return None
        self._live.discard(key)
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        why = self._stopping.pop(key, None)
        if outcome.failure is None and not outcome.cancelled:
            task, attempt = key
            return ev.AttemptSucceeded(
                at=outcome.finished, task=task, attempt=attempt, started=outcome.started,
                result=self._results.put(task, outcome.value), exit_code=outcome.exit_code,
            )  # fmt: skip
        return self._failed(outcome, why)

    def _failed(self, outcome: Outcome, why: str | None) -> ev.AttemptFailed:
        task, attempt = outcome.key
        abandoned = outcome.value is _ABANDONED
        failure = outcome.failure or ev.Failure("Cancelled")
        if why == "timeout":
            failure = self._timeout(task, abandoned=abandoned)
        elif abandoned:
            failure = ev.Failure("Cancelled", self._left_behind(task))
        return ev.AttemptFailed(
            at=outcome.finished, task=task, attempt=attempt,
            started=outcome.started or self._started(task), error=failure,
            exit_code=outcome.exit_code, timed_out=why == "timeout", abandoned=abandoned,
            cancelled=why == "cancelled" or (why is None and outcome.cancelled),
        )  # fmt: skip

    def _abandon(self, key: AttemptKey) -> None:
        if key in self._live:
            now = self._clock.now()
            self._report([Outcome(key, 0.0, now, cancelled=True, value=_ABANDONED)])

    def _timeout(self, task: str, *, abandoned: bool) -> ev.Failure:
        still = f"; {self._left_behind(task)}" if abandoned else ""
        message = f"took longer than its timeout of {self._plan[task].timeout_s:g} s{still}"
        return ev.Failure("TimeoutError", message, kinds=("TimeoutError", "OSError", "Exception"))

    def _left_behind(self, task: str) -> str:
        """What is told of an attempt that could not be stopped."""
        function = self._plan[task].run
        if function is None:
            return "its processes do not end and may still run"
        if inspect.iscoroutinefunction(function):
            return "it does not let itself be cancelled and still runs"
        return "a synchronous function cannot be killed: its thread still runs"

    def _started(self, task: str) -> float:
        run = self._state.tasks[task].snapshot()
        return run.attempts[-1].started.timestamp() if run.attempts else self._clock.now()
