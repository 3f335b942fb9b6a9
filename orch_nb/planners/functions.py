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
from orch_nb.model.task import Approval, Task
from orch_nb.planners.binding import arguments
from orch_nb.planners.fields import LATER, Fields
from orch_nb.planners.marking import MARK, OPTIONS, TaskSpec, has_no_body
from orch_nb.planners.nodes import Findings, Node, from_python

__all__ = ["plan_from_functions", "read_options"]

#: Actions that a decorator gives to a function in place of its body.
INSTEAD = ("sh", "approval", "todo")


def plan_from_functions(
    functions: Iterable[Callable[..., Any] | Task] | Callable[..., Any], goal: str = ""
) -> Plan:
    """The plan of marked functions, plain functions and `Task` values.

    Raises PlanError with everything that is wrong, each with the line of its decorator.
    """
    items = [functions] if callable(functions) else list(functions)
    findings = Findings()
    lines: dict[tuple[str, str], int] = {}
    files: dict[str, str] = {}
    tasks: list[Task] = []
    for number, item in enumerate(items, 1):
        task = item if isinstance(item, Task) else _task(item, number, findings)
        if task is None:
            continue
        tasks.append(task)
        spec = getattr(item, MARK, None)
        if isinstance(spec, TaskSpec):
            lines.setdefault((task.id, ""), spec.line)
            files.setdefault(task.id, spec.filename)
    plan = Plan(goal=goal, tasks=tuple(tasks))
    problems = findings.problems
    if tasks or not problems:
        problems = problems + check(plan, lines) + arguments(plan, lines)
    if problems:
        raise PlanError([_with_source(problem, files) for problem in problems])
    return plan


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
    for option, node in options.items():
        key = option.removesuffix("_")
        if key in LATER:
            findings.add(f"`{name}`: `{option}` is not yet supported.", at, task=name,
                         hint="Leave it out.")  # fmt: skip
        elif option not in OPTIONS and option != "with":
            findings.add(f"`@task` has no option `{option}`.", at, task=name,
                         hint=did_you_mean(option, OPTIONS))  # fmt: skip
        elif key not in ("id", "default") and not (node.empty and key not in INSTEAD):
            value = fields.read(key, node)
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
        found["approval"] = Approval(found["approval"].prompt, node.value)
