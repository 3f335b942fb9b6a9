"""The flows in a file: JSON, or what a script in JavaScript, TypeScript or Python adds as literals.

    await flow.add({ name, queueName, children }, { queuesOptions: { q: { defaultJobOptions } } })
    await flow.add({"name": ..., "queueName": ..., "children": [...]})

Nothing in the file is run.
"""

from __future__ import annotations

import ast
import json
from collections import Counter
from typing import Any

import msgspec

from orch_nb.errors import PlanError, Problem
from orch_nb.formats.script_literals import Code, ScriptError, arguments

__all__ = ["Flow", "flow_in"]

_CHANGING = {"append", "extend", "insert", "pop", "remove", "clear", "update", "setdefault",
             "popitem", "sort", "reverse"}  # fmt: skip
_NOT_HERE = (
    ('"subtask_type"', "celery", "a canvas of Celery"),
    ('"states"', "xstate", "a machine of XState"),
)


class Flow(msgspec.Struct):
    """The trees that one call adds, the default options of jobs by queue, and the call's line."""

    trees: list[Any]
    defaults: dict[str, Any] = {}
    line: int | None = None


def flow_in(text: str) -> Flow:
    """The one flow of a file. Raises PlanError where there is none, or more than one."""
    if not text.strip():
        raise PlanError("The file is empty.")
    if text.lstrip().startswith(("{", "[")):
        return _json(text)
    if "FlowProducer" in text and (python := _python(text)) is not None:
        calls = python
    else:
        try:
            calls = arguments(text, r"(?<!\.)[\w$.]*\.(?:add|addBulk)")
        except ScriptError as error:
            raise PlanError(f"The script cannot be read: {error}") from None
    flows = [
        Flow(given[0] if isinstance(given[0], list) else [given[0]], _defaults(given[1:]), line)
        for given, line in calls
        if given and _is_flow(given[0])
    ]
    if not flows:
        raise PlanError("No call of `FlowProducer.add` with an object literal is in this script.")
    if len(flows) > 1:
        others = ", ".join(str(flow.line) for flow in flows)
        raise PlanError(
            [Problem(f"The script adds several flows (lines {others}).",
                     hint="Keep one of them in the file.")]
        )  # fmt: skip
    return flows[0]


def _json(text: str) -> Flow:
    try:
        found = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise PlanError(f"This is no JSON: {error}") from None
    trees = found if isinstance(found, list) else [found]
    if not trees:
        raise PlanError("The list has no flow in it.")
    if isinstance(found, dict) and "name" not in found:
        for sign, system, what in _NOT_HERE:
            if sign in text:
                raise PlanError(
                    [Problem("A job of a flow is an object with a `name`, and this has none.",
                             hint=f"It looks like {what}: import it as `{system}`.")]
                )  # fmt: skip
    return Flow(trees)


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number of JSON")


def _is_flow(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and all(map(_is_flow, value))
    return isinstance(value, dict) and "name" in value and "queueName" in value


def _defaults(more: list[Any]) -> dict[str, Any]:
    """`defaultJobOptions` by queue, of the second argument of `add`."""
    queues = more[0].get("queuesOptions") if more and isinstance(more[0], dict) else None
    if not isinstance(queues, dict):
        return {}
    return {
        name: options["defaultJobOptions"]
        for name, options in queues.items()
        if isinstance(options, dict) and "defaultJobOptions" in options
    }


# -- Python


def _python(text: str) -> list[tuple[list[Any], int]] | None:
    """The arguments of calls of `add` in a script in Python; None where it is none."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    names = _constants(tree)
    try:
        return [
            ([_value(given, names, frozenset()) for given in node.args], node.lineno)
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ("add", "addBulk")
        ]
    except RecursionError:
        raise PlanError("The script is nested too deep to be read.") from None


def _constants(tree: ast.Module) -> dict[str, ast.expr]:
    """The names that stand for one value from first to last: given once, and never changed."""
    names: dict[str, ast.expr] = {}
    given: Counter[str] = Counter()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            given[node.id] += 1
        elif isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
            given[_begun(node)] += 2  # tree["children"] = ...
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            given[_begun(node.func)] += 2 * (node.func.attr in _CHANGING)
        if isinstance(node, ast.Assign):
            names |= {to.id: node.value for to in node.targets if isinstance(to, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and node.value and isinstance(node.target, ast.Name):
            names[node.target.id] = node.value
    return {name: value for name, value in names.items() if given[name] == 1}


def _begun(node: ast.expr) -> str:
    """The name that `a` in `a["b"].c` is; "" for what is no name."""
    while isinstance(node, ast.Subscript | ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _value(node: ast.expr, names: dict[str, ast.expr], within: frozenset[str]) -> Any:
    """A node as what it stands for; what is no literal, and no name of one, is `Code`."""
    if isinstance(node, ast.Name) and node.id in names and node.id not in within:
        found = _value(names[node.id], names, within | {node.id})
        return Code(node.id, node.lineno) if isinstance(found, Code) else found
    if isinstance(node, ast.List | ast.Tuple):
        return [_value(inner, names, within) for inner in node.elts]
    if isinstance(node, ast.Dict):
        return _dict(node, names, within)
    try:
        found = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        found = NotImplemented
    if found is None or isinstance(found, str | int | float | bool):
        return found
    return Code(ast.unparse(node), node.lineno)


def _dict(node: ast.Dict, names: dict[str, ast.expr], within: frozenset[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in zip(node.keys, node.values, strict=True):
        read = _value(value, names, within)
        if key is None and isinstance(read, dict):  # {**options}
            found |= read
        elif key is None:
            found.setdefault("...", []).append(read)
        else:
            found[str(_value(key, names, within))] = read
    return found
