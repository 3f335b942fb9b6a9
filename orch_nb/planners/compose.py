"""YAML text to nodes that know their line, bounded in size, depth and what aliases expand to.

Nodes are made from the events of PyYAML's C loader and not by its composer: that one recurses in C,
where 100,000 brackets end the process, and knows neither duplicate keys nor how large an alias
becomes. An alias shares its node, so a "billion laughs" document costs what it is written with, and
is refused by the weight that its nodes add up to.

What libyaml says of a fault is put into words for somebody who does not know libyaml.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import yaml

from orch_nb.errors import PlanError, Problem
from orch_nb.planners.nodes import DEEPEST, MergeKey, Node, plain_value

__all__ = ["compose", "sized"]

#: Characters of a document: 25,000 tasks of 200 each.
LARGEST = 5_000_000
#: How many nodes more than are written aliases may make.
_EXPANSION = 100_000
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]"
)
_CORE = "tag:yaml.org,2002:"
_TAGS = {_CORE + name for name in ("str", "int", "float", "bool", "null", "map", "seq")} | {"!"}
_WORDS = (
    ("mapping values are not allowed", "A `:` stands where no value can begin.",
     "Is the line above indented as it should be? Quote a text that contains `: `."),
    ("unexpected end of stream", "A quote is opened here and never closed.", ""),
    ("expected '-' indicator", "A list entry begins with `- `; this line does not.", ""),
    ("did not find expected key", "This line does not continue what is above it.",
     "Check the indentation, and quotes and brackets above."),
    ("could not find expected ':'", "A key without `:` stands here or above.", ""),
    ("cannot start any token", "A text that begins with this character has to be quoted.", ""),
    ("did not find expected node content", "A value is missing here.", ""),
    ("unknown escape character", "A backslash in double quotes begins an escape that there is not.",
     "Use single quotes."),
)  # fmt: skip


def sized(text: str, what: str = "plan") -> None:
    """Refuses what is too large to be written by a person. Raises PlanError."""
    if len(text) > LARGEST:
        raise PlanError(
            [
                Problem(
                    f"The {what} has {len(text) / 1e6:.1f} MB; at most {LARGEST // 1_000_000} MB "
                    "is read.",
                    hint="Put the data into a file that a task reads.",
                )
            ]
        )


def compose(text: str, first_line: int = 1) -> Node:
    """The nodes of a document; its first line counts as `first_line`. Raises PlanError."""
    sized(text)
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    bad = _FORBIDDEN.search(text)
    if bad is not None:
        line = text.count("\n", 0, bad.start()) + first_line
        code = f"U+{ord(bad[0]):04X}"
        raise PlanError([Problem(f"A control character ({code}) stands here.", line=line,
                                 hint="Delete it.")])  # fmt: skip
    return _Composer(text, first_line).document()


class _Composer:
    """Folds the events of one document into nodes, with a stack instead of recursion."""

    def __init__(self, text: str, first_line: int) -> None:
        self._text, self._first_line = text, first_line
        self._anchors: dict[str, Node | None] = {}
        self._stack: list[tuple[Node, str | None]] = []
        self._root: Node | None = None
        self._written = 0

    def document(self) -> Node:
        takers: dict[type, Callable[[Any], None]] = {
            yaml.ScalarEvent: self._scalar,
            yaml.MappingStartEvent: self._open,
            yaml.SequenceStartEvent: self._open,
            yaml.MappingEndEvent: self._close,
            yaml.SequenceEndEvent: self._close,
            yaml.AliasEvent: self._alias,
            yaml.DocumentStartEvent: self._begin,
        }
        try:
            for event in yaml.parse(self._text, Loader=_LOADER):
                take = takers.get(type(event))
                if take is not None:
                    take(event)
        except yaml.MarkedYAMLError as error:
            raise PlanError([self._explained(error)]) from None
        if self._root is None:
            raise PlanError([Problem("The plan is empty.", hint=_START)])
        return self._root

    def _fail(self, message: str, event: Any, hint: str = "") -> PlanError:
        mark = event.start_mark
        return PlanError(
            [Problem(message, line=mark.line + self._first_line, column=mark.column + 1, hint=hint)]
        )

    def _begin(self, event: Any) -> None:
        if self._root is not None:
            raise self._fail(
                "A second document begins here (`---`); a plan is one.", event,
                "Put the other plan into a cell of its own.",
            )  # fmt: skip

    def _node(self, kind: str, value: Any, event: Any, text: str = "") -> Node:
        mark = event.start_mark
        self._written += 1
        return Node(kind, value, text, mark.line + self._first_line, mark.column + 1)

    def _tagged(self, event: Any) -> None:
        if event.tag not in _TAGS:
            tag = event.tag.replace(_CORE, "!!")
            raise self._fail(f"The tag `{tag}` means nothing in a plan.", event, "Leave it out.")

    def _scalar(self, event: Any) -> None:
        if event.tag is not None:
            self._tagged(event)
        text: str = event.value
        value: Any = text
        plain = event.implicit[0]
        if plain or (event.tag and event.tag not in (_CORE + "str", "!")):
            value = plain_value(text)
        node = self._node("scalar", value, event, text)
        if text == "<<" and plain:
            node = MergeKey("scalar", value, text, node.line, node.column)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        self._add(node, event)

    def _open(self, event: Any) -> None:
        if event.tag is not None:
            self._tagged(event)
        if len(self._stack) >= DEEPEST:
            raise self._fail(f"The plan is nested more than {DEEPEST} deep here.", event)
        kind = "map" if isinstance(event, yaml.MappingStartEvent) else "list"
        node = self._node(kind, [], event)
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        self._stack.append((node, event.anchor))

    def _close(self, event: Any) -> None:
        node, anchor = self._stack.pop()
        if node.kind == "map":
            node.value = list(zip(node.value[::2], node.value[1::2], strict=True))
        if anchor is not None:
            self._anchors[anchor] = node
        self._add(node, event)

    def _alias(self, event: Any) -> None:
        if event.anchor not in self._anchors:
            raise self._fail(
                f"The alias `*{event.anchor}` has no anchor `&{event.anchor}` above it.", event,
                "Quote a text that begins with `*`.",
            )  # fmt: skip
        node = self._anchors[event.anchor]
        if node is None:
            raise self._fail(f"The alias `*{event.anchor}` contains itself.", event)
        self._add(node, event)

    def _add(self, node: Node, event: Any) -> None:
        if not self._stack:
            self._root = node
            return
        above = self._stack[-1][0]
        above.value.append(node)
        above.weight += node.weight
        if node.height >= above.height:
            above.height = node.height + 1
        if len(self._stack) + node.height > DEEPEST:
            raise self._fail(f"The plan is nested more than {DEEPEST} deep here.", event)
        if above.weight > self._written + _EXPANSION:
            raise self._fail(
                f"The aliases of this plan expand to more than {_EXPANSION:,} values.", event,
                "Write out what the tasks need.",
            )  # fmt: skip

    def _explained(self, error: yaml.MarkedYAMLError) -> Problem:
        mark = error.problem_mark or error.context_mark
        problem = str(error.problem or error)
        line = mark.line if mark is not None else 0
        rows = self._text.split("\n")
        row = rows[line] if line < len(rows) else ""
        message, hint = f"This is not YAML: {problem}.", ""
        for words, plain, way_out in _WORDS:
            if words in problem:
                message, hint = plain, way_out
                break
        if "\t" in row[: len(row) - len(row.lstrip())] or "tab character" in problem:
            message, hint = "A tab indents this line; YAML wants spaces.", "Use two spaces a level."
        elif "',' or" in problem and error.context_mark is not None:
            opened = error.context_mark.line + self._first_line
            bracket = problem[-2]
            message = f"The `{'[' if bracket == ']' else '{'}` of line {opened} is not closed."
            hint = f"Close it with `{bracket}`, and quote a text that has brackets or commas in it."
        elif error.context and "quoted scalar" in error.context and error.context_mark is not None:
            mark, line = error.context_mark, error.context_mark.line
        column = mark.column + 1 if mark is not None else None
        return Problem(message, line=line + self._first_line, column=column, hint=hint)


_START = "Begin with `goal:` and `tasks:`."
