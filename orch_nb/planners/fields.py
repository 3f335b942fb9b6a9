"""The keys of a task, each read and checked: from a YAML node and from an option of `@task` alike.

Every reader returns the value, or None after it has said what is wrong, where, and what to write:

    retry: lots     `retry` of `lint` is a number of attempts or a mapping, not `lots`.
"""

from __future__ import annotations

import math
from typing import Any

from orch_nb.graph.nearest import did_you_mean
from orch_nb.model.duration import parse_duration
from orch_nb.model.task import Approval, RetryPolicy, TriggerRule
from orch_nb.planners.nodes import Ambiguous, Findings, Node, boolean

__all__ = ["ACTIONS", "LATER", "TASK_KEYS", "Fields", "name_of"]

ACTIONS = ("run", "sh", "approval", "todo")
TASK_KEYS = (
    *ACTIONS, "with", "needs", "trigger", "retry", "timeout", "estimate", "outputs", "required",
    "owner", "title", "description", "story", "parent", "subtasks",
)  # fmt: skip
#: Keys that DESIGN has and this version does not: refused, since ignoring them would be a lie.
LATER = frozenset(
    {"foreach", "when", "pool", "priority", "compensate", "cache", "notebook", "agent", "mcp"}
)
_RETRY_KEYS = {
    "maximum_attempts": "maximum_attempts",
    "initial_interval": "initial_interval_s",
    "maximum_interval": "maximum_interval_s",
    "backoff_coefficient": "backoff_coefficient",
    "jitter": "jitter",
    "non_retryable": "non_retryable",
}
_OTHER_TRIGGERS = {
    "all_failed", "all_done_min_one_success", "all_skipped", "one_success", "one_done",
    "none_failed_min_one_success", "none_skipped", "always",
}  # fmt: skip


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
        self._findings, self._owner, self._task = findings, owner, task

    def wrong(self, key: str, node: Node, what: str, hint: str = "") -> None:
        of = f" of {self._owner}" if self._owner else ""
        self._findings.add(f"`{key}`{of} {what}.", node, hint=hint, task=self._task)

    def read(self, key: str, node: Node) -> Any:
        """The value of any key of a task but `subtasks`; None if it cannot be."""
        if key in ("sh", "todo"):
            return self.action_text(key, node)
        if key == "needs":
            return tuple(name for name, _ in self.names(key, node))
        if key in ("story", "parent"):
            name = name_of(node)
            if name is None:
                self.wrong(key, node, f"is a name, not {node.described()}")
            return name
        readers: dict[str, Any] = {
            "outputs": self.texts,
            "with": self.values,
            "required": self.boolean,
            "timeout": self.positive,
            "title": self.text,
            "description": self.text,
            "owner": self.text,
        }
        if key in readers:
            return readers[key](key, node)
        return getattr(self, key)(node)  # run, approval, retry, trigger, estimate

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

    def action_text(self, key: str, node: Node) -> str | None:
        if node.empty:
            self.wrong(key, node, "is empty")
            return None
        if key == "sh" and node.kind == "list":
            self.wrong(key, node, "is one text, not a list", "Join its words, or several commands "
                       "with `&&`.")  # fmt: skip
            return None
        return self.text(key, node)

    def run(self, node: Node) -> Any:
        return node.origin if callable(node.origin) else self.action_text("run", node)

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

    def estimate(self, node: Node) -> float | list[float] | None:
        if node.kind != "list":
            return self.duration("estimate", node)
        if len(node.value) != 3:
            self.wrong("estimate", node, f"is one duration or three, not {len(node.value)}",
                       "Write [optimistic, likely, pessimistic].")  # fmt: skip
            return None
        found = [self.duration("estimate", item) for item in node.value]
        seconds = [value for value in found if value is not None]
        if len(seconds) == 3 and seconds != sorted(seconds):
            self.wrong("estimate", node, "goes from optimistic to pessimistic; these do not rise")
            return None
        return seconds if len(seconds) == 3 else None

    def trigger(self, node: Node) -> TriggerRule | None:
        known = [str(rule) for rule in TriggerRule]
        name = node.value if isinstance(node.value, str) else ""
        if name in known:
            return TriggerRule(name)
        if name in _OTHER_TRIGGERS:
            self.wrong("trigger", node, f"is `{name}`, which is not yet supported",
                       f"There are {', '.join(known)}.")  # fmt: skip
        else:
            self.wrong("trigger", node, f"is no trigger rule: {node.described()}",
                       did_you_mean(name, known) or f"There are {', '.join(known)}.")  # fmt: skip
        return None

    def approval(self, node: Node) -> Approval | None:
        if isinstance(node.origin, Approval):
            return node.origin
        if node.kind != "map":
            prompt = self.action_text("approval", node)
            return Approval(prompt) if prompt is not None else None
        found: dict[str, Any] = {}
        for key, at, value in node.pairs():
            if key == "prompt":
                found["prompt"] = self.text("approval.prompt", value)
            elif key == "default" and value.value in ("approve", "reject"):
                found["default"] = value.value
            elif key == "default":
                self.wrong("approval.default", value, f"is approve or reject, not "
                           f"{value.described()}")  # fmt: skip
            else:
                self.wrong("approval", at, f"has no key `{key}`",
                           did_you_mean(key, ["prompt", "default"]))  # fmt: skip
        if "prompt" not in found:
            self.wrong("approval", node, "has no `prompt`",
                       'Write approval: {prompt: "Ship it?", default: approve}.')  # fmt: skip
        return Approval(**found) if found.get("prompt") else None

    def retry(self, node: Node) -> RetryPolicy | None:
        if isinstance(node.origin, RetryPolicy):
            return node.origin
        if node.kind == "scalar":
            attempts = self._attempts("retry", node)
            return RetryPolicy(maximum_attempts=attempts) if attempts is not None else None
        if node.kind == "list":
            self.wrong("retry", node, "is a number of attempts or a mapping, not a list")
            return None
        found: dict[str, Any] = {}
        for key, at, value in node.pairs():
            name = _RETRY_KEYS.get(key.removesuffix("_s"))
            if name is None:
                self.wrong("retry", at, f"has no key `{key}`",
                           did_you_mean(key, _RETRY_KEYS)
                           or f"There are {', '.join(_RETRY_KEYS)}.")  # fmt: skip
            elif not value.empty:
                found[name] = self._retry_part(name, f"retry.{key}", value)
        return RetryPolicy(**{key: part for key, part in found.items() if part is not None})

    def _retry_part(self, name: str, key: str, node: Node) -> Any:
        if name == "maximum_attempts":
            return self._attempts(key, node)
        if name.endswith("interval_s"):
            return self.duration(key, node)
        if name == "non_retryable":
            return self._exceptions(key, node)
        low, high = (1.0, 100.0) if name == "backoff_coefficient" else (0.0, 1.0)
        value = node.value
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not low <= value <= high:
            self.wrong(key, node, f"is a number from {low:g} to {high:g}, not {node.described()}")
            return None
        return float(value)

    def _attempts(self, key: str, node: Node) -> int | None:
        value = node.value
        if isinstance(value, bool) or not isinstance(value, int):
            also = " or a mapping" if key == "retry" else ""
            self.wrong(key, node, f"is a number of attempts{also}, not {node.described()}")
        elif not 1 <= value <= 1_000_000:
            self.wrong(key, node, f"is at least 1 (one attempt, no retry), not {value}"
                       if value < 1 else f"is at most 1,000,000, not {value}")  # fmt: skip
        else:
            return value
        return None

    def _exceptions(self, key: str, node: Node) -> tuple[str, ...] | None:
        items = node.value if node.kind == "list" else [node]
        found = []
        for item in items:
            kind = item.origin
            if isinstance(kind, type) and issubclass(kind, BaseException):
                prefix = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
                found.append(prefix + kind.__qualname__)
            else:
                found.append(self.text(key, item) or "")
        return tuple(found) if all(found) else None

    def values(self, key: str, node: Node) -> dict[str, Any] | None:
        """A mapping of names to values: JSON's from a document, any from Python."""
        if node.kind != "map":
            self.wrong(key, node, f"is a mapping of names to values, not {node.described()}")
            return None
        found: dict[str, Any] = {}
        for _, at, value in node.pairs():
            name = name_of(at)
            if name is None or not name.isidentifier():
                self.wrong(key, at, f"has {at.described()} for a name",
                           "Letters, digits and _ make one.")  # fmt: skip
            else:
                found[name] = self._value(f"{key}.{name}", value)
        return found

    def _value(self, key: str, node: Node) -> Any:
        if node.line is None or node.origin is not None:
            return node.origin
        if node.kind == "list":
            return [self._value(key, item) for item in node.value]
        if node.kind == "map":
            found: dict[str, Any] = {}
            for _, at, value in node.pairs():
                name = name_of(at)
                if name is None or name in found:
                    self.wrong(key, at, f"has {at.described()} for a key" if name is None
                               else f"has the key `{name}` twice")  # fmt: skip
                else:
                    found[name] = self._value(key, value)
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
