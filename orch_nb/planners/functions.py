"""Functions, marked or not, and `Task` values as one checked plan, in the order they are given."""

from __future__ import annotations

import inspect
import linecache
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from msgspec.structs import replace

from orch_nb.errors import PlanError, Problem
from orch_nb.graph.nearest import did_you_mean
from orch_nb.graph.validate import check
from orch_nb.model.plan import Plan, parameters
from orch_nb.model.task import Pool, Task
from orch_nb.planners.arguments import arguments
from orch_nb.planners.binding import called_needs, keep_checked
from orch_nb.planners.fields import Fields
from orch_nb.planners.marking import MARK, OPTIONS, TaskSpec, has_no_body
from orch_nb.planners.nodes import Findings, Node, from_python
from orch_nb.planners.task_keys import LATER, read_key

__all__ = ["plan_from_functions", "read_options"]

#: Actions that a decorator gives to a function in place of its body.
INSTEAD = ("sh", "notebook", "approval", "todo")
#: What an `on_failure` function can be told: it waits for nothing and nothing waits for it.
_AT_THE_END = ("on_failure", "id", "title", "description", "owner", "retry", "timeout",
               "total_timeout", "pool", "with_", "with", "sh", "notebook")  # fmt: skip


def plan_from_functions(
    functions: Iterable[Callable[..., Any] | Task] | Callable[..., Any],
    goal: str = "",
    *,
    params: Mapping[str, Any] | None = None,
    pools: Mapping[str, Pool | int] | None = None,
) -> Plan:
    """The plan of marked functions, plain functions and `Task` values.

    Raises PlanError with everything that is wrong, each with the line of its decorator.
    """
    items = [functions] if callable(functions) else list(functions)
    made = _Made()
    for number, item in enumerate(items, 1):
        made.take(item, number)
    plan = called_needs(made.plan(goal, params or {}, pools or {}))
    problems = made.findings.problems
    if plan.tasks or not problems:
        problems = problems + check(plan, made.lines) + arguments(plan, made.lines)
    if problems:
        raise PlanError([_with_source(problem, made.files) for problem in problems])
    return keep_checked(plan)


class _Made:
    """The tasks that were made, the function for a failure, and where each stands."""

    def __init__(self) -> None:
        self.findings = Findings()
        self.lines: dict[tuple[str, str], int] = {}
        self.files: dict[str, str] = {}
        self._tasks: list[Task] = []
        self._on_failure: Task | None = None

    def take(self, item: Any, number: int) -> None:
        spec = getattr(item, MARK, None)
        at_the_end = isinstance(spec, TaskSpec) and spec.options.get("on_failure") is True
        task = item if isinstance(item, Task) else _task(item, number, self.findings)
        if task is None:
            return
        place = "on_failure" if at_the_end else task.id
        if isinstance(spec, TaskSpec):
            self.lines.setdefault((place, ""), spec.line)
            self.files.setdefault(place, spec.filename)
        if not at_the_end:
            self._tasks.append(task)
        elif self._on_failure is None:
            self._on_failure = replace(task, id="on_failure")
        else:
            at = Node("scalar", "", "", spec.line if isinstance(spec, TaskSpec) else None)
            self.findings.add(f"`{task.id}` is a second function for `on_failure`.", at,
                              hint="Call the one from the other.", task=task.id)  # fmt: skip

    def plan(self, goal: str, params: Mapping[str, Any], pools: Mapping[str, Any]) -> Plan:
        return Plan(goal=goal, tasks=tuple(self._tasks), params=dict(params), pools=dict(pools),
                    on_failure=self._on_failure)  # fmt: skip


def _with_source(problem: Problem, files: Mapping[str, str]) -> Problem:
    if problem.line is None or problem.task is None or problem.task not in files:
        return problem
    return replace(problem, source=linecache.getline(files[problem.task], problem.line).rstrip())


def _task(function: Any, number: int, findings: Findings) -> Task | None:
    if not callable(function):
        findings.add(f"Item {number} is {type(function).__name__}, not a function or a Task.")
        return None
    spec = getattr(function, MARK, None)
    options = spec.options if isinstance(spec, TaskSpec) else {}
    line = spec.line if isinstance(spec, TaskSpec) else None
    at = Node("scalar", "", "", line)
    name = options.get("id", getattr(function, "__name__", None))
    if not isinstance(name, str) or name == "<lambda>":
        findings.add(f"Item {number} has no name: {function!r}.", at,
                     hint='Give it one: @task(id="..."), or Task(id="...", run=...).')  # fmt: skip
        return None
    said = {key: from_python(value, line) for key, value in options.items()}
    found = read_options(name, said, findings, at)
    instead = [key for key in INSTEAD if key in options]
    if instead and not has_no_body(function):
        findings.add(f"`{name}` has a body, which `{instead[0]}` would never run.", at, task=name,
                     hint="Leave only a docstring, or make two tasks of it.")  # fmt: skip
    if instead:
        needs = (*found.get("needs", ()), *parameters(function).names)
        if needs or "needs" in found:
            found["needs"] = tuple(dict.fromkeys(needs))
    else:
        found["run"] = function
    found.setdefault("description", _first_line(function))
    return Task(id=name, **found)


def _first_line(function: Callable[..., Any]) -> str:
    text = (inspect.getdoc(function) or "").strip() if hasattr(function, "__code__") else ""
    return text.splitlines()[0].strip() if text else ""


def read_options(
    name: str, options: Mapping[str, Node], findings: Findings, at: Node
) -> dict[str, Any]:
    """The fields of a `Task` from the options of a decorator; `at` is the decorator."""
    fields = Fields(findings, f"`{name}`", name)
    found: dict[str, Any] = {}
    last = "on_failure" in options and options["on_failure"].value is True
    for option, node in options.items():
        key = option.removesuffix("_")
        if key in LATER:
            findings.add(f"`{name}`: `{option}` is not yet supported.", at, task=name,
                         hint="Leave it out.")  # fmt: skip
        elif option not in OPTIONS and option != "with":
            findings.add(f"`@task` has no option `{option}`.", at, task=name,
                         hint=did_you_mean(option, OPTIONS))  # fmt: skip
        elif last and option not in _AT_THE_END:
            findings.add(f"`{name}` runs when the run has failed, where `{option}` means nothing.",
                         at, task=name, hint="Leave it out.")  # fmt: skip
        elif key == "on_failure":
            if not node.empty:
                fields.boolean(key, node)
        elif key not in ("id", "default") and not (node.empty and key not in INSTEAD):
            value = read_key(fields, key, node)
            if value is not None:
                found["with_" if key == "with" else key] = value
    _default(found, options, fields)
    return found


def _default(found: dict[str, Any], options: Mapping[str, Node], fields: Fields) -> None:
    """`default=` stands beside `approval=` in a decorator, and inside it in a document."""
    node = options.get("default")
    if node is None or node.empty:
        return
    if node.value not in ("approve", "reject"):
        fields.wrong("default", node, f'is "approve" or "reject", not {node.described()}')
    elif "approval" not in options:
        fields.wrong("default", node, "answers an `approval`, and there is none")
    elif "approval" in found:
        found["approval"] = replace(found["approval"], default=node.value)
