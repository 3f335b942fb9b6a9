"""A plan as it may be seen: the same tasks, with no secret in what they say.

    masked(plan, mask)   its twin: what is journaled, shown and reported; `plan` itself where there
                         is nothing to mask, which is nearly always
    whole(twin)          the plan behind a twin, in the process that made it; else the twin

A twin runs nothing: a command in which a secret has been replaced is another command. In the
process that made it the plan behind it is known, so that a run's own `plan` can be executed or
recovered with; of a twin that was read from a journal `unrunnable` says which task misses what.

Ids and names are never masked, since plans refer by them.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from typing import Any

import msgspec
from msgspec.structs import force_setattr, replace

from orch_nb.model.event import Failure
from orch_nb.model.plan import Plan
from orch_nb.model.secrets import Mask, marked
from orch_nb.model.task import Call, Task

__all__ = ["masked", "masked_failure", "unrunnable", "whole"]

_WHOLE = "_whole"  # where a twin has the plan behind it; no field, so it is in no document
#: What names a thing, and what is no text of a person's.
_NAMES = frozenset(
    {
        "id",
        "story",
        "parent",
        "run",
        "needs",
        "pool",
        "trigger",
        "tasks",
        "secrets",
        "estimate_range_s",
    }
)
_RUN = attrgetter("run")
_TOLD = [attrgetter(name) for name in ("with_", "description", "title")]
_SPECIAL = [attrgetter(name) for name in ("when", "foreach", "compensate")]


def _says(plan: Plan, plain: bool = False) -> bool:
    """Whether its tasks say anything of which a part could be secret. Functions do not."""
    found = plan.__dict__.get("_says")
    if found is None:
        tasks = plan.tasks
        found = any(any(map(told, tasks)) for told in _TOLD)
        if not (found or plain):
            found = not all(map(_RUN, tasks)) or any(any(map(one, tasks)) for one in _SPECIAL)
        plan.__dict__["_says"] = found
    return bool(found)


def masked(plan: Plan, mask: Mask, *, plain: bool = False) -> Plan:
    """The plan as it may be seen; `plan` itself if nothing in it is to be masked. `plain`: it is
    known that all its tasks are functions, without `when`, `foreach` and `compensate`."""
    tasks = plan.tasks
    if _says(plan, plain):
        seen = tuple([_seen(task, mask) for task in tasks])
        if any(new is not old for new, old in zip(seen, tasks, strict=True)):
            tasks = seen
    changed = _changes(plan, mask)
    if tasks is plan.tasks and not changed:
        return plan
    twin = replace(plan, tasks=tasks, **changed)
    twin.__dict__[_WHOLE] = whole(plan)
    return twin


def whole(plan: Plan) -> Plan:
    """The plan that a twin was made from, where this process knows it."""
    found: Plan = plan.__dict__.get(_WHOLE, plan)
    return found


def _changes(value: msgspec.Struct, mask: Mask) -> dict[str, Any]:
    """The fields of a value that are others when they are masked."""
    found = {}
    for name in value.__struct_fields__:
        if name not in _NAMES:
            old = getattr(value, name)
            new = _seen(old, mask)
            if new is not old:
                found[name] = new
    return found


def _seen(value: Any, mask: Mask) -> Any:
    if value is None or isinstance(value, (bool, int, float, Call)):
        return value
    if isinstance(value, msgspec.Struct):
        changed = _changes(value, mask)
        if not changed:
            return value
        made = replace(value, **changed)
        if isinstance(made, Task) and isinstance(value, Task) and made.id != value.id:
            force_setattr(made, "id", value.id)
        return made
    if isinstance(value, tuple) and any(isinstance(one, msgspec.Struct) for one in value):
        items = [_seen(one, mask) for one in value]
        same = all(new is old for new, old in zip(items, value, strict=True))
        return value if same else tuple(items)
    return mask.value(value)


def unrunnable(plan: Plan) -> dict[str, str]:
    """The tasks of which a secret is missing in what they do, each with its mark; under "" the
    plan's parameters."""
    found: dict[str, str] = {}
    params = _mark_in(plan.params)
    if params:
        found[""] = params
    tasks = plan.tasks if plan.on_failure is None else (*plan.tasks, plan.on_failure)
    if _says(plan) or plan.on_failure is not None:
        for task in tasks:
            told = _mark_in(_deeds(task))
            if told:
                found[task.id] = told
    return found


def _deeds(task: Task) -> tuple[Any, ...]:
    """What of a task is done, not only told."""
    undo = () if task.compensate is None else _deeds(task.compensate)
    over = None if task.foreach is None else task.foreach.over
    when = task.when if isinstance(task.when, str) else None
    return (task.sh, task.with_, task.notebook, over, when, task.outputs, *undo)


def _mark_in(value: Any) -> str:
    if isinstance(value, str):
        return marked(value)
    if isinstance(value, Mapping):
        return next(filter(None, map(_mark_in, value.values())), "")
    if isinstance(value, (list, tuple)):
        return next(filter(None, map(_mark_in, value)), "")
    return ""


def masked_failure(failure: Failure, mask: Mask) -> Failure:
    """A failure as it may be seen."""
    message, traceback = mask.shown(failure.message), mask.shown(failure.traceback)
    if message == failure.message and traceback == failure.traceback:
        return failure
    return replace(failure, message=message, traceback=traceback)
