"""What a plan says and a flow does not do."""

from __future__ import annotations

from collections.abc import Iterator

from orch_nb.graph.topology import downstream, upstream
from orch_nb.model.plan import Plan
from orch_nb.model.task import RetryPolicy, Task, TriggerRule
from orch_nb.model.translation import Loss

__all__ = ["losses"]

_ANYWAY = {TriggerRule.ALL_DONE, TriggerRule.ALWAYS, TriggerRule.NONE_SKIPPED, TriggerRule.ONE_DONE}


def losses(plan: Plan, root: str, made: bool) -> tuple[Loss, ...]:
    """All of it; `root` is the flow's last job, `made` where the export put it there."""
    found = []
    if made:
        why = f"the plan has several ends: `{root}` is put after them, does nothing, and is no task"
        found.append(Loss("root", why, severity="changed"))
    if plan.pools:
        why = f"{', '.join(plan.pools)}: give the worker of a queue a `concurrency` or `limiter`"
        found.append(Loss("pools", why))
    if plan.on_failure is not None:
        found.append(Loss("on_failure", "nothing runs when the flow has failed"))
    if plan.criteria:
        found.append(Loss("criteria", "a flow has none"))
    if plan.secrets:
        found.append(Loss("secrets", "what jobs log and return stands in Redis as it is"))
    for task in plan.tasks:
        found += _of(plan, task, root, made)
    return tuple(found)


def _is_ignored(plan: Plan, task: Task, made: bool) -> bool:
    """Whether the flow's end may complete though a required task has failed: what waits for it, and
    fails with it, is ignored. What is required on the way there is told of itself."""
    after = downstream(plan)
    while after[task.id]:
        parent = plan[after[task.id][0]]
        if parent.trigger in _ANYWAY:
            return True
        if parent.required:
            return False
        task = parent
    return made and not task.required


def _of(plan: Plan, task: Task, root: str, made: bool) -> Iterator[Loss]:
    needs, after = upstream(plan)[task.id], downstream(plan)[task.id]
    if needs and task.trigger in (TriggerRule.ALWAYS, TriggerRule.ONE_DONE):
        why = "it starts when all it needs has ended, not before"
        yield Loss("trigger", why, task.id, severity="changed")
    rule = plan[after[0]].trigger if after else None
    anyway = rule in _ANYWAY
    if task.required and _is_ignored(plan, task, made):
        why = f"if it fails the flow's `{root}` may complete all the same; here the run has failed"
        yield Loss("required", why, task.id, severity="changed")
    if not task.required and (not after or not anyway) and task.id != root and after:
        why = "if it fails so does its parent, up to the flow's end, as here; the run here may not"
        yield Loss("required", why, task.id, severity="changed")
    if not task.required and task.id == root:
        why = f"`{root}` is the flow's end: if it fails, the flow has failed"
        yield Loss("required", why, task.id, severity="changed")
    if task.compensate is not None:
        yield Loss("compensate", "nothing is undone when the flow fails", task.id)
    if task.pool:
        yield Loss("pool", "a worker's concurrency is the only limit", task.id)
    for what, why in (
        ("timeout_s", "a job has no timeout: its worker would have to end it"),
        ("total_timeout_s", "a job has no time over all attempts"),
        ("cache", "the job runs whatever was there before"),
        ("outputs", "the worker would have to look for the files"),
        ("check", "the worker would have to look at the result"),
    ):
        if getattr(task, what):
            yield Loss(what.removesuffix("_s"), why, task.id)
    yield from _tries(task.id, task.retry)


def _tries(task: str, policy: RetryPolicy) -> Iterator[Loss]:
    if policy.maximum_attempts == 1:
        return
    if policy.jitter and policy.initial_interval_s:
        yield Loss("jitter", "each wait is the one in the middle", task, severity="changed")
    if policy.backoff_coefficient not in (1, 2):
        why = f"each wait is twice the one before it, not {policy.backoff_coefficient:g} times"
        yield Loss("backoff_coefficient", why, task, severity="changed")
    if policy.non_retryable or policy.retry_on:
        why = "every error is tried again, unless the worker throws UnrecoverableError"
        yield Loss("non_retryable", why, task)
    most = policy.maximum_interval_s
    if most is None:
        most = policy.initial_interval_s * 100
    factor = 1 if policy.backoff_coefficient == 1 else 2
    if policy.initial_interval_s * factor ** min(policy.maximum_attempts - 2, 60) > most:
        why = f"waits grow beyond {most:g} s"
        yield Loss("maximum_interval", why, task, severity="changed")
