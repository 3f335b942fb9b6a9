"""The keys of a task, in a document and as options of `@task`, and who reads each.

What undoes a task (`compensate`) and what runs when a plan has failed (`on_failure`) have some of
them too: an action, and how it is tried.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from orch_nb.model.task import Task
from orch_nb.planners.actions import (
    action_text,
    read_approval,
    read_check,
    read_foreach,
    read_notebook,
    read_run,
    read_when,
)
from orch_nb.planners.fields import Fields
from orch_nb.planners.nodes import Node
from orch_nb.planners.policies import (
    read_estimate,
    read_pool,
    read_retry,
    read_tolerate,
    read_trigger,
)

__all__ = ["ACTIONS", "LATER", "TASK_KEYS", "WORK", "read_afterwards", "read_key"]

Reader = Callable[[Fields, Node], Any]

#: The actions that are done by the machine, and all.
WORK = ("run", "sh", "notebook")
ACTIONS = (*WORK, "approval", "todo")
#: Keys that DESIGN has and this version does not: refused, since ignoring them would be a lie.
LATER = frozenset({"agent", "mcp"})
#: What a compensation and `on_failure` may say.
_AFTERWARDS = (
    *WORK, "with", "retry", "timeout", "total_timeout", "pool", "title", "description", "owner",
)  # fmt: skip


def _compensate(fields: Fields, node: Node) -> Task | None:
    return read_afterwards(fields, "compensate", node, f"compensate({fields.task})")


_READERS: dict[str, Reader] = {
    "run": read_run,
    "sh": lambda fields, node: action_text(fields, "sh", node),
    "notebook": read_notebook,
    "approval": read_approval,
    "todo": lambda fields, node: action_text(fields, "todo", node),
    "with": lambda fields, node: fields.values("with", node),
    "needs": lambda fields, node: tuple(name for name, _ in fields.names("needs", node)),
    "trigger": read_trigger,
    "when": read_when,
    "foreach": read_foreach,
    "max_active": lambda fields, node: fields.whole("max_active", node, 1),
    "tolerate": read_tolerate,
    "retry": read_retry,
    "timeout": lambda fields, node: fields.positive("timeout", node),
    "total_timeout": lambda fields, node: fields.positive("total_timeout", node),
    "estimate": read_estimate,
    "pool": read_pool,
    "priority": lambda fields, node: fields.whole("priority", node, -1_000_000),
    "outputs": lambda fields, node: fields.texts("outputs", node),
    "check": read_check,
    "required": lambda fields, node: fields.boolean("required", node),
    "compensate": _compensate,
    "cache": lambda fields, node: fields.boolean("cache", node),
    "owner": lambda fields, node: fields.text("owner", node),
    "title": lambda fields, node: fields.text("title", node),
    "description": lambda fields, node: fields.text("description", node),
    "story": lambda fields, node: fields.name("story", node),
    "parent": lambda fields, node: fields.name("parent", node),
}
TASK_KEYS = (*_READERS, "subtasks")


def read_key(fields: Fields, key: str, node: Node) -> Any:
    """The value of any key of a task but `subtasks`; None if it cannot be, which is told."""
    return _READERS[key](fields, node)


def read_afterwards(fields: Fields, key: str, node: Node, name: str) -> Task | None:
    """A task without a place in the plan, called `name` in a run: an action, or a callable."""
    if isinstance(node.origin, Task):
        return replace(node.origin, id=name)
    if callable(node.origin):
        return Task(id=name, run=node.origin)
    if node.kind == "list":
        fields.wrong(key, node, "is one action, not a list", "Write {sh: ...}.")
        return None
    if node.kind == "scalar":
        run = action_text(fields, key, node)
        return Task(id=name, run=run) if run is not None else None
    of = f"`{key}` of {fields.owner}" if fields.owner else f"`{key}`"
    inner = Fields(fields.findings, of, fields.task)
    found: dict[str, Any] = {}
    for word, at, value in node.pairs():
        if word not in _AFTERWARDS:
            fields.unknown(key, at, word, _AFTERWARDS)
        elif not value.empty or word in WORK:
            read = read_key(inner, word, value)
            if read is not None:
                found["with_" if word == "with" else word] = read
    return Task(id=name, **found)
