"""From pending to ready: what a task that may run has to pass first, and how it may end instead.

pending ─ trigger rule ─► (ask: when, foreach, kept result) ─► person? milestone? ─► ready
                └► skipped, upstream_failed
"""

from __future__ import annotations

from orch_nb.engine import waits
from orch_nb.engine.acts import Arm, Ask, Unanswered
from orch_nb.engine.board import Board
from orch_nb.engine.states import (
    ASKING,
    CANCELLED,
    DERIVED,
    FAILED,
    MEMBER,
    PASSED,
    PENDING,
    PRELUDE,
    SKIPPED,
    STATUSES,
    SUCCEEDED,
    UPSTREAM_FAILED,
    WAITING,
)
from orch_nb.engine.trigger import Verdict, judge
from orch_nb.model import event as ev

__all__ = ["Admission"]


class Admission(Board):
    """Decisions about tasks that do not run yet."""

    def _settle(self, at: float, out: list[ev.Event]) -> None:
        """Look at what hangs on what has ended, first come first."""
        while self.todo:
            n = self.todo.popleft()
            if self.states[n] == PENDING and not self.flags[n] & DERIVED:
                self._consider(n, at, out)

    def _consider(self, n: int, at: float, out: list[ev.Event]) -> None:
        if n in self.passing:
            self.close(n, at, PASSED, self.left_out(n), out)
            return
        if self.cancelling or n in self.cancelled:
            self.close(n, at, CANCELLED, f"cancelled{self.because(n)}", out)
            return
        total, left = len(self.up[n]), self.left[n]
        skipped, failed, unreached = self.odd.get(n, (0, 0, 0))
        succeeded = total - left - skipped - failed - unreached
        trigger = self.tasks[n].trigger
        verdict = judge(trigger, total, succeeded, skipped, failed, unreached)
        if verdict is Verdict.RUN or self.flags[n] & MEMBER:
            self._proceed(n, at, out)
        elif verdict is Verdict.UPSTREAM_FAILED:
            cause = self._first_that(n, FAILED, CANCELLED, UPSTREAM_FAILED)
            how = self.status(cause).value.replace("_", " ") if cause else ""
            reason = (
                f"needs {cause}, which ended {how}" if cause else "none of what it needs succeeded"
            )
            self.close(n, at, UPSTREAM_FAILED, reason, out, cause)
        elif verdict is Verdict.SKIP:
            cause = self._first_that(n, SKIPPED)
            reason = f"needs {cause}, which was skipped" if cause else waits.unmet(trigger)
            self.close(n, at, SKIPPED, reason, out, cause)

    def _first_that(self, n: int, *statuses: int) -> str | None:
        found = (self.ids[other] for other in self.up[n] if self.states[other] in statuses)
        return next(found, None)

    def _proceed(self, n: int, at: float, out: list[ev.Event]) -> None:
        """The trigger rule lets `n` run: before its first attempt there may be questions."""
        if self.flags[n] & PRELUDE and (self.flags[n] & MEMBER or not self.tries[n]):
            self.states[n] = ASKING
            self.asking_now += 1
            self.acts.append(Ask(self.ids[n]))
        else:
            self._admit(n, at, out)

    def _admit(self, n: int, at: float, out: list[ev.Event]) -> None:
        task = self.tasks[n]
        if task.waits_for_person:
            self._ask(n, at, out)
        elif task.kind == "milestone":
            self.close(n, at, SUCCEEDED, "", out)
        else:
            self.make_ready(n, at)

    def _ask(self, n: int, at: float, out: list[ev.Event], *, again: bool = False) -> None:
        """A task that waits for a person: the answer, if it is known already, else the question."""
        task = self.tasks[n]
        gate = task.approval
        default = gate.default if gate is not None and not self.options.interactive else None
        if task.id in self.options.approve or default is not None:
            approved = default == "approve" or task.id in self.options.approve
            by = "--approve" if task.id in self.options.approve else "default"
            self.states[n] = WAITING
            told = ev.Decided(at=at, task=task.id, approved=approved, by=by)
            out.append(told)
            self._decided(told, out)
            return
        if again:
            if gate is not None and gate.timeout_s is not None and n in self.until:
                self.acts.append(Arm(self.until[n], Unanswered, task.id))
                self._unanswered(Unanswered(at, task.id), out)
            return
        until = at + gate.timeout_s if gate is not None and gate.timeout_s is not None else None
        prompt = gate.prompt if gate is not None else task.todo or ""
        told_waiting = ev.Waiting(at=at, task=task.id, prompt=prompt, until=until)
        self._on_waiting(told_waiting)
        if until is not None:
            self.acts.append(Arm(until, Unanswered, task.id))
        out.append(told_waiting)

    def close(
        self, n: int, at: float, status: int, reason: str, out: list[ev.Event],
        cause: str | None = None,
    ) -> None:  # fmt: skip
        """Task `n` ends by this decision."""
        out.append(
            ev.TaskEnded(
                at=at, task=self.ids[n], status=STATUSES[status], reason=reason, cause=cause
            )
        )
        self._end(n, status, at, out)

    def because(self, n: int) -> str:
        """Why, or by whom, `n` is cancelled, as the end of a sentence."""
        by = self._by.get(n, "") if n in self.cancelled else ""
        if not (by or self._cause):
            by = self._by.get(None, "")
        if by:
            return f" by {by}"
        if self._cause == "timeout":
            return f": the run took longer than {self.options.timeout_s or 0:g} s"
        return ": fail-fast" if self._cause else ""

    def left_out(self, n: int) -> str:
        """Who skips `n`, and why, in words."""
        told = self.passing[n]
        note = f": {told.note}" if told.note else ""
        return f"skipped by {told.by or 'a person'}{note}"

    def _decided(self, event: ev.Decided, out: list[ev.Event]) -> None:
        n = self.index[event.task]
        if self.states[n] != WAITING:
            return
        by = f" by {event.by}" if event.by else ""
        note = f": {event.note}" if event.note else ""
        if event.approved:
            word = "approved" if self.tasks[n].approval is not None else "done"
            self.close(n, event.at, SUCCEEDED, f"{word}{by}{note}", out)
        else:
            self.close(n, event.at, FAILED, f"rejected{by}{note}", out)

    def _unanswered(self, event: Unanswered, out: list[ev.Event]) -> None:
        n = self.index[event.task]
        gate = self.tasks[n].approval
        if self.states[n] != WAITING or gate is None or self.until.get(n, 0.0) > event.at:
            return
        if gate.default is None:
            reason = f"nobody answered within {gate.timeout_s:g} s"
            self.close(n, event.at, FAILED, reason, out)
            return
        told = ev.Decided(
            at=event.at, task=event.task, approved=gate.default == "approve", by="timeout"
        )
        out.append(told)
        self._decided(told, out)
