"""What people may do to a run, from any thread: it becomes an event on the driver's own.

Each looks at how things stand when it is handled, not when it was asked for: of two answers to a
question that are given at once, the first counts.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from orch_nb.engine.ports import Clock, Executor, Request
from orch_nb.engine.scheduler import Scheduler
from orch_nb.model import event as ev
from orch_nb.model.fold import RunState
from orch_nb.model.status import Status

__all__ = ["Controls"]


class Controls:
    """The driver's side that is turned to people."""

    clock: Clock
    executor: Executor
    scheduler: Scheduler
    state: RunState
    options: ev.RunOptions
    put: Callable[[Any], None]
    unkept: Callable[[Iterable[str]], tuple[str, ...]]
    withdraw: Callable[[], None]

    def cancel(self, task: str | None = None, by: str = "") -> None:
        """Cancel a task, or (None) the run. What undoes a failed run goes on to its end."""

        def event() -> ev.Event | None:
            if not self._known(task) if task is not None else self.scheduler.undoing:
                return None
            self.withdraw()
            return ev.CancelRequested(at=self.clock.now(), task=task, by=by)

        self.put(event)

    def approve(self, task: str, by: str = "", note: str = "") -> None:
        """Approve a gate that waits, or tick a todo item."""
        self.put(functools.partial(self._decision, task, True, by, note))

    def reject(self, task: str, by: str = "", note: str = "") -> None:
        self.put(functools.partial(self._decision, task, False, by, note))

    def retry(self, task: str, by: str = "") -> None:
        """Try a task anew that did not succeed, and what it kept from running. While a failed run
        is being undone nothing is tried anew: ask when it has ended."""
        self.put(functools.partial(self.retry_event, task, by))

    def skip(self, task: str, by: str = "", note: str = "") -> None:
        """Leave a task out that has not succeeded: the rest goes on as if it had, with no result.
        What undoes a failed run is not left out, and while it goes on nothing else is."""
        self.put(functools.partial(self.skip_event, task, by, note))

    def pause(self, by: str = "") -> None:
        """Start no further attempt until `resume`; what runs goes on to its end."""

        def event() -> ev.Event | None:
            self.withdraw()
            paused = self.scheduler.paused
            return None if paused else ev.PauseRequested(at=self.clock.now(), by=by)

        self.put(event)

    def resume(self, by: str = "") -> None:
        """End a pause."""

        def event() -> ev.Event | None:
            return ev.PauseEnded(at=self.clock.now(), by=by) if self.scheduler.paused else None

        self.put(event)

    def set_workers(self, workers: int, by: str = "") -> None:
        """Change how many attempts run at once."""

        def event() -> ev.Event | None:
            if workers < 1 or workers == self.scheduler.options.workers:
                return None
            told = ev.WorkersChanged(at=self.clock.now(), workers=workers, by=by)
            self.executor.start(self.clock, workers)
            return told

        self.put(event)

    def retry_event(self, task: str, by: str = "") -> ev.Event | None:
        if not self._known(task):
            return None
        status = self.scheduler.status(task)
        if not status.ended or status is Status.SUCCEEDED or self.scheduler.undoing:
            return None
        reset = self.scheduler.reset_by_retry(task)
        reset += self.unkept(reset)
        reset = tuple(dict.fromkeys(reset))
        return ev.RetryRequested(at=self.clock.now(), task=task, by=by, reset=reset)

    def skip_event(self, task: str, by: str = "", note: str = "") -> ev.Event | None:
        if not self._known(task) or self.scheduler.undoing or self.scheduler.afterwards(task):
            return None
        if self.scheduler.status(task) in (Status.SUCCEEDED, Status.SKIPPED):
            return None
        self.withdraw()
        reset = self.scheduler.reset_by_skip(task)
        reset += self.unkept([name for name in reset if name != task])
        reset = tuple(dict.fromkeys(reset))
        return ev.SkipRequested(at=self.clock.now(), task=task, by=by, note=note, reset=reset)

    def _known(self, task: str) -> bool:
        return task in self.state.tasks or task in self.state.derived

    def _decision(self, task: str, approved: bool, by: str, note: str) -> ev.Event | None:
        if not self._known(task) or self.scheduler.status(task) is not Status.WAITING:
            return None
        return ev.Decided(at=self.clock.now(), task=task, approved=approved, by=by, note=note)

    def take(self, request: Request) -> None:
        """What somebody asked for from another process."""
        number = request.note.strip()
        actions: Mapping[str, Callable[[], None]] = {
            "approve": lambda: self.approve(request.task or "", request.by, request.note),
            "reject": lambda: self.reject(request.task or "", request.by, request.note),
            "cancel": lambda: self.cancel(request.task, request.by),
            "retry": lambda: self.retry(request.task or "", request.by),
            "skip": lambda: self.skip(request.task or "", request.by, request.note),
            "pause": lambda: self.pause(request.by),
            "resume": lambda: self.resume(request.by),
            "workers": lambda: self.set_workers(int(number), request.by),
        }
        if request.verb in actions and (request.verb != "workers" or number.isdigit()):
            actions[request.verb]()
