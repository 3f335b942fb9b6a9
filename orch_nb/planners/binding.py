"""From the name of a callable to the callable: `run: build_wheel`, `run: package.module:function`.

A name is looked up in the namespace (the notebook's variables), `client.fetch` as an attribute of
what is there, `module:function` by importing the module, and `__main__:name`, as a journal spells a
function of a notebook, in the namespace again. Everything that does not resolve is told at once:
what tasks run, what `when` and `foreach` ask, what undoes a task, what runs when a plan has failed.

A plan that is bound and checked is so for good, since it does not change: it says so itself, and
binding it again costs nothing.
"""

from __future__ import annotations

import builtins
import importlib
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from orch_nb.errors import PlanError, Problem
from orch_nb.graph.nearest import did_you_mean
from orch_nb.graph.spoken import names_callables
from orch_nb.graph.validate import Lines, check
from orch_nb.model.contract import Contract
from orch_nb.model.plan import Plan, parameters
from orch_nb.model.task import Call, Task
from orch_nb.planners.arguments import arguments

__all__ = ["bind", "called_needs", "judged", "keep_checked", "resolve", "with_checks"]

_CHECKED = "_checked"


def bind(plan: Plan, namespace: Mapping[str, Any], lines: Lines | None = None) -> Plan:
    """The plan with every name a callable. Raises PlanError with all that is wrong with it."""
    if plan.__dict__.get(_CHECKED):
        return plan
    bound, problems = judged(plan, namespace, lines)
    if problems:
        raise PlanError(problems)
    return keep_checked(bound)


def judged(
    plan: Plan, namespace: Mapping[str, Any] | None, lines: Lines | None = None,
    faults: Sequence[Problem] = (),
) -> tuple[Plan, list[Problem]]:  # fmt: skip
    """The plan as far as its names resolve, and everything that is wrong with it.

    `faults` are those that are known already. Callables bring needs of their own, so that the plan
    is judged with them; but what takes an import or an attribute is looked up last, and only if
    nothing else is wrong: that runs code.
    """
    if namespace is None or not has_names(plan):
        plan = called_needs(plan)
        problems = [*faults, *check(plan, lines)]
    else:
        plan, unknown = resolve(plan, namespace, lines, imports=False)
        problems = [*faults, *check(plan, lines)]
        if not problems and has_names(plan):  # those that are unknown are told again
            plan, unknown = resolve(plan, namespace, lines)
            problems = check(plan, lines)
        problems += unknown
    return plan, problems or arguments(plan, lines)


def keep_checked(plan: Plan) -> Plan:
    """The same plan, which was found sound; if nothing in it is a mere name, it is done with."""
    plan.__dict__[_CHECKED] = not has_names(plan)
    return plan


def has_names(plan: Plan) -> bool:
    """Whether something of a plan is still to be looked up."""
    last = plan.on_failure
    if last is not None and isinstance(last.run, str):
        return True
    function: Any = None  # what the task before ran: many tasks may share it
    for task in plan.tasks:
        if task.run is not function:
            function = task.run
            if isinstance(function, str):
                return True
        plain = task.when is None and task.foreach is None and task.compensate is None
        if not (plain and not task.check) and _names(task):
            return True
    return False


def _names(task: Task) -> bool:
    undo = task.compensate
    return names_callables(task) or (undo is not None and isinstance(undo.run, str))


def resolve(
    plan: Plan, namespace: Mapping[str, Any], lines: Lines | None = None, imports: bool = True
) -> tuple[Plan, list[Problem]]:
    """The plan with the callables that were found, and a problem for each that was not.

    Without `imports`, names that take an import or an attribute stay as they are: that runs code,
    which a plan with other faults must not.
    """
    last = plan.on_failure
    finder = _Finder(namespace, lines or {}, imports)
    tasks = [finder.task(task) if _names(task) else task for task in plan.tasks]
    if last is not None and isinstance(last.run, str):
        last = finder.action(last, "`on_failure`", "on_failure", "run")
    if last is not plan.on_failure or any(map(_differ, tasks, plan.tasks)):
        plan = replace(plan, tasks=tuple(tasks), on_failure=last)
    return called_needs(plan), finder.problems


def with_checks(plan: Plan, namespace: Mapping[str, Any]) -> Plan:
    """The plan with what results are checked with, as far as that is found."""
    finder = _Finder(namespace, {}, True)
    return replace(plan, tasks=tuple(map(finder.checks, plan.tasks)))


def _differ(one: Task, other: Task) -> bool:
    return one is not other


def called_needs(plan: Plan) -> Plan:
    """The plan with the tasks that parameters of `when` and `foreach` functions name as needs."""
    tasks: list[Task] | None = None
    for n, task in enumerate(plan.tasks):
        if task.when is None and task.foreach is None:
            continue
        over = task.foreach.over if task.foreach is not None else None
        taken = [
            name
            for asked in (task.when, over)
            if isinstance(asked, Call) and callable(asked.function)
            for name in parameters(asked.function).names
        ]
        needs = task.needs or ()
        implied = [
            name
            for name in dict.fromkeys(taken)
            if name in plan.by_id and name not in needs and name != task.id
        ]
        if implied:
            tasks = tasks or list(plan.tasks)
            tasks[n] = replace(task, needs=(*needs, *implied))
    return plan if tasks is None else replace(plan, tasks=tuple(tasks))


class _Finder:
    """Looks names up, each once, and collects those that are nothing."""

    def __init__(self, namespace: Mapping[str, Any], lines: Lines, imports: bool) -> None:
        self._namespace, self._lines, self._imports = namespace, lines, imports
        self._found: dict[str, Any] = {}
        self.problems: list[Problem] = []

    def task(self, task: Task) -> Task:
        """The task with what it calls."""
        found: dict[str, Any] = {}
        if isinstance(task.run, str):
            found["run"] = self._lookup(task.run, f"`run` of `{task.id}`", task.id, "run")
        if isinstance(task.when, Call):
            found["when"] = self._call(task.when, task.id, "when")
        if task.foreach is not None and isinstance(task.foreach.over, Call):
            over = self._call(task.foreach.over, task.id, "foreach")
            found["foreach"] = replace(task.foreach, over=over)
        if task.compensate is not None:
            of = f"`compensate` of `{task.id}`"
            keys = ("compensate.run", "compensate")
            found["compensate"] = self.action(task.compensate, of, task.id, *keys)
        return self.checks(replace(task, **found))

    def checks(self, task: Task) -> Task:
        """The task with what its result is checked with."""
        if not task.check:
            return task
        return replace(task, check=tuple(self._contract(one, task.id) for one in task.check))

    def _contract(self, contract: Contract, where: str) -> Contract:
        """The contract with what it calls. A class may stand under its bare name."""
        name = contract.reference
        if not name:
            return contract
        found: Any = getattr(builtins, name, None)
        if not isinstance(found, type) or name in self._namespace:
            found = self._lookup(name, f"`check` of `{where}`", where, "check", validates=True)
        return contract if found == name else Contract(found, name, contract.required)

    def action(self, task: Task, of: str, where: str, *keys: str) -> Task:
        """What undoes a task, or runs at the end."""
        if not isinstance(task.run, str):
            return task
        return replace(task, run=self._lookup(task.run, of, where, *keys))

    def _call(self, call: Call, where: str, key: str) -> Call:
        if not isinstance(call.function, str):
            return call
        return Call(self._lookup(call.function, f"`{key}` of `{where}`", where, key))

    def _lookup(
        self, name: str, of: str, where: str, *keys: str, validates: bool = False
    ) -> Any:  # fmt: skip
        """The callable (or what has a `validate`), or the name where it could not be had."""
        if name not in self._found:
            try:
                found = _resolved(name, self._namespace, self._imports, validates)
                self._found[name] = name if found is None else found
            except _Unresolved as error:
                places = (self._lines.get((where, key)) for key in (*keys, ""))
                line = next((place for place in places if place is not None), None)
                message = f"{of}: {error}"
                self.problems.append(Problem(message, line=line, task=where, hint=error.hint))
                return name
        return self._found[name]


class _Unresolved(Exception):
    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def _resolved(
    name: str, namespace: Mapping[str, Any], imports: bool, validates: bool = False
) -> Any:
    if not name.isidentifier() and callable(namespace.get(name)):
        return namespace[name]  # as jobs of other systems are called: {"send-email": send}
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
    if validates and not module and len(parts) > 1 and parts[0] not in namespace:
        module, parts = ".".join(parts[:-1]), parts[-1:]  # pandas.DataFrame, as people write it
    if module in ("", "__main__", namespace.get("__name__")):
        found = _in_namespace(name, parts, namespace, imports)
    elif imports:
        found = _imported(name, module, parts)
    else:
        return None
    if found is not None and not callable(found) and not (validates and _validates(found)):
        raise _Unresolved(f"`{name}` is {type(found).__name__}, which cannot be called.")
    return found


def _validates(value: Any) -> bool:
    return callable(getattr(value, "validate", None))


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
