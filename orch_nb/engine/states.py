"""How the scheduler writes down a task's state and what is special about it: small integers.

Everything after EXPANDED is an end. What is special about a task is looked at only where a bit says
so: a plain function has none set, and costs nothing for what others can do.
"""

from __future__ import annotations

from orch_nb.model.status import Status
from orch_nb.model.task import Task, TriggerRule

__all__ = ["CODES", "STATUSES", "cached", "features"]

PENDING, ASKING, READY, RUNNING, FAILING, BACKING_OFF, WAITING, EXPANDED = range(8)
SUCCEEDED, FAILED, SKIPPED, UPSTREAM_FAILED, CANCELLED, COMPENSATED = range(8, 14)
PASSED = 14  #: skipped by a person: to what waits for it, a success

#: What each is to everybody else.
STATUSES = [
    Status.PENDING, Status.PENDING, Status.READY, Status.RUNNING, Status.RUNNING,
    Status.BACKING_OFF, Status.WAITING, Status.RUNNING, Status.SUCCEEDED, Status.FAILED,
    Status.SKIPPED, Status.UPSTREAM_FAILED, Status.CANCELLED, Status.COMPENSATED, Status.SKIPPED,
]  # fmt: skip
CODES = {STATUSES[code]: code for code in range(SUCCEEDED, PASSED)}

SPECIAL = 1  #: it does not simply become ready: a question, a person, a milestone
PRELUDE = 2  #: `when`, `foreach` or `cache` come before its first attempt
LIMITED = 4  #: it holds slots of a pool while it runs
STAYS = 8  #: it is given to an executor only when it can run at once
MEMBER = 16  #: an instance of a `foreach` task
SAGA = 32  #: it has a compensation
DERIVED = 64  #: it is a compensation, or what runs when the run has failed
TIMED = 128  #: it has a time over all attempts
EAGER = 256  #: its trigger rule is not simply met when all of its upstream has succeeded

FANS_OUT = 512  #: it becomes instances

_EARLY = frozenset(
    {
        TriggerRule.ALL_FAILED, TriggerRule.ALL_SKIPPED, TriggerRule.ONE_FAILED,
        TriggerRule.ONE_SUCCESS, TriggerRule.ONE_DONE, TriggerRule.ALWAYS,
    }
)  # fmt: skip
_QUICK_S = 0.01


def features(task: Task) -> int:
    """The bits of a task. A plain function is by far the most frequent and has its own line."""
    if (
        task.run is not None and task.timeout_s is None and task.estimate_s is None
        and task.when is None and task.foreach is None and task.pool is None
        and task.trigger is TriggerRule.ALL_SUCCESS and not task.cache
        and task.compensate is None and task.total_timeout_s is None
    ):  # fmt: skip
        return 0
    return _features(task)


def _features(task: Task) -> int:
    found = 0
    if task.run is None:
        found |= STAYS
        if task.sh is None and task.notebook is None:
            found |= SPECIAL
    elif task.timeout_s is not None or (task.estimate_s or 0.0) > _QUICK_S:
        found |= STAYS
    if task.when is not None or task.foreach is not None:
        found |= PRELUDE | SPECIAL
    if task.foreach is not None:
        found |= FANS_OUT
    if task.cache:
        found |= cached(task)
    if task.pool:
        found |= LIMITED | STAYS
    if task.compensate is not None:
        found |= SAGA
    if task.total_timeout_s is not None:
        found |= TIMED | STAYS
    if task.trigger in _EARLY:
        found |= EAGER
    return found


def cached(task: Task) -> int:
    """The bits of a task that uses kept results."""
    works = not task.waits_for_person and task.kind != "milestone"
    return PRELUDE | SPECIAL if works and task.compensate is None else 0
