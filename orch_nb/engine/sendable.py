"""What of a plan can go to a system that owns its runs: names and plain values, and no secrets."""

from __future__ import annotations

from types import FunctionType

from orch_nb.errors import PlanError, Problem
from orch_nb.model.masked import masked, unrunnable
from orch_nb.model.plan import Plan
from orch_nb.model.secrets import Mask
from orch_nb.model.task import Call, Task, callable_name

__all__ = ["check_sendable"]


def check_sendable(plan: Plan, mask: Mask) -> None:
    """Raises PlanError for what a worker elsewhere could not do: a function that has no name there,
    a secret that would stand in the history of another system."""
    named = [(task.id, task.run) for task in _every_action(plan) if task.run is not None]
    for task in plan.tasks:
        over = None if task.foreach is None else task.foreach.over
        calls = [call for call in (task.when, over) if isinstance(call, Call)]
        named += [(task.id, call.function) for call in calls]
    problems = []
    for task_id, function in named:
        module, _, name = callable_name(function).partition(":")
        if module == "__main__" or not name or "<" in name:
            own = "a function of this notebook or script"
            if type(function) is not FunctionType and module != "__main__":
                own = "an object that no module has under a name"
            problems.append(Problem(
                f"`{task_id}` runs `{name or module}`, {own}.",
                task=task_id, hint="A worker elsewhere knows functions by `module:function`: "
                "put it into a module that is installed there, or into a file where the worker was "
                "started (in a notebook: `%%writefile tasks.py` above it, then `tasks:function`).",
            ))  # fmt: skip
    told = unrunnable(masked(plan, mask))
    problems += [
        Problem(
            f"{f'task `{task}`' if task else 'a parameter'} has a secret in it, {how}.", task=task,
            hint="Another system's history would keep it: let the task read it from the "
            "environment of its worker.",
        )
        for task, how in told.items()
    ]  # fmt: skip
    if problems:
        raise PlanError(problems)


def _every_action(plan: Plan) -> list[Task]:
    """The tasks of a plan, what undoes them, and what runs at last."""
    undo = [task.compensate for task in plan.tasks if task.compensate is not None]
    return [*plan.tasks, *undo, *([] if plan.on_failure is None else [plan.on_failure])]
