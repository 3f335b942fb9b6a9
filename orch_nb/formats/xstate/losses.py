"""What a plan says and a machine does not do."""

from __future__ import annotations

from collections.abc import Iterator

from orch_nb.model.plan import Plan
from orch_nb.model.task import Task
from orch_nb.model.translation import Loss

__all__ = ["losses"]


def losses(plan: Plan, names: dict[str, str]) -> tuple[Loss, ...]:
    """All of it. The plan itself stands in the machine's `meta`, and is read from there again."""
    found = []
    if plan.pools:
        found.append(
            Loss("pools", f"a machine has no limits: {', '.join(plan.pools)} bound nothing")
        )
    if plan.criteria:
        found.append(Loss("criteria", "they stand in `meta` only", severity="note"))
    if len(plan.tasks) > 1:
        why = "a machine moves states, not values: who drives it passes the results on"
        found.append(Loss("results", why, severity="note"))
    for task in plan.tasks:
        found += _of(task, names[task.id])
    if plan.on_failure is not None:
        found += _tries(plan.on_failure, "on_failure")
    return tuple(found)


def _of(task: Task, name: str) -> Iterator[Loss]:
    if name != task.id:
        why = f"its states and events are called `{name}`, since its name means more to XState"
        yield Loss("name", why, task.id, severity="changed")
    if task.foreach is not None:
        why = (
            "which instances there are is known when it runs: they are one region, whose DONE says "
            "that enough of them succeeded"
        )
        yield Loss("foreach", why, task.id, severity="changed")
    if task.when is not None:
        why = f"there is no guard: who drives it says {name}.RUN or {name}.SKIP"
        yield Loss("when", why, task.id, severity="changed")
    if task.compensate is not None:
        yield Loss("compensate", "nothing is undone when the run fails", task.id)
    if task.parent is not None:
        why = "it waits as a subtask does, and stands beside its parent"
        yield Loss("parent", why, task.id, severity="changed")
    if task.priority:
        yield Loss("priority", "all that may start does so at once", task.id)
    if task.cache:
        yield Loss("cache", "it is started whatever was there before", task.id)
    for what in ("outputs", "check"):
        if getattr(task, what):
            yield Loss(what, "who drives it looks at what came out", task.id)
    if task.approval is not None and task.approval.default and task.approval.timeout_s is None:
        why = "the machine waits for an answer, however long"
        yield Loss("approval default", why, task.id, severity="changed")
    if task.waits_for_person and (task.total_timeout_s or task.timeout_s):
        yield Loss("timeout", "a person is waited for however long", task.id)
    yield from _tries(task, name)


def _tries(task: Task, name: str) -> Iterator[Loss]:
    policy = task.retry
    if policy.maximum_attempts == 1:
        return
    if task.total_timeout_s and task.retry.maximum_attempts > 1:
        why = "a wait that would outlast it is waited until then: our own engine fails at once"
        yield Loss("total_timeout", why, task.id, severity="note")
    if policy.jitter and policy.initial_interval_s:
        why = "each wait is the one in the middle, always the same"
        yield Loss("jitter", why, task.id, severity="changed")
    if policy.non_retryable or policy.retry_on:
        why = f"an error has no class there: who drives it sends {name}.FATAL where none is retried"
        yield Loss("non_retryable", why, task.id, severity="changed")
