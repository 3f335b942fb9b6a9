"""From the name of a callable to the callable: `run: build_wheel`, `run: package.module:function`.

A name is looked up in the namespace (the notebook's variables), `client.fetch` as an attribute of
what is there, `module:function` by importing the module, and `__main__:name`, as a journal spells a
function of a notebook, in the namespace again. Everything that does not resolve is told at once.

With the callables known, their arguments are checked too: each required parameter is a need, a
`with` or a param of the plan; each `with` is a parameter.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from orch_nb.errors import PlanError, Problem
from orch_nb.graph.nearest import did_you_mean
from orch_nb.graph.validate import Lines, check
from orch_nb.model.plan import Plan, parameters
from orch_nb.model.task import Task

__all__ = ["arguments", "bind", "resolve", "unsupplied"]


def bind(plan: Plan, namespace: Mapping[str, Any]) -> Plan:
    """The plan with every `run` a callable. Raises PlanError with all that is wrong with it."""
    faults = check(plan)
    bound, unknown = resolve(plan, namespace, imports=not faults)
    problems = faults + unknown
    if not problems:  # callables bring needs of their own
        problems = check(bound) + arguments(bound)
    if problems:
        raise PlanError(problems)
    return bound


def resolve(
    plan: Plan, namespace: Mapping[str, Any], lines: Lines | None = None, imports: bool = True
) -> tuple[Plan, list[Problem]]:
    """The plan with the callables that were found, and a problem for each that was not.

    Without `imports`, names that take an import or an attribute stay as they are: that runs code,
    which a plan with other faults must not.
    """
    problems: list[Problem] = []
    tasks: list[Task] = []
    for task in plan.tasks:
        if not isinstance(task.run, str):
            tasks.append(task)
            continue
        try:
            found = _resolved(task.run, namespace, imports)
        except _Unresolved as error:
            line = (lines or {}).get((task.id, "run"))
            message = f"`run` of `{task.id}`: {error}"
            problems.append(Problem(message, line=line, task=task.id, hint=error.hint))
            found = None
        tasks.append(task if found is None else replace(task, run=found))
    return replace(plan, tasks=tuple(tasks)), problems


class _Unresolved(Exception):
    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def _resolved(name: str, namespace: Mapping[str, Any], imports: bool) -> Any:
    module, colon, path = name.partition(":")
    if not colon:
        module, path = "", name
    if "<" in path:
        raise _Unresolved(f"`{name}` was made inside of a function and has no name of its own.",
                          "Hand in the plan with the function itself.")  # fmt: skip
    parts = path.split(".")
    if not all(part.isidentifier() for part in (*parts, *(module.split(".") if module else ()))):
        raise _Unresolved(f"`{name}` is no name of a callable.", "Write function, value.method or "
                          "module:function; a command goes under `sh`.")  # fmt: skip
    if module in ("", "__main__", namespace.get("__name__")):
        found = _in_namespace(name, parts, namespace, imports)
    elif imports:
        found = _imported(name, module, parts)
    else:
        return None
    if found is not None and not callable(found):
        raise _Unresolved(f"`{name}` is {type(found).__name__}, which cannot be called.")
    return found


def _in_namespace(name: str, parts: list[str], namespace: Mapping[str, Any], imports: bool) -> Any:
    if parts[0] not in namespace:
        known = [
            key for key, value in namespace.items() if callable(value) and not key.startswith("_")
        ]
        raise _Unresolved(
            f"nothing here is called `{parts[0]}`.",
            did_you_mean(parts[0], known) or "Define it in a cell above, or write module:function.",
        )
    value = namespace[parts[0]]
    if len(parts) > 1 and not imports:
        return None
    found = _attribute(name, value, parts[1:])
    if found is None:
        raise _Unresolved(f"`{name}` is None, which cannot be called.")
    return found


def _imported(name: str, module: str, parts: list[str]) -> Any:
    try:
        value = importlib.import_module(module)
    except Exception as error:  # a module's own code can raise anything
        text = str(error).strip().splitlines()
        reason = f"{type(error).__name__}: {text[0]}" if text else type(error).__name__
        raise _Unresolved(f"`{module}` cannot be imported: {reason}.") from error
    return _attribute(name, value, parts)


def _attribute(name: str, value: Any, path: list[str]) -> Any:
    for part in path:
        try:
            value = getattr(value, part)
        except Exception as error:  # a property's own code can raise anything
            known = [key for key in dir(value) if not key.startswith("_")]
            raise _Unresolved(f"`{name}` has no `{part}`.", did_you_mean(part, known)) from error
    return value


def arguments(plan: Plan, lines: Lines | None = None) -> list[Problem]:
    """Parameters that nothing supplies, and `with` names that nothing takes."""
    problems: list[Problem] = []
    for task in plan.tasks:
        if not callable(task.run):
            continue
        taken = parameters(task.run)
        needs = set(task.needs or ())
        problems += [
            unsupplied(task, name, plan, _line(lines, task, "run"))
            for name in taken.required
            if name not in needs and name not in task.with_ and name not in plan.params
        ]
        if taken.var_keyword:
            continue
        for name in task.with_:
            if name not in taken.names:
                line = _line(lines, task, "with")
                hint = did_you_mean(name, taken.names) or _takes(taken.names)
                message = f"`{task.id}` takes no `{name}`, which `with` gives it."
                problems.append(Problem(message, line=line, task=task.id, hint=hint))
    return problems


def unsupplied(task: Task, name: str, plan: Plan, line: int | None) -> Problem:
    """The problem of a required parameter that is no task and gets no value."""
    known = [other.id for other in plan.tasks if other.id != task.id] + list(plan.params)
    return Problem(
        f"`{task.id}` takes `{name}`, which is no task and nothing supplies.",
        line=line,
        task=task.id,
        hint=did_you_mean(name, known) or "Give it a default, or a value in `with`.",
    )


def _takes(names: tuple[str, ...]) -> str:
    return f"It takes {', '.join(f'`{name}`' for name in names)}." if names else "It takes nothing."


def _line(lines: Lines | None, task: Task, *keys: str) -> int | None:
    places = ((lines or {}).get((task.id, key)) for key in (*keys, ""))
    return next((place for place in places if place is not None), None)
