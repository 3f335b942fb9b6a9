"""What runs when a run has failed or was cancelled: compensations, then the plan's `on_failure`.

    book ✓ ─► pay ✓ ─► ship ✗          compensate(pay) ─► compensate(book) ─► on_failure ─► the end

Compensations run one after another, in reverse order of completion (Garcia-Molina and Salem 1987,
"Sagas"), each with its own retries; one that fails for good does not keep the others from running.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from orch_nb.engine.states import (
    COMPENSATED,
    DERIVED,
    EXPANDED,
    LIMITED,
    PENDING,
    READY,
    STAYS,
    SUCCEEDED,
    TIMED,
)
from orch_nb.model.status import RunStatus
from orch_nb.model.task import Task

if TYPE_CHECKING:
    from orch_nb.engine.board import Board

__all__ = ["Saga"]


class Saga:
    """The end of one run: who is undone, in which order, and what is called at last."""

    def __init__(self, board: Board, *, undoes: bool) -> None:
        self._mind: Any = board  # its lists are this one's too
        self.verdict: RunStatus | None = None
        self._order: list[int] = []
        self._next = 0
        self._undo: dict[int, int] = {}
        self._of: dict[int, int] = {}
        self._last: int | None = None
        self._under_way: int | None = None
        plan = board.plan
        for n, task in enumerate(plan.tasks if undoes else ()):
            if task.compensate is not None:
                self._undo[n] = self._add(task.compensate)
                self._of[self._undo[n]] = n
        if plan.on_failure is not None:
            self._last = self._add(plan.on_failure)

    def _add(self, task: Task) -> int:
        mind = self._mind
        n = len(mind.ids)
        mind.ids.append(task.id)
        mind.index[task.id] = n
        mind.tasks.append(task)
        flags = DERIVED | STAYS | (TIMED if task.total_timeout_s is not None else 0)
        if task.pool and mind.limits.want(n, task.pool):
            flags |= LIMITED
        for values, value in (
            (mind.up, ()), (mind.down, ()), (mind.left, 0), (mind.states, PENDING),
            (mind.since, 0.0), (mind.tries, 0), (mind.keys, n), (mind.flags, flags),
        ):  # fmt: skip
            values.append(value)
        return n

    def completed(self, n: int) -> None:
        self._order.append(n)

    def ended(self, n: int, status: int) -> None:
        """A compensation, or `on_failure`, has ended."""
        origin = self._of.get(n)
        if origin is not None and status == SUCCEEDED:
            self._mind.states[origin] = COMPENSATED

    def undone(self) -> list[int]:
        return [n for n in self._undo if self._mind.states[n] == COMPENSATED]

    def resume(self) -> None:
        """A new process goes on: with the next that has not ended, if the saga was under way."""
        self.verdict = None
        states = self._mind.states
        self._under_way = next((n for n in self._all() if PENDING < states[n] <= EXPANDED), None)

    def _all(self) -> list[int]:
        return [*self._of, *([] if self._last is None else [self._last])]

    def reopen(self, reset: Iterable[int]) -> None:
        """The run goes on: what there is to undo at its end is judged anew. Where only what undoes
        is tried anew the run itself stays as it ended: then the rest of its end has been."""
        self.verdict = None
        chosen = {*reset}
        alone = chosen.issubset(self._all())
        for n in self._all():
            if self._mind.states[n] > EXPANDED and (n in chosen or not alone):
                self._mind.states[n] = PENDING
                self._mind.forget(n)

    def goes_on(self, at: float) -> bool:
        """Whether something of the saga is left to run: then it is ready now."""
        if not self._undo and self._last is None:
            return False
        mind = self._mind
        if self.verdict is None:
            self.verdict, self._next = mind.verdict(), len(self._order)
        if self.verdict not in (RunStatus.FAILED, RunStatus.CANCELLED):
            return False
        if self._under_way is not None and mind.states[self._under_way] == READY:
            return True  # it is held up by a pause
        while self._next:
            self._next -= 1
            n = self._order[self._next]
            if mind.states[n] == SUCCEEDED and mind.states[self._undo[n]] == PENDING:
                self._under_way = self._undo[n]
                mind.make_ready(self._under_way, at)
                return True
        last = self._last
        if last is None or self.verdict is not RunStatus.FAILED or mind.states[last] != PENDING:
            return False
        self._under_way = last
        mind.make_ready(last, at)
        return True
