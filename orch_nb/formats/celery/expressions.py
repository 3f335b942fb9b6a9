"""Expressions of a module as parts of a canvas: see `source`."""

from __future__ import annotations

import ast
from collections.abc import Callable, Container, Sequence
from typing import Any

from orch_nb.errors import PlanError
from orch_nb.formats.celery.pieces import Chain, Group, Part, Signature

__all__ = ["NOTHING", "Expressions", "literal"]

_SENDS = {"delay", "apply_async", "apply", "on_error", "link", "link_error", "get", "set",
          "forget", "freeze", "clone"}  # fmt: skip
_KINDS = {"chain", "group", "chord"}
_MOST = 10_000
NOTHING = object()  #: what is no literal


def literal(node: ast.AST | None, names: dict[str, Any] | None = None) -> Any:
    """A node's value, where it is a literal or a name that is known; else NOTHING."""
    if isinstance(node, ast.Name):
        return (names or {}).get(node.id, NOTHING)
    try:
        return ast.literal_eval(node) if node is not None else NOTHING
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return NOTHING


class Expressions:
    """Expressions as parts of a canvas; what is none gives None."""

    def __init__(
        self, tasks: Container[str], lose: Callable[..., None], names: dict[str, ast.expr]
    ) -> None:
        self._tasks, self._lose, self._names = tasks, lose, names
        self.used: set[int] = set()
        self._under_way: set[str] = set()
        self._count = 0

    def part(self, node: ast.expr, known: dict[str, Any] | None = None) -> Part | None:
        self._count += 1
        if self._count > _MOST:
            raise PlanError("The canvas is too large to be read.")
        if isinstance(node, ast.Name):
            return self._named(node.id, known)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            left, right = self.part(node.left, known), self.part(node.right, known)
            if left is None or right is None:
                if left is not None or right is not None:
                    self._lost(node, "a part of the chain is worked out when the module runs")
                return left or right
            return Chain([*_chained(left), *_chained(right)])
        if isinstance(node, ast.Call):
            return self._call(node, known)
        return None

    def _lost(self, node: ast.expr, why: str) -> None:
        self._lose(ast.unparse(node)[:60], why, node.lineno)

    def _named(self, name: str, known: dict[str, Any] | None) -> Part | None:
        value = self._names.get(name)
        if value is None or name in self._under_way:
            return None
        self._under_way.add(name)
        found = self.part(value, known)
        self._under_way.discard(name)
        if found is not None:
            self.used.add(id(value))
        return found

    def _call(self, node: ast.Call, known: dict[str, Any] | None) -> Part | None:
        function = node.func
        name = ast.unparse(function).split(".")[-1]
        if isinstance(function, ast.Call | ast.BinOp):  # chord(header)(body), (a | b)()
            inner = self.part(function, known)
            body = self.part(node.args[0], known) if node.args else None
            return inner if body is None or inner is None else Chain([inner, body])
        if name in ("s", "si", "signature", "subtask") and isinstance(function, ast.Attribute):
            return self._signature(node, ast.unparse(function.value), known, name == "si")
        if name == "signature" and node.args:
            return self._by_name(node, known)
        if name in _KINDS:
            return self._kind(name, node, known)
        if isinstance(function, ast.Attribute):
            return self._method(name, function.value, node, known)
        if name in self._names:
            return self._named(name, known)
        return None

    def _method(
        self, name: str, on: ast.expr, node: ast.Call, known: dict[str, Any] | None
    ) -> Part | None:
        if name in ("map", "starmap", "chunks") and ast.unparse(on) in self._tasks:
            self._lose(name, "one task goes over all items, one after another", node.lineno,
                              "changed")  # fmt: skip
            items = literal(node.args[0], known) if node.args else NOTHING
            kwargs = {} if items is NOTHING else {"it": items}
            return Signature(ast.unparse(on), kwargs=kwargs, line=node.lineno, immutable=True)
        if name not in _SENDS:
            return None
        found = self.part(on, known)
        if found is None:
            return None
        if name in ("on_error", "link_error", "link"):
            self._lose(name, f"`{ast.unparse(node)[-60:]}` is no task here", node.lineno)
        elif name in ("set", "apply_async") and node.keywords:
            options = ", ".join(str(keyword.arg) for keyword in node.keywords)
            self._lose(options, "it says how to send, not what to do", node.lineno, "note")
        return found

    def _kind(self, name: str, node: ast.Call, known: dict[str, Any] | None) -> Part | None:
        if name == "chord":
            header = self._several(node.args[:1], known)
            body = node.args[1] if len(node.args) > 1 else None
            body = next((k.value for k in node.keywords if k.arg == "body"), body)
            after = self.part(body, known) if body is not None else None
            if body is not None and after is None:
                self._lost(body, "the chord's body is worked out when the module runs")
            return Group(header) if after is None else Chain([Group(header), after])
        parts = self._several(node.args, known)
        return Chain(parts) if name == "chain" else Group(parts)

    def _several(self, nodes: Sequence[ast.expr], known: dict[str, Any] | None) -> list[Part]:
        """Parts that stand side by side, one of them being a list or made by a loop."""
        if len(nodes) == 1:
            only = nodes[0]
            if isinstance(only, ast.Name) and only.id in self._names:
                value = self._names[only.id]
                if isinstance(value, ast.List | ast.Tuple | ast.ListComp | ast.GeneratorExp):
                    only = value
            if isinstance(only, ast.List | ast.Tuple):
                nodes = only.elts
            elif isinstance(only, ast.ListComp | ast.GeneratorExp):
                return self._loop(only, known)
        found = []
        for node in nodes:
            part = self.part(node, known)
            if part is None:
                self._lost(node, "this part is worked out when the module runs")
            elif isinstance(part, Group) and len(nodes) == 1:
                return part.parts
            else:
                found.append(part)
        return found

    def _loop(
        self, node: ast.ListComp | ast.GeneratorExp, known: dict[str, Any] | None
    ) -> list[Part]:
        loop = node.generators[0]
        items = _items(loop.iter, known)
        if items is None or loop.ifs or len(node.generators) > 1:
            part = self.part(node.elt, known)
            self._lost(
                node, "how many there are is worked out when the module runs; here it is one"
            )
            return [] if part is None else [part]
        found = []
        for item in items[:_MOST]:
            names = dict(known or {})
            targets = loop.target.elts if isinstance(loop.target, ast.Tuple) else [loop.target]
            values = item if isinstance(loop.target, ast.Tuple) else [item]
            for target, value in zip(targets, values, strict=False):
                names[ast.unparse(target)] = value
            part = self.part(node.elt, names)
            if part is not None:
                found.append(part)
        return found

    def _signature(
        self, node: ast.Call, task: str, known: dict[str, Any] | None, immutable: bool
    ) -> Signature:
        args, kwargs = self._arguments(node.args, node.keywords, known)
        return Signature(task, args, kwargs, {}, immutable, node.lineno)

    def _arguments(
        self, args: Sequence[ast.expr], keywords: Sequence[ast.keyword],
        known: dict[str, Any] | None,
    ) -> tuple[list[Any], dict[str, Any]]:  # fmt: skip
        def value(node: ast.expr) -> Any:
            found = literal(node, known)
            if found is NOTHING:
                self._lost(node, "an argument that is worked out when the module runs")
                return ast.unparse(node)
            return found

        return [value(a) for a in args], {k.arg: value(k.value) for k in keywords if k.arg}

    def _by_name(self, node: ast.Call, known: dict[str, Any] | None) -> Signature | None:
        """`signature("module.task", args=(1,), kwargs={...}, immutable=True)`."""
        name = literal(node.args[0], known)
        if not isinstance(name, str):
            return None
        said = {k.arg: literal(k.value, known) for k in node.keywords}
        args, kwargs = said.get("args", ()), said.get("kwargs", {})
        return Signature(
            name, list(args) if isinstance(args, tuple | list) else [],
            kwargs if isinstance(kwargs, dict) else {}, {}, said.get("immutable") is True,
            node.lineno,
        )  # fmt: skip


def _chained(part: Part) -> list[Part]:
    return part.parts if isinstance(part, Chain) else [part]


def _items(node: ast.expr, known: dict[str, Any] | None) -> list[Any] | None:
    if isinstance(node, ast.Call) and ast.unparse(node.func) in ("range", "xrange"):
        bounds = [literal(bound, known) for bound in node.args]
        if all(isinstance(bound, int) for bound in bounds) and 1 <= len(bounds) <= 3:
            return list(range(*bounds)[:_MOST]) if 0 not in bounds[2:] else None
        return None
    found = literal(node, known)
    return list(found) if isinstance(found, list | tuple | str) else None
