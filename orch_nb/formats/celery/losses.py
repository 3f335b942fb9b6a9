"""What a plan says and a canvas does not do."""

from __future__ import annotations

from collections.abc import Iterator

from orch_nb.formats.celery.options import options
from orch_nb.model.plan import Plan
from orch_nb.model.task import Task, TriggerRule
from orch_nb.model.translation import Loss

__all__ = ["losses"]

#: In a canvas a task runs when all before it have succeeded; these come to that or to more.
_EVEN_SO = {
    TriggerRule.ALL_DONE: "after a failure it runs here, and there it does not",
    TriggerRule.ALL_DONE_MIN_ONE_SUCCESS: "after a failure it may run here, and there it does not",
    TriggerRule.NONE_SKIPPED: "after a failure it runs here, and there it does not",
    TriggerRule.ALWAYS: "it runs at once here, and there when all before it have succeeded",
    TriggerRule.ONE_DONE: "it runs after the first end here, there when all have succeeded",
    TriggerRule.ONE_SUCCESS: "it runs after the first success here, there when all have succeeded",
}


def losses(plan: Plan, gathers: int) -> tuple[Loss, ...]:
    """All of it; `gathers` is how often the canvas joins what no task of the plan does."""
    found = [
        Loss("results", "they pass through the broker: JSON has to hold them", severity="note")
    ]
    if gathers:
        why = f"{gathers} times `gather` joins what ran side by side, where no task does"
        found.append(Loss("gather", why, severity="changed"))
    if plan.pools:
        found.append(Loss("pools", "a worker's concurrency and rate_limit are the only limits"))
    if plan.criteria:
        found.append(Loss("criteria", "a canvas has none"))
    if plan.stories:
        found.append(Loss("stories", "a canvas has none", severity="note"))
    if plan.secrets:
        found.append(Loss("secrets", "what tasks print there, and their results, are not masked"))
    if plan.on_failure is not None:
        why = "it runs for each task that fails (link_error), and is not told of `failures`"
        found.append(Loss("on_failure", why, severity="changed"))
        found += options(plan.on_failure)[1]
    for task in plan.tasks:
        found += _of(task)
    return tuple(found)


def _of(task: Task) -> Iterator[Loss]:
    if task.needs and task.trigger in _EVEN_SO:
        yield Loss("trigger", _EVEN_SO[task.trigger], task.id, severity="changed")
    if not task.required:
        yield Loss("required", "if it fails, so does the canvas", task.id, severity="changed")
    if task.sh is not None and "ORCH_" in task.sh:
        why = "its variables ORCH_* are not there: it would see empty texts"
        yield Loss("environment", why, task.id)
    for what, why in (
        ("parent", "it waits as a subtask does, and stands for itself"),
        ("compensate", "nothing is undone when the canvas fails"),
        ("pool", "a worker's concurrency is the only limit"),
        ("priority", "each broker has its own: set it where it is sent"),
        ("total_timeout_s", "a task has no time over all attempts"),
        ("cache", "the task runs whatever was there before"),
        ("outputs", "nobody looks for the files"),
        ("check", "nobody looks at the result"),
        ("owner", "a task has none"),
        ("title", "a task is known by its name"),
        ("estimate_s", "a task has none"),
    ):
        if getattr(task, what):
            note = what in ("owner", "title", "estimate_s")
            severity = "note" if note else "dropped"
            yield Loss(what.removesuffix("_s"), why, task.id, severity=severity)
    yield from options(task)[1]
