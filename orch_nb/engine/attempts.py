"""The attempts in flight: what each is called with, what stops it, what its end means.

An attempt is *live* from its request until its outcome is taken. One that must stop (its timeout,
a cancel) is asked to by its executor; one that cannot be stopped, or does not end within a grace,
is *abandoned*: recorded as ended, told to the person, and what it still reports is ignored.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from orch_nb.engine.arguments import Inputs
from orch_nb.engine.faults import Faults
from orch_nb.engine.ports import (
    AttemptKey,
    AttemptRequest,
    Clock,
    Executor,
    Outcome,
    Setting,
    Timer,
)
from orch_nb.engine.results_view import Results
from orch_nb.model import event as ev
from orch_nb.model.fold import RunState
from orch_nb.model.masked import masked_failure
from orch_nb.model.secrets import Mask
from orch_nb.model.task import Task

__all__ = ["Attempts"]

_GRACE_S = 5.0  # how long a stopped attempt may take to end before it is given up
_ABANDONED = object()
_KINDS = ("TimeoutError", "OSError", "Exception")


class Attempts:
    """The live attempts of one run. `report` is the driver's, for outcomes that are made here."""

    def __init__(
        self,
        state: RunState,
        results: Results,
        inputs: Inputs,
        *,
        executor: Executor,
        clock: Clock,
        setting: Setting,
        faults: Faults,
        report: Callable[[Sequence[Outcome]], None],
        mask: Mask,
    ) -> None:
        self._state, self._results, self._inputs = state, results, inputs
        self._executor, self._clock, self._setting = executor, clock, setting
        self._faults, self._report, self._mask = faults, report, mask
        self._live: dict[str, int] = {}
        self._stopping: dict[AttemptKey, str] = {}
        self._timers: dict[AttemptKey, Timer] = {}
        self._injected: set[AttemptKey] = set()

    def requests(
        self, events: Sequence[Any], tasks: Sequence[Task] | None = None
    ) -> list[AttemptRequest]:
        """What the executor gets for these starts; nothing for one that has ended before it could
        begin. `tasks` are theirs, where all are the plan's own."""
        found: list[AttemptRequest] = []
        live, setting, none = self._live, self._setting, self._inputs.none
        of: Iterable[Task | None] = tasks or ()
        if tasks is None:
            of = map(self._state.whole.by_id.get, [event.task for event in events])
        plain = not self._faults
        for event, task in zip(events, of, strict=True):
            name, attempt = event.task, event.attempt
            live[name] = attempt
            if plain and task is not None and task.timeout_s is None and none(task):
                found.append(AttemptRequest(task, name, attempt, setting))
            else:
                made = self._request(event)
                if made is not None:
                    found.append(made)
        return found

    def _request(self, event: ev.AttemptStarted) -> AttemptRequest | None:
        name, attempt = event.task, event.attempt
        task = self._state.spec(name)
        if self._faults and (failure := self._faults.judge(event, task)) is not None:
            self._injected.add((name, attempt))
            self._report([Outcome((name, attempt), event.at, self._clock.now(), failure=failure)])
            return None
        if task.timeout_s is not None:
            key = (name, attempt)
            self._timers[key] = self._clock.call_at(
                event.at + task.timeout_s, functools.partial(self.stop, key, "timeout")
            )
        try:
            given = self._inputs.of(name, task)
        except BaseException as error:  # noqa: BLE001  # a result that was not kept, a template
            self._unsupplied((name, attempt), error)
            return None
        return AttemptRequest(
            task, name, attempt, self._setting, given.args, given.kwargs, given.command,
            given.index, given.item,
        )  # fmt: skip

    def _unsupplied(self, key: AttemptKey, error: BaseException) -> None:
        now = self._clock.now()
        kind = "LookupError" if isinstance(error, LookupError) else type(error).__name__
        try:
            text = str(error.args[0] if error.args else error)
        except BaseException:  # noqa: BLE001  # of a foreign method
            text = ""
        self._report([Outcome(key, now, now, failure=ev.Failure(kind, text))])

    def never_began(self, event: ev.AttemptStarted) -> None:
        """An attempt that was cancelled in the very turn of its start: it must not begin at all."""
        self._live[event.task] = event.attempt
        key = (event.task, event.attempt)
        self._stopping[key] = "cancelled"
        self._report([Outcome(key, event.at, event.at, cancelled=True)])

    def stop(self, key: AttemptKey, why: str) -> None:
        """Have a live attempt end; `why` is timeout, total_timeout or cancelled."""
        if self._live.get(key[0]) != key[1] or key in self._stopping:
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
        for key in list(self._live.items()):
            self._executor.cancel(key)

    def returned(self, keys: Sequence[AttemptKey]) -> list[AttemptKey]:
        """Attempts that an executor gave back are not live; those among them that were."""
        found = [key for key in keys if self._live.get(key[0]) == key[1]]
        for key in found:
            del self._live[key[0]]
            timer = self._timers.pop(key, None)
            if timer is not None:
                timer.cancel()
        return found

    def close(self) -> None:
        for timer in self._timers.values():
            timer.cancel()

    def ended(self, outcomes: Sequence[Outcome]) -> list[ev.Event]:
        """The events that outcomes are; none for an attempt that was abandoned before."""
        found: list[ev.Event] = []
        live, succeeded = self._live, ev.AttemptSucceeded
        plain, held = not (self._timers or self._stopping), self._results.held
        for outcome in outcomes:
            name, attempt = outcome.key
            if live.get(name) != attempt:
                continue
            del live[name]
            value = outcome.value
            if (
                plain and value is None and outcome.failure is None
                and outcome.exit_code is None and not outcome.cancelled
            ):  # fmt: skip
                if held:
                    self._results.put(name, None)  # in the place of an earlier try's
                found.append(
                    succeeded(
                        at=outcome.finished, task=name, attempt=attempt, started=outcome.started
                    )
                )
            else:
                found.append(self._ended(outcome))
        return found

    def _ended(self, outcome: Outcome) -> ev.Event:
        name, attempt = key = outcome.key
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        why = self._stopping.pop(key, None)
        if outcome.failure is None and not outcome.cancelled:
            return ev.AttemptSucceeded(
                at=outcome.finished, task=name, attempt=attempt, started=outcome.started,
                result=self._results.put(name, outcome.value), exit_code=outcome.exit_code,
            )  # fmt: skip
        return self._failed(outcome, why)

    def _failed(self, outcome: Outcome, why: str | None) -> ev.AttemptFailed:
        task, attempt = outcome.key
        abandoned = outcome.value is _ABANDONED
        failure = outcome.failure or ev.Failure("Cancelled")
        timed_out = why in ("timeout", "total_timeout")
        if timed_out:
            failure = self._timeout(task, total=why == "total_timeout", abandoned=abandoned)
        elif abandoned:
            failure = ev.Failure("Cancelled", self._left_behind(task))
        failure = masked_failure(failure, self._mask)
        injected = outcome.key in self._injected
        self._injected.discard(outcome.key)
        return ev.AttemptFailed(
            at=outcome.finished, task=task, attempt=attempt,
            started=outcome.started or self._started(task), error=failure,
            exit_code=outcome.exit_code, timed_out=timed_out, abandoned=abandoned,
            cancelled=why == "cancelled" or (why is None and outcome.cancelled),
            injected=injected,
        )  # fmt: skip

    def _abandon(self, key: AttemptKey) -> None:
        if self._live.get(key[0]) == key[1]:
            now = self._clock.now()
            self._report([Outcome(key, 0.0, now, cancelled=True, value=_ABANDONED)])

    def _timeout(self, name: str, *, total: bool, abandoned: bool) -> ev.Failure:
        task = self._state.spec(name)
        still = f"; {self._left_behind(name)}" if abandoned else ""
        limit = task.total_timeout_s if total else task.timeout_s
        of = "its timeout over all attempts of" if total else "its timeout of"
        return ev.Failure("TimeoutError", f"took longer than {of} {limit:g} s{still}", kinds=_KINDS)

    def _left_behind(self, name: str) -> str:
        """What is told of an attempt that could not be stopped."""
        function: Any = self._state.spec(name).run
        if function is None:
            return "its processes do not end and may still run"
        if inspect.iscoroutinefunction(function):
            return "it does not let itself be cancelled and still runs"
        return "a synchronous function cannot be killed: its thread still runs"

    def _started(self, name: str) -> float:
        start = self._state.task(name).start
        return start.at if start is not None else self._clock.now()
