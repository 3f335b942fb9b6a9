"""What a task waits for, in words: every wait is shown as what it waits for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from orch_nb.engine.states import ASKING, BACKING_OFF, EXPANDED, PENDING, READY, WAITING
from orch_nb.model.task import TriggerRule

if TYPE_CHECKING:
    from orch_nb.engine.board import Board

__all__ = ["reason", "unmet"]

_MANY = 3
_UNMET = {
    TriggerRule.ALL_FAILED: "not everything that it needs failed",
    TriggerRule.ONE_FAILED: "nothing failed",
    TriggerRule.ALL_SKIPPED: "not everything that it needs was skipped",
    TriggerRule.ONE_DONE: "nothing of what it needs ran",
}


def unmet(trigger: TriggerRule) -> str:
    """Why a task was skipped that no skipped task kept from running."""
    return _UNMET.get(trigger, "its trigger rule cannot be met")


def reason(board: Board, n: int, at: float) -> str:
    """What task `n` waits for at `at`; empty if it does not wait."""
    mind: Any = board
    status = mind.states[n]
    if mind.paused and status in (READY, BACKING_OFF):
        return "the run is paused"
    tell = _TOLD.get(status)
    return tell(mind, n, at) if tell is not None else ""


def _ready(mind: Any, n: int, at: float) -> str:
    limit = mind.limits.holder(n)
    if limit is not None:
        return f"waits for {limit.busy()}"
    return f"waits for a worker ({mind.running} of {mind.options.workers} busy)"


def _person(mind: Any, n: int, at: float) -> str:
    left = f", {max(0.0, mind.until[n] - at):.3g} s more" if n in mind.until else ""
    return f"waits for a person{left}"


def _upstream(mind: Any, n: int, at: float) -> str:
    names = [mind.ids[other] for other in mind.up[n] if mind.states[other] <= EXPANDED]
    more = f" and {len(names) - _MANY} more" if len(names) > _MANY else ""
    return f"waits for {', '.join(names[:_MANY])}{more}" if names else "can start"


_TOLD: dict[int, Callable[[Any, int, float], str]] = {
    PENDING: _upstream,
    ASKING: lambda mind, n, at: "judging its condition",
    READY: _ready,
    BACKING_OFF: lambda mind, n, at: f"next attempt in {max(0.0, mind.until[n] - at):.3g} s",
    WAITING: _person,
    EXPANDED: lambda mind, n, at: f"{mind.groups.active(n)} of its instances have not ended",
}
