"""Literals of a module, and what loops go over."""

from __future__ import annotations

import ast
import operator
from collections.abc import Sequence
from typing import Any

from orch_nb.errors import PlanError

__all__ = ["NOTHING", "items_of", "literal", "turns"]

_MOST = 100_000
_OPERATORS = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Mod: operator.mod,
    ast.FloorDiv: operator.floordiv, ast.Div: operator.truediv,
}  # fmt: skip
NOTHING = object()  #: what is no literal


def literal(node: ast.AST | None, names: dict[str, Any] | None = None) -> Any:
    """A node's value, where it is a literal, a name that is known, or a list, tuple or sum of
    such; else NOTHING."""
    if node is None:
        return NOTHING
    if isinstance(node, ast.Name):
        return (names or {}).get(node.id, NOTHING)
    if names and isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return _worked_out(node, names)
    if names and isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = literal(node.operand, names)
        return -value if isinstance(value, int | float) else NOTHING
    if names and isinstance(node, ast.List | ast.Tuple):
        values = [literal(inner, names) for inner in node.elts]
        return NOTHING if NOTHING in values else values
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return NOTHING


def _worked_out(node: ast.BinOp, names: dict[str, Any]) -> Any:
    """Sums of small numbers: more than that would be running the file."""
    left, right = literal(node.left, names), literal(node.right, names)
    small = (isinstance(one, int | float) and abs(one) < 1e15 for one in (left, right))
    if not all(small):
        return NOTHING
    try:
        return _OPERATORS[type(node.op)](left, right)
    except (ArithmeticError, ValueError):
        return NOTHING


def items_of(node: ast.expr, names: dict[str, Any] | None) -> list[Any] | None:
    """What a loop goes over: a list, a `range`, a `zip` or `enumerate` of such; None where the
    module has to run. Raises PlanError for more than can be tasks."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        if node.func.id in ("range", "xrange"):
            return _range([literal(bound, names) for bound in node.args])
        if node.func.id in ("zip", "list", "tuple") and node.args:
            parts = [items_of(inner, names) for inner in node.args]
            known = [part for part in parts if part is not None]
            if len(known) < len(parts):
                return None
            return [list(one) for one in zip(*known, strict=False)] if node.func.id == "zip" else (
                known[0]
            )  # fmt: skip
        if node.func.id == "enumerate" and len(node.args) == 1 and not node.keywords:
            inner = items_of(node.args[0], names)
            return None if inner is None else [list(one) for one in enumerate(inner)]
        return None
    found = literal(node, names)
    return list(found) if isinstance(found, list | tuple | str) else None


def _range(bounds: list[Any]) -> list[Any] | None:
    if not all(isinstance(bound, int) for bound in bounds) or not 1 <= len(bounds) <= 3:
        return None
    if 0 in bounds[2:]:
        return None
    found = range(*bounds)
    if len(found) > _MOST:
        raise PlanError(f"A loop over {len(found):,} items makes more tasks than can be read.")
    return list(found)


def turns(loops: Sequence[ast.comprehension], names: dict[str, Any]) -> list[dict[str, Any]] | None:
    """The names of each turn of loops, one within the other; None where the module has to run.
    Raises PlanError for more than can be tasks."""
    if not loops:
        return [names]
    loop = loops[0]
    items = items_of(loop.iter, names)
    if items is None or loop.ifs:
        return None
    found = []
    for item in items:
        targets = loop.target.elts if isinstance(loop.target, ast.Tuple) else [loop.target]
        values = item if isinstance(loop.target, ast.Tuple) else [item]
        inner = {ast.unparse(t): value for t, value in zip(targets, values, strict=False)}
        its = turns(loops[1:], names | inner)
        if its is None:
            return None
        found += its
        if len(found) > _MOST:
            raise PlanError(f"Loops over {_MOST:,} items and more are more than can be tasks.")
    return found
