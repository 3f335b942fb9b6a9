"""A driver without a loop, a clock or a journal: turns of scheduler and fold, and their laws."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from orch_nb.engine.acts import Elapsed, Go, Overdue, Stop, Tick, Unanswered
from orch_nb.engine.scheduler import Scheduler
from orch_nb.graph import topology
from orch_nb.model import event as ev
from orch_nb.model.fold import RunState
from orch_nb.model.plan import Plan
from orch_nb.model.status import Status

from ..servers import node_folder, script  # noqa: TID252 (tests are no package)
from .airflow_rules import verdict

__all__ = ["Turns", "node_folder", "script", "turns"]


class Turns:
    """Feeds events to a scheduler as the driver does, a turn at a time, and keeps what came of it.

    After every turn the laws hold that no order of events may break (see `_law`).
    """

    def __init__(
        self,
        plan: Plan,
        *,
        workers: int = 8,
        interactive: bool = False,
        approve: Sequence[str] = (),
        history: Sequence[ev.Event] = (),
    ) -> None:
        self.plan, self.now = plan, 100.0
        self.workers = workers
        self.options = ev.RunOptions(
            workers=workers, interactive=interactive, approve=tuple(approve)
        )
        self.scheduler, self.state = Scheduler(plan), RunState()
        self.events: list[ev.Event] = []
        self.stops: list[Stop] = []
        self.running: dict[str, int] = {}
        self.ended: dict[str, Status] = {}
        self.tried: set[str] = set()  # failed at least once since they were last pending
        self.reset: set[str] = set()  # by people, in this turn
        self.up = topology.upstream(plan)
        if history:
            for event in history:
                self._record(event)
                self.scheduler.observe(event)
            lost = [
                ev.AttemptLost(at=self.now, task=task, attempt=attempt)
                for task, attempt in self.scheduler.in_flight()
            ]
            self.turn(*lost, ev.RunResumed(at=self.now, options=self.options))
        else:
            self.turn(ev.RunStarted(at=self.now, run_id="r", plan=plan, options=self.options))

    def turn(self, *happened: Any) -> list[ev.Event]:
        """Handle what happened and all that follows; the events of this turn, in order."""
        batch: list[ev.Event] = []
        self.reset = set()
        for item in happened:
            unrecorded = type(item) in (Elapsed, Overdue, Unanswered, Tick, Go)
            told = [] if unrecorded else [item]
            for event in [*told, *self.scheduler.handle(item)]:
                self._record(event)
                batch.append(event)
        while True:
            begun = self.scheduler.fill(self.now)
            ends = self.scheduler.conclude(self.now)
            for event in [*begun, *ends]:
                self._record(event)
                batch.append(event)
            if ends or not (self.scheduler.idle and self.scheduler.ready and not begun):
                break
        acts, self.scheduler.acts = self.scheduler.acts, []
        self.stops = [act for act in acts if isinstance(act, Stop)]
        for task in self.plan.tasks:
            ours, theirs = self.state.tasks[task.id].status, self.scheduler.status(task.id)
            # Ready is no event: the fold shows what the task was before.
            assert ours == theirs or (
                theirs is Status.READY and ours in (Status.PENDING, Status.BACKING_OFF)
            )
        return batch

    def _record(self, event: ev.Event) -> None:
        self._law(event)
        self.events.append(event)
        self.state.apply(event)
        task = getattr(event, "task", None)
        if isinstance(event, ev.AttemptStarted):
            self.running[event.task] = event.attempt
        elif isinstance(event, (ev.AttemptSucceeded, ev.AttemptFailed, ev.AttemptLost)):
            del self.running[event.task]
        if isinstance(event, ev.AttemptFailed):
            self.tried.add(event.task)
        if isinstance(event, ev.AttemptSucceeded):
            self.ended[event.task] = Status.SUCCEEDED
        elif isinstance(event, ev.TaskEnded):
            self.ended[event.task] = event.status
        elif isinstance(event, ev.RetryRequested):
            for name in event.reset or (task,):
                self.ended.pop(name, None)
                self.tried.discard(name)
                self.reset.add(name)

    def _law(self, event: ev.Event) -> None:
        if isinstance(event, ev.AttemptStarted):
            assert event.task not in self.ended, f"{event.task} starts after its end"
            assert event.task not in self.running, f"{event.task} runs already"
            assert len(self.running) < self.workers, "more attempts than workers"
            settled = event.task not in self.tried and not self.reset & set(self.up[event.task])
            if settled:  # an upstream that is tried anew stops neither a next attempt nor this turn
                upstream = [self.ended.get(other) for other in self.up[event.task]]
                assert verdict(self.plan[event.task].trigger, upstream) == "run"
        elif isinstance(event, (ev.TaskEnded, ev.AttemptSucceeded)):
            assert event.task not in self.ended, f"{event.task} ends twice"
        elif isinstance(event, ev.RunEnded):
            assert not self.running, "the run ends while attempts run"

    # -- what executors, timers and people say

    def succeed(self, task: str) -> ev.Event:
        return ev.AttemptSucceeded(
            at=self.now, task=task, attempt=self.running[task], started=self.now
        )

    def fail(self, task: str, kind: str = "ValueError", **fields: Any) -> ev.Event:
        return ev.AttemptFailed(
            at=self.now, task=task, attempt=self.running[task], started=self.now,
            error=ev.Failure(kind, kinds=(kind, "Exception")), **fields,
        )  # fmt: skip

    def elapsed(self, task: str) -> Elapsed:
        self.now = max(self.now, self.scheduler.until[self.scheduler.index[task]])
        return Elapsed(self.now, task)

    def cancel(self, task: str | None = None) -> ev.Event:
        return ev.CancelRequested(at=self.now, task=task)

    def decide(self, task: str, approved: bool = True) -> ev.Event:
        return ev.Decided(at=self.now, task=task, approved=approved)

    def retry(self, task: str) -> ev.Event:
        reset = self.scheduler.reset_by_retry(task)
        return ev.RetryRequested(at=self.now, task=task, reset=reset)

    # -- what became of it

    def status(self, task: str) -> Status:
        return self.scheduler.status(task)

    @property
    def statuses(self) -> dict[str, str]:
        return {task.id: self.status(task.id).value for task in self.plan.tasks}

    @property
    def outcome(self) -> str | None:
        """How the run ended; None while it goes on."""
        last = self.events[-1]
        return last.status.value if isinstance(last, ev.RunEnded) else None


@pytest.fixture
def turns() -> type[Turns]:
    return Turns
