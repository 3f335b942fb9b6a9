"""What a task does, whether, and how many times: actions, conditions and fan-out.

run: build            a callable, or its name      when: fetch.rows > 0      an expression
notebook: r.ipynb     a path                       when: {run: is_monday}    a callable
approval: {prompt: "Ship it?", default: reject, timeout: 2h}
foreach: {region: params.regions}                  one instance an item, called `region`
compensate: {sh: "make yank", retry: 3}            a task without a name
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from msgspec.structs import replace

from orch_nb.model.contract import Contract, contracts
from orch_nb.model.task import Approval, Call, Foreach
from orch_nb.planners.fields import Fields, name_of
from orch_nb.planners.nodes import Ambiguous, Node

__all__ = [
    "action_text",
    "read_approval",
    "read_check",
    "read_foreach",
    "read_notebook",
    "read_run",
    "read_when",
]

_NAMES = r"(?:[^\W\d]\w*|<\w+>)(?:\.(?:[^\W\d]\w*|<\w+>))*"
_CALLABLE = re.compile(rf"{_NAMES}(?::{_NAMES})?")  # <lambda> too, to say that it has no name


def action_text(fields: Fields, key: str, node: Node) -> str | None:
    if node.empty:
        fields.wrong(key, node, "is empty")
        return None
    if key == "sh" and node.kind == "list":
        fields.wrong(key, node, "is one text, not a list", "Join its words, or several commands "
                     "with `&&`.")  # fmt: skip
        return None
    return fields.text(key, node)


def read_run(fields: Fields, node: Node) -> Any:
    return node.origin if callable(node.origin) else action_text(fields, "run", node)


def read_notebook(fields: Fields, node: Node) -> str | None:
    if hasattr(node.origin, "__fspath__"):
        return str(node.origin)
    return action_text(fields, "notebook", node)


def read_approval(fields: Fields, node: Node) -> Approval | None:
    if isinstance(node.origin, Approval):
        return node.origin
    if node.kind != "map":
        prompt = action_text(fields, "approval", node)
        return Approval(prompt) if prompt is not None else None
    found: dict[str, Any] = {}
    for key, at, value in node.pairs():
        if key == "prompt":
            found["prompt"] = fields.text("approval.prompt", value)
        elif key == "timeout" and not value.empty:
            found["timeout_s"] = fields.positive("approval.timeout", value)
        elif key == "default" and value.value in ("approve", "reject"):
            found["default"] = value.value
        elif key == "default":
            fields.wrong("approval.default", value, f"is approve or reject, not "
                         f"{value.described()}")  # fmt: skip
        elif key != "timeout":
            fields.unknown("approval", at, key, ("prompt", "default", "timeout"))
    if "prompt" not in found:
        fields.wrong("approval", node, "has no `prompt`",
                     'Write approval: {prompt: "Ship it?", default: approve}.')  # fmt: skip
    return Approval(**found) if found.get("prompt") else None


# -- when, foreach


def read_when(fields: Fields, node: Node) -> str | Call | None:
    called = _called(node)
    if called is not None:
        return called
    if node.kind == "scalar" and isinstance(node.value, bool):
        return str(node.value).lower()
    if isinstance(node.value, Ambiguous):
        fields.wrong("when", node, f"is {node.described()}, which YAML reads in two ways",
                     "Write true or false.")  # fmt: skip
    elif isinstance(node.value, str) and node.value.strip():
        return node.value
    else:
        fields.wrong("when", node, f"is an expression or {{run: name}}, not {node.described()}",
                     'Write when: "fetch.rows > 0", without braces.')  # fmt: skip
    return None


def read_check(fields: Fields, node: Node) -> list[Contract] | None:
    """What a result must be: one or several of types, schemas, functions, by name or themselves."""
    items = node.value if node.kind == "list" else [node]
    found = [_contract(fields, item) for item in items]
    kept = [contract for contract in found if contract is not None]
    return kept if kept and len(kept) == len(found) else None


def _contract(fields: Fields, node: Node) -> Contract | None:
    if node.kind == "map":
        parts = {key: value for key, _, value in node.pairs()}
        for key, at, _ in node.pairs():
            if key not in ("check", "required"):
                fields.unknown("check", at, key, ("check", "required"))
        inner = _contract(fields, parts["check"]) if "check" in parts else None
        if "check" not in parts:
            fields.wrong("check", node, "names what to check",
                         "Write {check: name, required: false}.")  # fmt: skip
        said = parts.get("required")
        needed = True if said is None else fields.boolean("check.required", said)
        return None if inner is None or needed is None else replace(inner, required=needed)
    value = node.origin if node.origin is not None else node.value
    if isinstance(value, str) and _CALLABLE.fullmatch(value) and not isinstance(value, Ambiguous):
        return Contract(value)
    held = node.origin is not None and not isinstance(value, (str, int, float, list, tuple))
    if value is True or held:
        return contracts(value)[0]
    fields.wrong("check", node, f"is a type, a schema or a function, not {node.described()}",
                 "Write int, pandas.DataFrame, a name from above, or module:name.")  # fmt: skip
    return None


def read_foreach(fields: Fields, node: Node) -> Foreach | None:
    if isinstance(node.origin, Foreach):
        return node.origin
    if node.kind != "map" or _called(node) is not None:
        over = _over(fields, node)
        return Foreach(over) if over is not None else None
    pairs = list(node.pairs())
    item = name_of(pairs[0][1]) if len(pairs) == 1 else None
    if item is None:
        fields.wrong("foreach", node, "names one item: {region: [eu, us]}",
                     "For several lists write pairs: zip(a, b).")  # fmt: skip
        return None
    over = _over(fields, pairs[0][2])
    return Foreach(over, item) if over is not None else None


def _over(fields: Fields, node: Node) -> str | list[Any] | Call | None:
    """A task, an expression, a list, or what is called for one."""
    called = _called(node)
    if called is not None:
        return called
    if node.kind == "list":
        return [fields.value("foreach", item) for item in node.value]
    listed = node.origin
    if isinstance(listed, (Sequence, AbstractSet)) and not isinstance(listed, (str, bytes)):
        return list(listed)
    if isinstance(node.value, str) and node.value.strip() and not isinstance(node.value, Ambiguous):
        return node.value
    hint = "A task, an expression, a list, or {run: name}."
    if isinstance(node.value, int) and not isinstance(node.value, bool):
        hint = f"For so many times write range({node.value})."
    fields.wrong("foreach", node, f"is something to iterate over, not {node.described()}", hint)
    return None


def _called(node: Node) -> Call | None:
    """A callable, or the mapping {run: name}; None if it is neither."""
    if isinstance(node.origin, Call):
        return node.origin
    if callable(node.origin):
        return Call(node.origin)
    pairs = list(node.pairs()) if node.kind == "map" else []
    if len(pairs) != 1 or pairs[0][0] != "run":
        return None
    value = pairs[0][2]
    if callable(value.origin):
        return Call(value.origin)
    if isinstance(value.value, str) and _CALLABLE.fullmatch(value.value):
        return Call(value.value)
    return None
