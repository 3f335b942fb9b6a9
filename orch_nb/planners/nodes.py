"""A document as nodes that know where they stand: what a plan is checked on.

A YAML cell (`compose`), a Python mapping and the options of `@task(...)` all become the same three
kinds of `Node`, so that one set of checks serves them. A scalar keeps how it was written: in a plan
`1:` names the task "1", and `no` is False where a boolean is meant and a question elsewhere.

    tasks:                     map ─ (scalar "tasks", map ─ (scalar "a", map ─ (scalar "sh", ...)))
      a: {sh: ls}
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from orch_nb.errors import PlanError, Problem

__all__ = [
    "DEEPEST", "Ambiguous", "Findings", "MergeKey", "Node", "boolean", "from_python", "plain_value",
]  # fmt: skip

#: Levels of nesting; a plan that a person reads has six or so.
DEEPEST = 50

_INT = re.compile(r"[-+]?(?:0|[1-9][0-9_]*)")
_HEX = re.compile(r"[-+]?0x[0-9a-fA-F_]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9_]+")
_SEXAGESIMAL = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")
_BOOLEANS = {"true": True, "false": False}
_OLD_BOOLEANS = {"yes": True, "no": False, "on": True, "off": False}
_NULLS = {"", "~", "null", "Null", "NULL"}


class Ambiguous(str):
    """An unquoted text that YAML 1.1 and 1.2 read differently (`no`, `0644`, `12:30`)."""

    __slots__ = ()


class Node:
    """A value of a document: `kind` is "scalar", "list" or "map".

    `value` is the Python value of a scalar, the `Node`s of a list, the pairs of a map; `text` is a
    scalar as it was written; `weight` counts the nodes below and `height` their levels, aliases as
    often as they are used; `origin` is the Python value that it was made from, if it was.
    """

    __slots__ = ("column", "height", "kind", "line", "origin", "text", "value", "weight")

    def __init__(
        self, kind: str, value: Any, text: str = "", line: int | None = None,
        column: int | None = None,
    ) -> None:  # fmt: skip
        self.kind, self.value, self.text = kind, value, text
        self.line, self.column = line, column
        self.weight = self.height = 1
        self.origin: Any = None

    @property
    def empty(self) -> bool:
        return self.kind == "scalar" and self.value is None

    def pairs(self) -> Iterator[tuple[str, Node, Node]]:
        """Key as text, key, value of each entry of a map."""
        for key, value in self.value:
            yield key.text, key, value

    def described(self) -> str:
        """What a person wrote, for a message: at most 40 characters of a scalar."""
        if self.kind != "scalar":
            return "a list" if self.kind == "list" else "a mapping"
        if self.value is None:
            return "nothing"
        return f"`{self.text if len(self.text) <= 40 else self.text[:39] + '…'}`"


class MergeKey(Node):
    """The key `<<` as YAML 1.1 means it: without quotes. In quotes it is a text like any other."""

    __slots__ = ()


class Findings:
    """Collects problems at nodes."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def add(self, message: str, at: Node | None = None, *, hint: str = "", task: str = "") -> None:
        line = at.line if at is not None else None
        column = at.column if at is not None else None
        self.problems.append(
            Problem(message, line=line, column=column, task=task or None, hint=hint)
        )


def plain_value(text: str) -> Any:
    """The value of an unquoted scalar: YAML 1.2's core schema, `Ambiguous` where 1.1 differs."""
    if text in _NULLS:
        return None
    first = text[0]
    if first in "-+.0123456789":
        return _number(text)
    lower = text.lower()
    if text in (lower, lower.capitalize(), lower.upper()):
        if lower in _BOOLEANS:
            return _BOOLEANS[lower]
        if lower in _OLD_BOOLEANS:
            return Ambiguous(text)
    return text


def _number(text: str) -> Any:
    if _INT.fullmatch(text):
        digits = text.replace("_", "")
        # Python refuses to read longer ones; nobody means a number by them.
        return int(digits) if len(digits) < 1000 else text
    if _LEADING_ZERO.fullmatch(text) or _SEXAGESIMAL.fullmatch(text):
        return Ambiguous(text)
    if _FLOAT.fullmatch(text):
        return float(text.replace("_", ""))
    if _HEX.fullmatch(text):
        return int(text.replace("_", ""), 16) if len(text) < 1000 else text
    if _SPECIAL.fullmatch(text):
        return float(text.lower().replace(".", ""))
    return text


def boolean(value: Any) -> bool | None:
    """True or False of a scalar's value, the old spellings included; None if it is neither."""
    if isinstance(value, bool):
        return value
    return _OLD_BOOLEANS.get(value.lower()) if isinstance(value, Ambiguous) else None


def from_python(value: Any, line: int | None = None, column: int | None = None) -> Node:
    """Nodes of Python values; whatever is no text, number, list or mapping is a scalar as it is.

    Raises PlanError for what is nested without end.
    """
    return _from_python(value, line, column, 0)


def _from_python(value: Any, line: int | None, column: int | None, depth: int) -> Node:
    if depth > DEEPEST:
        raise PlanError([Problem(f"The plan is nested more than {DEEPEST} deep.", line=line)])
    if isinstance(value, Mapping):
        pairs = [
            tuple(_from_python(part, line, column, depth + 1) for part in pair)
            for pair in value.items()
        ]
        node = Node("map", pairs, line=line, column=column)
    elif isinstance(value, (list, tuple, set, frozenset)):
        items = [_from_python(item, line, column, depth + 1) for item in value]
        node = Node("list", items, line=line, column=column)
    else:
        text = value if isinstance(value, str) else repr(value)
        node = Node("scalar", value, text, line, column)
    node.origin = value
    return node
