"""The canvas in a Python module, by its syntax tree: nothing in the file is run.

    chain(a.s(1), group(b.s(), c.s()), d.s())       a.s(1) | group(b.s(), c.s()) | d.s()
    chord([b.s(), c.s()])(d.s())                    (a.s() | b.si()).apply_async()

Names that stand for parts of a canvas are followed; `group(a.s(i) for i in range(3))` is spelled
out where what it goes over is a literal.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

import msgspec

from orch_nb.errors import PlanError
from orch_nb.formats.celery.expressions import Expressions
from orch_nb.formats.celery.literals import NOTHING, literal
from orch_nb.formats.celery.pieces import Chain, Group, Part, Signature
from orch_nb.formats.celery.statements import Names, Step, statements, values
from orch_nb.model.translation import Loss

__all__ = ["Module", "Written"]


class Written(msgspec.Struct):
    """A task as the module defines it: its name, its options, what it takes (`takes_more`: by
    stars too), and its last line's call of `step`, where an export wrote it."""

    function: str
    options: dict[str, Any]
    parameters: list[str]
    bound: bool
    description: str = ""
    step: dict[str, Any] | None = None
    takes_more: bool = False


class Module:
    """What a file defines: tasks, and the canvases that are made in it, the outermost ones."""

    def __init__(self, text: str) -> None:
        try:
            self.tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            line = getattr(error, "lineno", None)
            where = f"line {line}: " if line else ""
            raise PlanError(f"{where}The file is no Python: {error}") from None
        self.losses: list[Loss] = []
        self.tasks = {task.function: task for task in self._tasks()}
        self.by_task_name = {str(t.options.get("name", t.function)): t for t in self.tasks.values()}
        self._used: set[int] = set()

    @property
    def goal(self) -> str:
        return (ast.get_docstring(self.tree) or "").split("\n")[0]

    def value(self, name: str) -> Any:
        """A literal that the module assigns to a name; None where it does not."""
        for node in self.tree.body:
            if isinstance(node, ast.Assign) and name in _targets(node):
                found = literal(node.value)
                return None if found is NOTHING else found
        return None

    # -- tasks

    def _tasks(self) -> Iterator[Written]:
        for node in ast.walk(self.tree):
            if not isinstance(node, ast.FunctionDef):
                continue
            for decorator in node.decorator_list:
                call = decorator if isinstance(decorator, ast.Call) else None
                named = ast.unparse(call.func if call is not None else decorator)
                if named.split(".")[-1] in ("task", "shared_task"):
                    yield self._written(node, call)

    def _written(self, node: ast.FunctionDef, call: ast.Call | None) -> Written:
        options: dict[str, Any] = {}
        for keyword in call.keywords if call is not None else ():
            value = literal(keyword.value)
            if value is NOTHING and isinstance(keyword.value, ast.Tuple | ast.List):
                value = [ast.unparse(element) for element in keyword.value.elts]
            if keyword.arg is None or value is NOTHING:
                why = f"`{ast.unparse(keyword)}` is worked out when the module runs"
                self.losses.append(Loss("option", why, node.name, node.lineno))
            else:
                options[keyword.arg] = value
        parameters = [argument.arg for argument in node.args.posonlyargs + node.args.args]
        bound = bool(options.get("bind"))
        last = node.body[-1]
        step = None
        if isinstance(last, ast.Return) and isinstance(last.value, ast.Call):
            called = last.value
            if ast.unparse(called.func) == "step" and called.args:
                step = {k.arg: literal(k.value) for k in called.keywords if k.arg is not None}
                step["task"] = literal(called.args[0])
                if NOTHING in step.values():
                    step = None
        said = ast.get_docstring(node) or ""
        more = bool(node.args.vararg or node.args.kwarg or node.args.kwonlyargs)
        return Written(node.name, options, parameters[bound:], bound, said, step, more)

    # -- canvases

    def canvases(self) -> list[tuple[Part, int]]:
        """The outermost canvases of the module and of its functions, with their lines."""
        found: list[tuple[Part, int]] = []
        for body in self._bodies():
            names = Names()
            reader = Expressions(self.tasks, self.lose, names)
            parts: list[tuple[Part | None, ast.expr]] = []
            for step in body:
                told = len(self.losses)
                said = [(reader.part(value), value) for value in values(step[0])]
                if names.after(step):
                    del self.losses[told:]  # it is read where its name is used, or below
                else:
                    parts += said
            reader.used |= names.before
            for name in sorted(names.changed):
                if id(value := names.known[name]) not in reader.used:
                    node = ast.copy_location(ast.Name(name, ast.Load()), value)
                    parts.append((reader.part(node), node))
            kept = [
                (part, value.lineno)
                for part, value in parts
                if isinstance(part, Chain | Group) and id(value) not in reader.used
            ]
            found += kept or [
                (part, value.lineno) for part, value in parts
                if isinstance(part, Signature) and id(value) not in reader.used
            ]  # fmt: skip
        found = [one for one in found if isinstance(one[0], Chain | Group)] or found
        return list({repr(part): (part, line) for part, line in reversed(found)}.values())[::-1]

    def _bodies(self) -> Iterator[list[Step]]:
        """The statements of the module, and of each function that is no task."""
        yield list(statements(self.tree.body))
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (
                node.name not in self.tasks
            ):  # fmt: skip
                yield list(statements(node.body))

    def lose(self, what: str, why: str, line: int, severity: str = "dropped") -> None:
        self.losses.append(Loss(what, why, "", line, severity))


def _targets(node: ast.Assign | ast.AnnAssign) -> list[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return [target.id for target in targets if isinstance(target, ast.Name)]
