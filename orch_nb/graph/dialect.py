"""One expression, read and evaluated in Jinja; its faults, in words for who wrote it.

    fetch.rows = 3     `fetch.rows = 3` is no expression: a single `=` sets nothing here.
                       Compare with `==`.

Jinja says "chunk after expression" there. Only `graph.expressions` imports this, where there is an
expression that is more than a name.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any

from jinja2 import Undefined, nodes
from jinja2.exceptions import TemplateSyntaxError
from jinja2.parser import Parser

from orch_nb.graph.expressions import FUNCTIONS, ExpressionError
from orch_nb.graph.nearest import did_you_mean
from orch_nb.graph.sandbox import Sandbox, spending

__all__ = ["read", "run"]

_JINJAS_OWN = frozenset(("self", "super", "caller", "varargs", "kwargs", "loop"))
_KEYWORDS = frozenset(("and", "or", "not", "in", "is", "if", "else", "for", "import"))
_DEEPEST = 60  # levels; Python reads no more than 200 brackets in each other
_FUNCTION = "Write a function, and name it: {run: name}."
#: (pattern over Jinja's message and the token at which it gave up, what it means, the way out)
_MEANINGS = (
    (r"got 'for'", "it has no loops",
     'Write orders | map(attribute="id") or orders | selectattr("paid"), or a function.'),
    (r"^colon at", "it makes no functions and sets nothing", _FUNCTION),
    (r"assign at", "a single `=` sets nothing here", "Compare with `==`."),
    (r"unexpected '='", "`===` compares nothing", "Compare with `==`."),
    (r"char '&'", "`&` means nothing here", "Write `and`."),
    (r"got '\|'|unexpected '\|'", "`||` means nothing here", "Write `or`."),
    (r"char '!'", "`!` means nothing here", "Write `not`."),
    (r"char '\?'", "`?` means nothing here", "Write x if condition else y."),
    (r"char '\$'", "`$` is the shell's", "Name results and parameters without it."),
    (r"char ['\"]['\"]", "a quote is opened and never closed", ""),
    (r"(?<!un)expected '([)\]}:])'", "`{0}` is missing", ""),
    (r"end of template", "it ends where something is missing", ""),
    (r"expected name or number", "a name is missing behind `.`", ""),
    (r"string at", "a text stands where none can", "Join texts with `~`."),
    (r"(?:char|unexpected|got|at) '(.+?)'", "`{0}` is not expected there", ""),
)  # fmt: skip


@functools.cache
def _sandbox() -> Sandbox:
    return Sandbox()


def read(expression: str) -> tuple[frozenset[str], frozenset[tuple[str, str]]]:
    """The names of an expression, and the constant keys (of what, which) that it must find.

    Raises ExpressionError for what is no expression, and for filters and attributes that it cannot
    use.
    """
    tree = _Tree(expression)
    for name in sorted(tree.names):
        if name in _KEYWORDS:
            raise _no_expression(expression, f"nothing before {name}")
        if name in _JINJAS_OWN:
            raise ExpressionError(f"`{expression}`: `{name}` is a word of Jinja's, and none here.",
                                  f'A task of this name is results["{name}"].')  # fmt: skip
    for message, hint in tree.faults:
        raise ExpressionError(f"`{expression}`: {message}.", hint)
    return frozenset(tree.names), frozenset(tree.keys - tree.unsure)


class _Tree:
    """What a walk through an expression meets."""

    def __init__(self, expression: str) -> None:
        self.names: set[str] = set()
        self.keys: set[tuple[str, str]] = set()
        self.unsure: set[tuple[str, str]] = set()
        self.faults: list[tuple[str, str]] = []
        stack: list[tuple[nodes.Node, int]] = [(_parsed(expression), 0)]
        while stack:  # and not by recursion, which a long sum would exhaust
            node, depth = stack.pop()
            if depth > _DEEPEST:
                raise _no_expression(expression, "too deep")
            self._visit(node)
            called = node.node if isinstance(node, nodes.Call) else None
            for child in node.iter_child_nodes():
                if child is called and getattr(child, "name", "") in FUNCTIONS:
                    continue
                stack.append((child, depth + 1))

    def _visit(self, node: nodes.Node) -> None:
        if isinstance(node, nodes.Name):
            self.names.add(node.name)
        elif isinstance(node, (nodes.Filter, nodes.Test)):
            self._named(node)
        elif isinstance(node, nodes.Getattr) and node.attr.startswith("_"):
            self.faults.append((f"`{node.attr}` is closed to expressions", _FUNCTION))
        key = _key(node)
        if key is not None:
            self.keys.add(key)

    def _named(self, node: nodes.Filter | nodes.Test) -> None:
        filters = isinstance(node, nodes.Filter)
        what = "filter" if filters else "test"
        known: Mapping[str, Any] = _sandbox().filters if filters else _sandbox().tests
        if node.name not in known:
            hint = did_you_mean(node.name, known) or _FUNCTION
            self.faults.append((f"there is no {what} `{node.name}`", hint))
        asked = _key(node.node) if node.node is not None else None
        if asked is not None and node.name in ("default", "d", "defined", "undefined"):
            self.unsure.add(asked)


def _key(node: nodes.Node) -> tuple[str, str] | None:
    """("results", "load data") of `results["load data"]`, ("params", "day") of `params.day`."""
    if isinstance(node, nodes.Getattr):
        key: Any = node.attr
    elif isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
        key = node.arg.value
    else:
        return None
    of = node.node
    return (of.name, key) if isinstance(of, nodes.Name) and isinstance(key, str) else None


def _parsed(expression: str) -> nodes.Expr:
    try:
        parser = Parser(_sandbox(), expression, state="variable")
        tree = parser.parse_expression()
        if not parser.stream.eos:
            token = parser.stream.current
            raise _no_expression(expression, f"{token.type} at '{token.value}'")
    except TemplateSyntaxError as error:
        raise _no_expression(expression, error.message or "") from None
    except RecursionError:
        raise _no_expression(expression, "too deep") from None
    return tree


def _no_expression(expression: str, problem: str) -> ExpressionError:
    shown = " ".join(expression.split())
    shown = shown if len(shown) <= 100 else shown[:99] + "…"
    begin = f"`{shown}` is no expression: "
    braced = re.fullmatch(r"\{\{(.*)\}\}", expression, re.DOTALL)
    if braced:
        return ExpressionError(f"{begin}it has braces around it.", f"Write {braced[1].strip()}.")
    if problem.startswith("nothing before"):
        return ExpressionError(f"{begin}nothing stands before `{problem.rsplit(maxsplit=1)[-1]}`.")
    if problem == "too deep":
        return ExpressionError(f"{begin}it is nested too deeply.", _FUNCTION)
    for pattern, meaning, hint in _MEANINGS:
        match = re.search(pattern, problem)
        if match:
            part = next((group for group in match.groups() if group), "")
            return ExpressionError(begin + meaning.format(part) + ".", hint)
    return ExpressionError(f"{begin}{problem}.")


# -- evaluating


def run(expression: str, values: Mapping[str, Any]) -> Any:
    """What an expression comes to. Raises ExpressionError that says what went wrong."""
    try:
        with spending():
            return _native(_compiled(expression)(values))
    except ExpressionError:
        raise
    except Exception as error:  # values are anything, and so are their errors
        reason = str(error).strip() or type(error).__name__
        if not type(error).__module__.startswith("jinja2."):
            reason = f"{type(error).__name__}: {reason}"
        stop = "" if reason.endswith("?") else "."
        raise ExpressionError(f"`{expression}`: {reason.rstrip('.')}{stop}") from error


@functools.lru_cache(maxsize=4096)
def _compiled(expression: str) -> Any:
    read(expression)
    try:
        return _sandbox().compile_expression(expression, undefined_to_none=False)
    except (SyntaxError, RecursionError, MemoryError, ValueError):
        raise _no_expression(expression, "too deep") from None


def _native(value: Any) -> Any:
    """Python's own value: lists of generators and views, and nothing that is not there."""
    if isinstance(value, Undefined):
        value._fail_with_undefined_error()  # noqa: SLF001  # Jinja's own way to raise it
    if isinstance(value, (list, tuple)):
        for item in value:
            if isinstance(item, Undefined):
                _native(item)
    elif isinstance(value, Iterator) or type(value).__name__.startswith("dict_"):
        return [_native(item) for item in value]
    elif isinstance(value, range):
        return list(value)
    return value
