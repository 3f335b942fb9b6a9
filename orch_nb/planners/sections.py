"""What a document says once for all its tasks: defaults, pools, what runs at the end, criteria.

defaults: {retry: 2, pool: db}        criteria: {The tests pass: [tests]}
pools: {db: 2}                        on_failure: {sh: "notify {{ failures }}"}
"""

from __future__ import annotations

from orch_nb.graph.nearest import did_you_mean
from orch_nb.model.goal import Criterion
from orch_nb.planners.fields import Fields
from orch_nb.planners.nodes import Node
from orch_nb.planners.policies import read_pools
from orch_nb.planners.record import Reading
from orch_nb.planners.task_keys import LATER, TASK_KEYS, read_afterwards, read_key

__all__ = ["FOR_WORK", "criteria_of", "defaults_of", "on_failure_of", "pools_of"]

#: What can be said once for all tasks; most of it only holds for tasks that run something.
FOR_WORK = ("retry", "timeout", "total_timeout", "estimate", "pool", "priority", "cache")
_DEFAULT_KEYS = (*FOR_WORK, "max_active", "trigger", "required", "owner")


def defaults_of(reading: Reading, node: Node) -> None:
    if node.kind != "map":
        if not node.empty:
            reading.findings.add("`defaults` is a mapping of task keys to values.", node)
        return
    fields = Fields(reading.findings, "`defaults`")
    for key, at, value in node.pairs():
        if key in _DEFAULT_KEYS:
            _default(reading, fields, key, value)
        elif key in TASK_KEYS:
            reading.findings.add(f"`{key}` belongs to one task and cannot be a default.", at)
        else:
            reading.unknown({key: (at, value)}, _DEFAULT_KEYS, "`defaults`", LATER)


def _default(reading: Reading, fields: Fields, key: str, node: Node) -> None:
    value = read_key(fields, key, node)
    if key == "pool" and value is not None:
        for name in [name for name in value if name not in reading.pools]:
            fields.wrong("pool", node, f"names `{name}`, which the plan does not have",
                         did_you_mean(name, reading.pools)
                         or f"Declare it: pools: {{{name}: {value[name]}}}.")  # fmt: skip
            del value[name]
    if value is not None and value != {}:
        reading.defaults[key] = value


def pools_of(reading: Reading, node: Node) -> None:
    reading.pools = read_pools(Fields(reading.findings, ""), node)
    for name, at, _ in node.pairs() if node.kind == "map" else ():
        reading.place("", f"pools.{name}", at)


def on_failure_of(reading: Reading, at: Node, node: Node) -> None:
    reading.place("on_failure", "", at)
    fields = Fields(reading.findings, "", "on_failure")
    reading.on_failure = read_afterwards(fields, "on_failure", node, "on_failure")
    for key, place, _ in node.pairs() if node.kind == "map" else ():
        reading.place("on_failure", key, place)


def criteria_of(reading: Reading, node: Node) -> None:
    fields = Fields(reading.findings, "")
    if node.kind == "map":
        for text, at, value in node.pairs():
            _criterion(reading, fields, text, at, value)
    elif node.kind == "list":
        for item in node.value:
            _listed_criterion(reading, fields, item)
    elif not node.empty:
        fields.wrong("criteria", node, f"maps texts to tasks, and is {node.described()}")


def _criterion(reading: Reading, fields: Fields, text: str, at: Node, tasks: Node | None) -> None:
    if not text.strip():
        reading.findings.add("A criterion is empty.", at)
        return
    names: list[tuple[str, Node]] = []
    if tasks is not None and not tasks.empty:
        names = fields.names("criteria", tasks)
    reading.place("", f"criteria.{text}", at)
    reading.criteria.append(Criterion(text, tuple(name for name, _ in names)))


def _listed_criterion(reading: Reading, fields: Fields, item: Node) -> None:
    if item.kind == "scalar" and not item.empty:
        _criterion(reading, fields, item.text, item, None)
        return
    pairs = item.pairs() if item.kind == "map" else ()
    entries = {key: (at, value) for key, at, value in pairs}
    reading.unknown(entries, ("text", "criterion", "tasks"), "A criterion")
    place = entries.get("text") or entries.get("criterion")
    if place is None:
        reading.findings.add("A criterion is a text, or {text: ..., tasks: [...]}.", item)
        return
    text = fields.text("text", place[1])
    if text is not None:
        tasks = entries["tasks"][1] if "tasks" in entries else None
        _criterion(reading, fields, text, place[1], tasks)
