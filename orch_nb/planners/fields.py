"""How the values of a document are read and checked: from a YAML node and from Python alike.

Every reader returns the value, or None after it has said what is wrong, where, and what to write:

    owner: 5     `owner` of `lint` is a text, and `5` without quotes reads as a number. Write "5".

Which key has which reader is in `task_keys`.
"""

from __future__ import annotations

import math
from typing import Any

from orch_nb.graph.nearest import did_you_mean
from orch_nb.model.duration import parse_duration
from orch_nb.model.parameters import STAR
from orch_nb.planners.nodes import Ambiguous, Findings, Node, boolean

__all__ = ["Fields", "name_of"]


def name_of(node: Node) -> str | None:
    """A name as it was written: `1` and `on` name tasks as well as `"1"` and `"on"` do."""
    if node.kind != "scalar" or node.value is None:
        return None
    if node.line is None and not (isinstance(node.value, str) or type(node.value) is int):
        return None
    return node.text


class Fields:
    """Reads the fields of one owner (a task, a story, the defaults), whose name is in messages."""

    def __init__(self, findings: Findings, owner: str, task: str = "") -> None:
        self.findings, self.owner, self.task = findings, owner, task

    def wrong(self, key: str, node: Node, what: str, hint: str = "") -> None:
        of = f" of {self.owner}" if self.owner else ""
        self.findings.add(f"`{key}`{of} {what}.", node, hint=hint, task=self.task)

    def text(self, key: str, node: Node) -> str | None:
        value = node.value
        number = node.kind == "scalar" and isinstance(value, (bool, int, float))
        if isinstance(value, Ambiguous) or (number and node.line is not None):
            reads = "a boolean" if boolean(value) is not None else "a number"
            self.wrong(key, node, f"is a text, and {node.described()} without quotes reads as "
                       f"{reads}", f'Write "{node.text}".')  # fmt: skip
        elif not isinstance(value, str):
            self.wrong(key, node, f"is a text, not {node.described()}")
        elif not value.strip():
            self.wrong(key, node, "is empty")
        elif "\0" in value:
            self.wrong(key, node, "has a null byte in it", "Delete it.")
        else:
            return value
        return None

    def name(self, key: str, node: Node) -> str | None:
        name = name_of(node)
        if name is None:
            self.wrong(key, node, f"is a name, not {node.described()}")
        return name

    def names(self, key: str, node: Node) -> list[tuple[str, Node]]:
        """One name or a list of them."""
        found = []
        if node.kind == "map":
            self.wrong(key, node, "is a list of names, not a mapping", "Write [a, b].")
            return []
        for item in node.value if node.kind == "list" else [node]:
            name = name_of(item)
            if name is None:
                self.wrong(key, item, f"holds {item.described()}, not a name")
            else:
                found.append((name, item))
        return found

    def texts(self, key: str, node: Node) -> tuple[str, ...] | None:
        """One text or a list of them."""
        items = node.value if node.kind == "list" else [node]
        found = [self.text(key, item) for item in items]
        texts = tuple(text for text in found if text is not None)
        return texts if len(texts) == len(found) else None

    def boolean(self, key: str, node: Node) -> bool | None:
        value = boolean(node.value) if node.kind == "scalar" else None
        if value is None:
            self.wrong(key, node, f"is true or false, not {node.described()}")
        return value

    def whole(
        self, key: str, node: Node, least: int, most: int = 1_000_000, what: str = "a whole number"
    ) -> int | None:
        """A whole number within bounds; `what` says in a message what it is."""
        value = node.value
        if isinstance(value, bool) or not isinstance(value, int):
            self.wrong(key, node, f"is {what}, not {node.described()}")
        elif not least <= value <= most:
            bound = f"at least {least}" if value < least else f"at most {most:,}"
            self.wrong(key, node, f"is {bound}, not {value}")
        else:
            return value
        return None

    def number(self, key: str, node: Node, low: float, high: float) -> float | None:
        value = node.value
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not low <= value <= high:
            self.wrong(key, node, f"is a number from {low:g} to {high:g}, not {node.described()}")
            return None
        return float(value)

    def duration(self, key: str, node: Node) -> float | None:
        value = node.value
        if node.kind == "scalar" and not isinstance(value, Ambiguous):
            try:
                return parse_duration(value)
            except ValueError:
                pass
        self.wrong(key, node, f"is not a duration: {node.described()}", "Write 90s, 10m or 1h30m.")
        return None

    def positive(self, key: str, node: Node) -> float | None:
        seconds = self.duration(key, node)
        if seconds == 0:
            self.wrong(key, node, "is longer than nothing", "Leave it out for no limit.")
            return None
        return seconds

    def unknown(self, key: str, at: Node, name: str, known: Any) -> None:
        """A key of a mapping that it does not have."""
        hint = did_you_mean(name, known) or f"There are {', '.join(known)}."
        self.wrong(key, at, f"has no key `{name}`", hint)

    def values(self, key: str, node: Node) -> dict[str, Any] | None:
        """A mapping of names to values: JSON's from a document, any from Python."""
        if node.kind != "map":
            self.wrong(key, node, f"is a mapping of names to values, not {node.described()}")
            return None
        found: dict[str, Any] = {}
        for _, at, value in node.pairs():
            name = name_of(at)
            by_position = name == STAR and key.endswith("with")
            if name is None or not (name.isidentifier() or by_position):
                self.wrong(key, at, f"has {at.described()} for a name",
                           "Letters, digits and _ make one.")  # fmt: skip
            else:
                found[name] = self.value(f"{key}.{name}", value)
        return found

    def value(self, key: str, node: Node) -> Any:
        """Any value at all; what a document cannot mean by itself is told."""
        if node.line is None or node.origin is not None:
            return node.origin
        if node.kind == "list":
            return [self.value(key, item) for item in node.value]
        if node.kind == "map":
            found: dict[str, Any] = {}
            for _, at, value in node.pairs():
                name = name_of(at)
                if name is None or name in found:
                    self.wrong(key, at, f"has {at.described()} for a key" if name is None
                               else f"has the key `{name}` twice")  # fmt: skip
                else:
                    found[name] = self.value(key, value)
            return found
        if isinstance(node.value, Ambiguous):
            flag = boolean(node.value)
            plain = "" if flag is None else f" or {str(flag).lower()}"
            self.wrong(key, node, f"is {node.described()}, which YAML reads in two ways",
                       f'Write "{node.text}"{plain}.')  # fmt: skip
            return None
        if isinstance(node.value, float) and not math.isfinite(node.value):
            self.wrong(key, node, f"is {node.described()}, which has no place in a plan")
        return node.value
