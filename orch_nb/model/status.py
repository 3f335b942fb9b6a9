"""The states of a task in a run, and of a run."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["RunStatus", "Status"]


class Status(StrEnum):
    """Where a task stands in a run.

    pending → ready → running → succeeded | failed, with backing_off between attempts, waiting on a
    person, skipped by its trigger rule, upstream_failed, cancelled, compensated.
    """

    PENDING = "pending"
    READY = "ready"
    RUNNING = "running"
    BACKING_OFF = "backing_off"
    WAITING = "waiting"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"
    UPSTREAM_FAILED = "upstream_failed"
    CANCELLED = "cancelled"
    COMPENSATED = "compensated"

    @property
    def ended(self) -> bool:
        return self in _ENDED


_ENDED = frozenset(
    {
        Status.SUCCEEDED,
        Status.FAILED,
        Status.SKIPPED,
        Status.UPSTREAM_FAILED,
        Status.CANCELLED,
        Status.COMPENSATED,
    }
)


class RunStatus(StrEnum):
    """How a run stands: running, or how it ended; waiting means that only people are awaited.

    Cut off is one that has not ended and that nobody performs any more: its process has gone.
    """

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    WAITING = "waiting"
    CUT_OFF = "cut_off"
