"""The expressions of a DAG file, told without running it.

What is constant is computed (`constants`), what makes Airflow's things is handed to the `Builder`,
and all else is Opaque.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from orch_nb.errors import PlanError
from orch_nb.formats.airflow.build import Builder
from orch_nb.formats.airflow.constants import (
    BUILTINS,
    MOST,
    Unknown,
    binary,
    called,
    compared,
    formatted,
    light,
    method,
)
from orch_nb.formats.airflow.symbols import (
    Class,
    Dag,
    Factory,
    Function,
    Group,
    Item,
    Label,
    Opaque,
    Operator,
    Partial,
    Ref,
    Scope,
    Taking,
    TaskFlow,
    Xcom,
)

__all__ = ["Evaluator", "iterable", "truth"]

_CALL_OTHERS = ("builtins.map", "functools.reduce")
_STEPS = 300_000  # expressions that are evaluated at most; a loop may have many turns
_FILE_STEM = re.compile(r"\bPath\(__file__\)(\.resolve\(\))?\.stem$")
_SYMBOLS = (
    Class, Dag, Factory, Function, Group, Item, Label, Opaque, Operator, Partial, Ref, Taking,
    TaskFlow, Xcom,
)  # fmt: skip

_THINGS = (Class, Dag, Factory, Function, Group, Operator, TaskFlow, Xcom)


def _written(node: ast.AST) -> str:
    text = ast.unparse(node)
    return text if len(text) <= 80 else f"{text[:79]}…"


def _draws_edges(value: Any) -> bool:
    if isinstance(value, Ref):
        return value.last in ("rshift", "lshift")
    return isinstance(value, Function) and isinstance(value.node, ast.Lambda) and any(
        isinstance(getattr(part, "op", None), ast.RShift | ast.LShift)
        or (isinstance(part, ast.Attribute) and part.attr in ("set_upstream", "set_downstream"))
        for part in ast.walk(value.node.body)
    )  # fmt: skip


def is_constant(value: Any) -> bool:
    """Whether nothing in a value is of Airflow or unknown; looked at three levels deep."""
    return light(value) and not _has_symbols(value, 3)


def truth(value: Any) -> bool | None:
    """Whether a value counts as true; None where it is not known. What is made of Airflow's does,
    and so does what is not empty."""
    if isinstance(value, _THINGS):
        return True
    if isinstance(value, _SYMBOLS):
        return None
    if isinstance(value, (list, tuple, dict, set, frozenset)):
        return bool(value)
    return bool(value) if is_constant(value) else None


def _has_symbols(value: Any, depth: int) -> bool:
    if isinstance(value, _SYMBOLS):
        return True
    if depth and isinstance(value, (list, tuple, set)):
        return any(_has_symbols(item, depth - 1) for item in value)
    if depth and isinstance(value, dict):
        return any(_has_symbols(item, depth - 1) for item in value.values())
    return False


def _is_none(kind: ast.cmpop, left: Any, right: Any) -> bool | None:
    """`x is None` and `x is not None` of something of Airflow's, which is not; None elsewhere."""
    if not isinstance(kind, (ast.Is, ast.IsNot)) or None not in (left, right):
        return None
    other = right if left is None else left
    return isinstance(kind, ast.IsNot) if isinstance(other, _THINGS) else None


def iterable(value: Any) -> list[Any] | None:
    """What a loop over a known value goes over; None where it is not known."""
    if isinstance(value, (list, tuple, dict, str, range)):
        return list(value) if len(value) <= MOST else None
    if isinstance(value, (set, frozenset)):
        try:
            return sorted(value)
        except TypeError:  # of several types: any order will do
            return list(value)
    return None


def _apart(targets: list[ast.expr], value: Any) -> list[Any]:
    """What each of several targets gets of a value, one with a star all that is left."""
    items = iterable(value)
    stars = [n for n, target in enumerate(targets) if isinstance(target, ast.Starred)]
    if items is None or len(items) < len(targets) - len(stars):
        return [Opaque() for _ in targets]
    if stars:
        first, behind = stars[0], len(targets) - stars[0] - 1
        end = len(items) - behind
        items = [*items[:first], items[first:end], *items[end:]]
    return items if len(items) == len(targets) else [Opaque() for _ in targets]


class Evaluator:
    """Expressions of one file. `call` performs a function of the file."""

    def __init__(self, builder: Builder, call: Callable[..., Any]) -> None:
        self._builder, self._call_function = builder, call
        self._left = _STEPS

    def step(self) -> None:
        """Counts what is followed. Raises PlanError for a file that goes on for ever."""
        self._left -= 1
        if self._left < 0:
            raise PlanError(
                f"The DAG file makes more than {_STEPS:,} steps; that is no file to read.",
                what="DAG file",
            )

    def value(self, node: ast.expr, scope: Scope) -> Any:
        self.step()
        act = getattr(self, f"_{type(node).__name__.lower()}", None)
        if act is None:
            return Opaque()
        try:
            return act(node, scope)
        except Unknown:
            return Opaque()

    # -- constants and displays

    def _constant(self, node: ast.Constant, _: Scope) -> Any:
        return node.value

    def _name(self, node: ast.Name, scope: Scope) -> Any:
        try:
            return scope.get(node.id)
        except KeyError:
            return Ref(f"builtins.{node.id}")

    def _items(self, nodes: list[ast.expr], scope: Scope) -> list[Any]:
        found: list[Any] = []
        for node in nodes:
            if isinstance(node, ast.Starred):
                items = iterable(self.value(node.value, scope))
                if items is None:
                    raise Unknown
                found += items
            else:
                found.append(self.value(node, scope))
        return found

    def _list(self, node: ast.List, scope: Scope) -> Any:
        return self._items(node.elts, scope)

    def _tuple(self, node: ast.Tuple, scope: Scope) -> Any:
        return tuple(self._items(node.elts, scope))

    def _set(self, node: ast.Set, scope: Scope) -> Any:
        items = self._items(node.elts, scope)
        if not light(items):
            raise Unknown
        try:
            return set(items)
        except TypeError:
            raise Unknown from None

    def _dict(self, node: ast.Dict, scope: Scope) -> Any:
        found: dict[Any, Any] = {}
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                more = self.value(value, scope)
                if not isinstance(more, dict):
                    raise Unknown
                found |= more
                continue
            name = self.value(key, scope)
            if not light(name):
                raise Unknown
            try:
                found[name] = self.value(value, scope)
            except TypeError:
                raise Unknown from None
        return found

    def _joinedstr(self, node: ast.JoinedStr, scope: Scope) -> Any:
        parts: list[str] = []
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                spec = self.value(part.format_spec, scope) if part.format_spec else ""
                if not isinstance(spec, str):
                    raise Unknown
                value = self.value(part.value, scope)
                parts.append(formatted(value, spec, part.conversion))
            else:
                parts.append(str(self.value(part, scope)))
        return "".join(parts)

    def _lambda(self, node: ast.Lambda, scope: Scope) -> Any:
        return Function(node, scope, "<lambda>", f"{scope.path}<lambda>")

    # -- operators

    def _binop(self, node: ast.BinOp, scope: Scope) -> Any:
        """A chain of operators, without a Python frame for each: it may be a thousand long."""
        spine: list[ast.BinOp] = []
        leftmost: ast.expr = node
        while isinstance(leftmost, ast.BinOp):
            spine.append(leftmost)
            leftmost = leftmost.left
        found = self.value(leftmost, scope)
        for step in reversed(spine):
            right = self.value(step.right, scope)
            if isinstance(step.op, (ast.RShift, ast.LShift)):
                if not light(found) or not light(right):
                    raise Unknown
                found = self._builder.shift(found, right, isinstance(step.op, ast.RShift), step)
                continue
            try:
                found = binary(step.op, found, right)
            except Unknown:
                found = Opaque()
        return found

    def _boolop(self, node: ast.BoolOp, scope: Scope) -> Any:
        found: Any = None
        for part in node.values:
            found = self.value(part, scope)
            holds = truth(found)
            if holds is None:
                raise Unknown
            if holds is isinstance(node.op, ast.Or):
                return found
        return found

    def _unaryop(self, node: ast.UnaryOp, scope: Scope) -> Any:
        value = self.value(node.operand, scope)
        if isinstance(node.op, ast.Not):
            return not self._holds(value)
        if isinstance(node.op, ast.USub) and isinstance(value, (int, float)):
            return -value
        raise Unknown

    def _compare(self, node: ast.Compare, scope: Scope) -> Any:
        left = self.value(node.left, scope)
        for kind, part in zip(node.ops, node.comparators, strict=True):
            right = self.value(part, scope)
            if _is_none(kind, left, right) is not None:
                if not _is_none(kind, left, right):
                    return False
                left = right
                continue
            if not is_constant(left) or not is_constant(right):
                raise Unknown
            if not compared(kind, left, right):
                return False
            left = right
        return True

    def _ifexp(self, node: ast.IfExp, scope: Scope) -> Any:
        holds = self._holds(self.value(node.test, scope))
        return self.value(node.body if holds else node.orelse, scope)

    def _holds(self, value: Any) -> bool:
        """Whether a value counts as true. Raises Unknown."""
        found = truth(value)
        if found is None:
            raise Unknown
        return found

    def _namedexpr(self, node: ast.NamedExpr, scope: Scope) -> Any:
        scope.names[node.target.id] = found = self.value(node.value, scope)
        return found

    # -- parts of values

    def _attribute(self, node: ast.Attribute, scope: Scope) -> Any:
        if node.attr == "stem" and _FILE_STEM.search(ast.unparse(node)):
            return self._builder.stem
        return self._builder.attribute(self.value(node.value, scope), node.attr)

    def _subscript(self, node: ast.Subscript, scope: Scope) -> Any:
        whole = self.value(node.value, scope)
        if isinstance(node.slice, ast.Slice):
            if not isinstance(whole, (str, list, tuple)):
                raise Unknown
            bounds = [
                None if part is None else self.value(part, scope)
                for part in (node.slice.lower, node.slice.upper, node.slice.step)
            ]
            if any(isinstance(bound, _SYMBOLS) for bound in bounds):
                raise Unknown
            return whole[slice(*bounds)]
        key = self.value(node.slice, scope)
        if isinstance(whole, Xcom):
            how = f"{whole.how}[{key!r}]" if isinstance(key, (str, int)) else "?"
            return Xcom(whole.tasks, how)
        if isinstance(whole, (str, list, tuple, dict)):
            try:
                return whole[key]
            except (LookupError, TypeError):
                raise Unknown from None
        raise Unknown

    def _starred(self, node: ast.Starred, scope: Scope) -> Any:
        return self.value(node.value, scope)

    # -- comprehensions

    def _listcomp(self, node: ast.ListComp, scope: Scope) -> Any:
        return [self.value(node.elt, inner) for inner in self._turns(node.generators, scope)]

    def _generatorexp(self, node: ast.GeneratorExp, scope: Scope) -> Any:
        return [self.value(node.elt, inner) for inner in self._turns(node.generators, scope)]

    def _setcomp(self, node: ast.SetComp, scope: Scope) -> Any:
        found = [self.value(node.elt, inner) for inner in self._turns(node.generators, scope)]
        with suppress(TypeError):
            if light(found):
                return set(found)
        raise Unknown

    def _dictcomp(self, node: ast.DictComp, scope: Scope) -> Any:
        found: dict[Any, Any] = {}
        for inner in self._turns(node.generators, scope):
            key = self.value(node.key, inner)
            if not isinstance(key, (str, int, float, tuple, bool, type(None))) or not light(key):
                raise Unknown
            found[key] = self.value(node.value, inner)
        return found

    def _turns(self, loops: list[ast.comprehension], scope: Scope) -> Iterator[Scope]:
        if not loops:
            yield scope
            return
        first, *rest = loops
        items = iterable(self.value(first.iter, scope))
        if items is None:
            raise Unknown
        for item in items:
            inner = Scope(outer=scope, path=scope.path)
            self.bind(first.target, item, inner)
            if all(self._holds(self.value(test, inner)) for test in first.ifs):
                yield from self._turns(rest, inner)

    def bind(self, target: ast.expr, value: Any, scope: Scope) -> None:
        """`target = value`, with tuples taken apart."""
        if isinstance(target, ast.Name):
            scope.names[target.id] = value
            if isinstance(value, Dag) and not value.variable:
                value.variable = target.id
        elif isinstance(target, (ast.Tuple, ast.List)):
            for part, item in zip(target.elts, _apart(target.elts, value), strict=True):
                self.bind(part.value if isinstance(part, ast.Starred) else part, item, scope)
        elif isinstance(target, ast.Attribute):
            self._builder.assigned(self.value(target.value, scope), target.attr, value)
        elif isinstance(target, ast.Subscript):
            whole, key = self.value(target.value, scope), self.value(target.slice, scope)
            if isinstance(whole, (dict, list)) and light(key):
                with suppress(TypeError, IndexError):
                    whole[key] = value

    # -- calls

    def _call(self, node: ast.Call, scope: Scope) -> Any:
        function: Any
        if isinstance(node.func, ast.Attribute):
            owner = self.value(node.func.value, scope)
            args, kwargs = self._arguments(node, scope)
            if not isinstance(owner, _SYMBOLS):
                return method(owner, node.func.attr, args, kwargs)
            done, found = self._builder.method(owner, node.func.attr, args, kwargs, node)
            if done:
                return found
            function = self._builder.attribute(owner, node.func.attr)
        else:
            function = self.value(node.func, scope)
            args, kwargs = self._arguments(node, scope)
        if isinstance(function, Function):
            return self._call_function(function, args, kwargs)
        if isinstance(function, Ref) and function.origin in _CALL_OTHERS:
            return self._called_by(function.last, args, node)
        if isinstance(function, Opaque) or (isinstance(function, Ref) and not function.of_airflow):
            self._tell_edges(args, node)
        if isinstance(function, Ref) and function.origin.startswith("builtins."):
            if function.last in BUILTINS and not isinstance(args[0] if args else None, _SYMBOLS):
                return called(function.last, args, kwargs)
            raise Unknown
        return self._builder.called(function, args, kwargs, node)

    def _called_by(self, name: str, args: list[Any], node: ast.Call) -> Any:
        """`map(f, items, ...)` and `reduce(f, items, first)`, of functions that are known."""
        function, items = args[0] if args else None, [iterable(one) for one in args[1:]]
        if name == "reduce":
            items, first = items[:1], args[2:3]
        if not isinstance(function, Function) or not items or None in items:
            self._tell_edges(args, node)
            raise Unknown
        turns = zip(*(one or () for one in items), strict=False)
        if name == "map":
            return [self._call_function(function, [*turn], {}) for turn in turns]
        found = [*first, *(one for (one,) in turns)]
        while len(found) > 1:
            found[:2] = [self._call_function(function, found[:2], {})]
        return found[0] if found else Opaque()

    def _tell_edges(self, args: list[Any], node: ast.Call) -> None:
        """What draws edges when it is called is given to somebody of whom nothing is known."""
        if any(_draws_edges(given) for given in args):
            self._builder.loss(
                "edges", f"those that `{_written(node)}` draws are not known without running the "
                "file", node.lineno,
            )  # fmt: skip

    def _arguments(self, node: ast.Call, scope: Scope) -> tuple[list[Any], dict[str, Any]]:
        kwargs: dict[str, Any] = {}
        for given in node.keywords:
            value = self.value(given.value, scope)
            value = value if light(value) else Opaque()
            if given.arg is not None:
                kwargs[given.arg] = value
            elif isinstance(value, dict):
                kwargs |= {key: item for key, item in value.items() if isinstance(key, str)}
            else:
                self._builder.loss("**", f"`**{_written(given.value)}` is not known without "
                                   "running the file", node.lineno)  # fmt: skip
        try:
            args = self._items(node.args, scope)
            args = [value if light(value) else Opaque() for value in args]
        except Unknown:
            self._builder.loss("*", f"the arguments of `{_written(node.func)}` are not known "
                               "without running the file", node.lineno)  # fmt: skip
            args = []
        return args, kwargs
