"""Expressions of a module as parts of a canvas: see `source`."""

from __future__ import annotations

import ast
from collections.abc import Callable, Container, Sequence
from typing import Any

from orch_nb.errors import PlanError
from orch_nb.formats.celery.dumped import in_chunks
from orch_nb.formats.celery.literals import NOTHING, items_of, literal, turns
from orch_nb.formats.celery.pieces import Chain, Group, Part, Signature, begin, chained, ends
from orch_nb.formats.celery.statements import Names

__all__ = ["Expressions"]

_SENDS = {"delay", "apply_async", "apply", "on_error", "link", "link_error", "get", "set",
          "forget", "freeze", "clone"}  # fmt: skip
_KINDS = {"chain", "group", "chord"}
_OF_KINDS = {"header", "body", "app"}
_MOST = 100_000


class Expressions:
    """Expressions as parts of a canvas; what is none gives None."""

    def __init__(self, tasks: Container[str], lose: Callable[..., None], names: Names) -> None:
        self._tasks, self._lose, self._names = tasks, lose, names
        self.used: set[int] = set()
        self._under_way: set[str] = set()
        self._count = 0
        self._inside = 0  # canvases that are being read

    def part(self, node: ast.expr, known: dict[str, Any] | None = None) -> Part | None:
        self._count += 1
        if self._count > _MOST:
            raise PlanError("The canvas is too large to be read.")
        if isinstance(node, ast.Name):
            found = self._named(node.id, known)
            if found is not None:
                self._sure(node)
            return found
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            self._inside += 1
            left, right = self.part(node.left, known), self.part(node.right, known)
            self._inside -= 1
            if left is None or right is None:
                if left is not None or right is not None:
                    self._lost(node, "a part of the chain is worked out when the module runs")
                return left or right
            if isinstance(left, Group):  # a chord, of one member too
                return Chain([left, *_parts(right)])
            return chained([left, right])
        if isinstance(node, ast.Call):
            return self._call(node, known)
        return None

    def _lost(self, node: ast.expr, why: str, severity: str = "dropped") -> None:
        self._lose(ast.unparse(node)[:60], why, node.lineno, severity)

    def _named(self, name: str, known: dict[str, Any] | None) -> Part | None:
        value = self._names.known.get(name)
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
            if body is not None and inner is not None:
                return Chain([inner, body])
            return self._given(inner, node.args, node.keywords, known)
        on = ast.unparse(function.value) if isinstance(function, ast.Attribute) else ""
        if name in ("s", "si") and on:
            return self._signature(node, on, known, name == "si")
        if name in ("signature", "subtask"):
            return self._by_name(node, on, known)
        if name == "group" and isinstance(function, ast.Attribute) and not node.args:
            return self.part(function.value, known)  # add.chunks(items, 10).group()
        if name in _KINDS:
            return self._kind(name, node, known)
        if isinstance(function, ast.Attribute):
            return self._method(name, function.value, node, known)
        return self._named(name, known)

    def _method(
        self, name: str, on: ast.expr, node: ast.Call, known: dict[str, Any] | None
    ) -> Part | None:
        if name in ("map", "starmap", "chunks") and (
            ast.unparse(on) in self._tasks or (self._inside and isinstance(on, ast.Name))
        ):
            return self._over(name, ast.unparse(on), node, known)
        if name not in _SENDS:
            return None
        found = self.part(on, known)
        if found is None and name == "apply_async" and ast.unparse(on) in self._tasks and any(
            keyword.arg == "link" for keyword in node.keywords
        ):  # fmt: skip
            return self._sent(ast.unparse(on), node.args, node.keywords, node.lineno, known)
        if found is None:
            return None
        if name in ("on_error", "link_error", "link"):
            self._lose(name, f"`{ast.unparse(node)[-60:]}` is no task here", node.lineno)
        elif name in ("delay", "apply_async", "apply", "clone"):
            return self._begun(name, found, node, known)
        elif name == "set":
            self._options(found, node.keywords, known, node.lineno)
        return found

    def _over(
        self, name: str, task: str, node: ast.Call, known: dict[str, Any] | None
    ) -> Part | None:
        """`add.starmap([(1, 2), (3, 4)])`, `add.chunks(items, 10)`."""
        items = items_of(node.args[0], known) if node.args else None
        size = literal(node.args[1], known) if len(node.args) > 1 else NOTHING
        size = size if isinstance(size, int) and size > 0 else 0
        if items is None or (name == "chunks" and not size):
            self._lost(node, "what it goes over is worked out when the module runs")
            return Signature(task, line=node.lineno, immutable=True)
        one = Signature(task, line=node.lineno, immutable=True, over=name, items=items)
        return in_chunks(one, items, size) if name == "chunks" else one

    def _begun(
        self, name: str, part: Part, node: ast.Call, known: dict[str, Any] | None
    ) -> Part | None:
        """A part that is sent with arguments: the first ones of what begins in it."""
        if name == "delay":
            return self._given(part, node.args, node.keywords, known)
        said = {k.arg: k.value for k in node.keywords if k.arg in ("args", "kwargs")}
        places = [*node.args[:2], *[None] * (2 - len(node.args))]
        args, kwargs = said.get("args", places[0]), said.get("kwargs", places[1])
        first: list[ast.expr] = []
        named: list[ast.keyword] = []
        if isinstance(args, ast.Tuple | ast.List):
            first = args.elts
        elif args is not None and literal(args, known) is not None:
            self._lost(args, "arguments that are worked out when the module runs")
        if isinstance(kwargs, ast.Dict):
            named = [
                ast.keyword(str(literal(key)), value)
                for key, value in zip(kwargs.keys, kwargs.values, strict=True)
                if key is not None
            ]
        elif kwargs is not None and literal(kwargs, known) not in (None, {}):
            self._lost(kwargs, "arguments that are worked out when the module runs")
        rest = [k for k in node.keywords if k.arg not in said]
        found = self._given(part, first, named, known)  # before `immutable` is said of it
        self._options(part, rest, known, node.lineno)
        return found

    def _given(
        self, part: Part | None, args: Sequence[ast.expr], keywords: Sequence[ast.keyword],
        known: dict[str, Any] | None,
    ) -> Part | None:  # fmt: skip
        if part is not None and (args or keywords):
            begin(part, *self._arguments(args, keywords, known))
        return part

    def _options(
        self, part: Part, keywords: Sequence[ast.keyword], known: dict[str, Any] | None, line: int
    ) -> None:
        """How a part is sent: what is called with its result is a part too."""
        told = []
        for keyword in keywords:
            if keyword.arg == "link":
                nodes = keyword.value.elts if isinstance(keyword.value, ast.List) else (
                    [keyword.value]
                )  # fmt: skip
                for last in ends(part):
                    last.links += self._several(nodes, known)
            elif keyword.arg == "immutable" and isinstance(part, Signature):
                part.immutable = literal(keyword.value, known) is True
            elif keyword.arg == "link_error":
                self._lose(
                    "link_error", f"`{ast.unparse(keyword.value)[:60]}` is no task here", line
                )
            else:
                told.append(str(keyword.arg))
        if told:
            self._lose(", ".join(told), "it says how to send, not what to do", line, "note")

    def _by_name(
        self, node: ast.Call, on: str, known: dict[str, Any] | None
    ) -> Signature | None:  # fmt: skip
        """`signature("proj.add", args=(2, 2))`, and `add.signature((2, 2))`."""
        task = literal(node.args[0], known) if node.args else NOTHING
        if isinstance(task, str):
            return self._sent(task, node.args[1:], node.keywords, node.lineno, known)
        return self._sent(on, node.args, node.keywords, node.lineno, known) if on else None

    def _sent(
        self, task: str, args: Sequence[ast.expr], keywords: Sequence[ast.keyword], line: int,
        known: dict[str, Any] | None,
    ) -> Signature:  # fmt: skip
        """`add.signature((2, 2), countdown=10)`, `signature("proj.add", args=(2, 2))`."""
        found = Signature(task, line=line)
        call = ast.Call(ast.Name("send"), list(args), list(keywords))
        call.lineno = line
        immutable = next((k for k in keywords if k.arg == "immutable"), None)
        self._begun("apply_async", found, call, known)
        found.immutable = immutable is not None and literal(immutable.value, known) is True
        return found

    def _kind(self, name: str, node: ast.Call, known: dict[str, Any] | None) -> Part | None:
        self._inside += 1
        found = self._made(name, node, known)
        self._inside -= 1
        self._options(
            found, [k for k in node.keywords if k.arg not in _OF_KINDS], known, node.lineno
        )
        return found

    def _made(self, name: str, node: ast.Call, known: dict[str, Any] | None) -> Part:
        if name == "chord":
            given = next(([k.value] for k in node.keywords if k.arg == "header"), node.args[:1])
            header = self._header(given, known)
            body = node.args[1] if len(node.args) > 1 else None
            body = next((k.value for k in node.keywords if k.arg == "body"), body)
            after = self.part(body, known) if body is not None else None
            if body is not None and after is None:
                self._lost(body, "the chord's body is worked out when the module runs")
            return Group(header) if after is None else Chain([Group(header), after])
        parts = self._several(node.args, known, within=name == "group")
        if name == "chain":
            return chained(parts)
        return Group(parts, any(isinstance(one, ast.GeneratorExp) for one in node.args))

    def _header(self, given: Sequence[ast.expr], known: dict[str, Any] | None) -> list[Part]:
        """A chord's header. Of a chain Celery takes the tasks, and lets them run side by side."""
        only = given[0] if len(given) == 1 else None
        if only is None or isinstance(only, ast.Starred) or self._names.is_list(only):
            return self._several(given, known)
        part = self.part(only, known)
        if part is None:
            self._lost(only, "this part is worked out when the module runs")
            return []
        if isinstance(part, Chain) and not all(isinstance(one, Signature) for one in part.parts):
            if not isinstance(part.parts[0], Group):  # a chord is no chain there
                why = "as a header Celery takes the chain's tasks side by side"
                self._lost(only, why, "changed")
            return [part]
        return [part] if isinstance(part, Signature) else part.parts

    def _several(
        self, nodes: Sequence[ast.expr], known: dict[str, Any] | None, *, within: bool = True
    ) -> list[Part]:
        """Parts that are listed, one of them being a list or made by a loop; `within`: a group that
        stands alone stands for its members."""
        if len(nodes) == 1:
            only = self._followed(nodes[0])
            if isinstance(only, ast.BinOp) and self._names.is_list(only):
                return self._joined(only, known)
            if isinstance(only, ast.List | ast.Tuple):
                nodes = only.elts
            elif isinstance(only, ast.ListComp | ast.GeneratorExp):
                return self._loop(only, known)
        found = []
        for node in nodes:
            if isinstance(node, ast.Starred):
                found += self._several([node.value], known)
                continue
            part = self.part(node, known)
            if part is None:
                self._lost(node, "this part is worked out when the module runs")
            elif isinstance(part, Group) and len(nodes) == 1 and within:
                return part.parts
            else:
                found.append(part)
        return found

    def _followed(self, node: ast.expr) -> ast.expr:
        """A list itself, where a name stands for it."""
        if isinstance(node, ast.Name) and node.id in self._names.known:
            value = self._names.known[node.id]
            if self._names.is_list(value):
                self._sure(node)
                return value
        return node

    def _joined(self, node: ast.BinOp, known: dict[str, Any] | None) -> list[Part]:
        """`[a, b] + [c]`, and `[a] * 3`."""
        left, right = node.left, node.right
        if isinstance(node.op, ast.Add):
            return self._several([left], known) + self._several([right], known)
        if not self._names.is_list(left):
            left, right = right, left
        times = literal(right, known)
        if not isinstance(times, int) or times > _MOST:
            self._lost(
                node, "how many there are is worked out when the module runs; here it is one"
            )
            times = 1
        return [part for _ in range(times) for part in self._several([left], known)]

    def _sure(self, node: ast.Name) -> None:
        line = self._names.unsure.get(node.id)
        if line is not None:
            self._lost(node, f"it is changed in line {line}, in a way that is not followed")

    def _loop(
        self, node: ast.ListComp | ast.GeneratorExp, known: dict[str, Any] | None
    ) -> list[Part]:
        bound = turns(node.generators, dict(known or {}))
        if bound is None:
            part = self.part(node.elt, known)
            self._lost(
                node, "how many there are is worked out when the module runs; here it is one"
            )
            return [] if part is None else [part]
        found = []
        for names in bound:
            part = self.part(node.elt, names)
            if part is not None:
                found.append(part)
        inner = {one.id for one in ast.walk(node.elt) if isinstance(one, ast.Name)}
        lazy = [one for one in ast.walk(node.elt) if isinstance(one, ast.GeneratorExp)]
        outer = {one.id for loop in node.generators for one in ast.walk(loop.target)
                 if isinstance(one, ast.Name)}  # fmt: skip
        if lazy and inner & outer and len(found) > 1:
            why = "the generator in it is worked out when all is sent: each may see the last item"
            self._lost(node, why, "changed")
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

        def spread(node: ast.expr, kind: type | tuple[type, ...], stars: str) -> Any:
            found = literal(node, known)
            if not isinstance(found, kind):
                why = "arguments that are worked out when the module runs"
                self._lose(f"{stars}{ast.unparse(node)}"[:60], why, node.lineno)
                return None
            return found

        places: list[Any] = []
        for a in args:
            if isinstance(a, ast.Starred):
                places += spread(a.value, (list, tuple), "*") or ()
            else:
                places.append(value(a))
        named: dict[str, Any] = {}
        for k in keywords:
            if k.arg is None:
                named |= spread(k.value, dict, "**") or {}
            else:
                named[k.arg] = value(k.value)
        return places, named


def _parts(part: Part) -> list[Part]:
    return part.parts if isinstance(part, Chain) else [part]
